//! The canaries of the gateways, as the ledger's database keeps them; the checkpoint writes them.

use std::collections::BTreeMap;

use domain::canary::{Canaries, Flight, GATEWAYS_MAX};
use domain::id::GatewayId;
use sqlx::{Row, query};

use super::ledger::Ledger;
use super::pg_time::PgTime;

/// How long a gateway that wrote nothing any more is kept.
pub(crate) const KEPT_DAYS: i32 = 7;

/// The canaries of partitions that were taken over just now, so that nobody else moves them.
pub(crate) async fn load(
    ledger: &Ledger,
    partitions: &[i32],
) -> sqlx::Result<BTreeMap<i32, Canaries>> {
    let rows = query(
        "with gone as (
             delete from canary
             where topic = $1 and partition = any($2) and written_at < now() - make_interval(days => $3)
         )
         select partition, gateway, sequence, gaps, repeats, written_at
         from canary
         where topic = $1 and partition = any($2) and written_at >= now() - make_interval(days => $3)
         order by partition, written_at desc",
    )
    .bind(&ledger.topic)
    .bind(partitions)
    .bind(KEPT_DAYS)
    .fetch_all(&ledger.pool)
    .await?;
    let mut found: BTreeMap<i32, Vec<(GatewayId, Flight)>> = BTreeMap::new();
    for row in rows {
        let count = |column: usize| -> sqlx::Result<u64> {
            Ok(row.try_get::<i64, _>(column)?.unsigned_abs())
        };
        let flight = Flight {
            sequence: count(2)?,
            gaps: count(3)?,
            repeats: count(4)?,
            written_at: row.try_get::<PgTime, _>(5)?.0,
        };
        let of_partition = found.entry(row.try_get(0)?).or_default();
        if of_partition.len() < GATEWAYS_MAX {
            of_partition.push((GatewayId(row.try_get(1)?), flight));
        }
    }
    Ok(found
        .into_iter()
        .map(|(partition, flights)| (partition, Canaries::restored(flights)))
        .collect())
}
