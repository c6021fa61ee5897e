//! What owners tell the ledger about their partitions beside the checkpoint: how far the log reaches, and whether they stand
//! still. Nothing in here decides anything; it is for readers who have no Kafka.

use sqlx::{Row, query};

use super::checkpoint::without_nul;
use super::ledger::Ledger;
use crate::engine::job::LedgerEntry;
use crate::engine::standing::Standing;
use crate::engine::stop::Stop;

/// How long nobody may have moved the ledger before one who reads another Kafka says that it stands still.
const UNMOVED_SECONDS: f64 = 30.0;

/// Tells how partitions stand, as far as they are still ours; says what the ledger has for those that stand still, `None`
/// for one of which the row is gone.
///
/// It never waits for a row that a checkpoint is moving, and so never makes one wait that waits for it: the next report tells.
pub(crate) async fn tell(
    ledger: Ledger,
    standings: Vec<Standing>,
) -> sqlx::Result<Vec<(i32, Option<LedgerEntry>)>> {
    let column =
        |value: fn(&Standing) -> Option<i64>| standings.iter().map(value).collect::<Vec<_>>();
    let stops = |value: fn(&Stop) -> String| {
        let stop = |standing: &Standing| standing.stop.as_ref().map(value);
        standings.iter().map(stop).collect::<Vec<_>>()
    };
    let partitions: Vec<i32> = standings.iter().map(|told| told.partition).collect();
    let rows = query(
        "with told as (
             select *
             from unnest($2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[])
                 as u (partition, epoch, log_begin, log_end, reason, why)
         ), ours as (
             select ledger.partition
             from ledger
             join told on told.partition = ledger.partition and told.epoch = ledger.epoch
             where ledger.topic = $1
             for update of ledger skip locked
         ), reported as (
             update ledger
             set log_begin_offset = coalesce(told.log_begin, ledger.log_begin_offset),
                 log_end_offset = coalesce(told.log_end, ledger.log_end_offset),
                 reported_at = now(),
                 stopped_reason = told.reason,
                 stopped_why = told.why,
                 stopped_at = case
                     when told.reason is null then null
                     when told.reason = ledger.stopped_reason then ledger.stopped_at
                     else now()
                 end
             from told
             join ours using (partition)
             where ledger.topic = $1 and ledger.partition = told.partition
         )
         select told.partition, ledger.epoch, ledger.next_offset
         from told
         left join ledger on ledger.topic = $1 and ledger.partition = told.partition
         where told.reason is not null",
    )
    .bind(&ledger.topic)
    .bind(partitions)
    .bind(column(|told| Some(told.epoch)))
    .bind(column(|told| told.log.map(|log| log.begin)))
    .bind(column(|told| told.log.map(|log| log.end)))
    .bind(stops(|stop| stop.reason.as_str().to_owned()))
    .bind(stops(|stop| without_nul(&stop.why)))
    .fetch_all(&ledger.pool)
    .await?;
    rows.iter()
        .map(|row| {
            let (epoch, next_offset): (Option<i64>, Option<i64>) =
                (row.try_get(1)?, row.try_get(2)?);
            let entry = epoch.zip(next_offset);
            let entry = entry.map(|(epoch, next_offset)| LedgerEntry { epoch, next_offset });
            Ok((row.try_get(0)?, entry))
        })
        .collect()
}

/// Marks the partitions of a ledger that belongs to another Kafka, where nobody else moves it: a consumer that was pointed at
/// the wrong Kafka by mistake must not call the others stopped.
pub(crate) async fn mark_unmoved(ledger: &Ledger, stop: &Stop) -> sqlx::Result<()> {
    query(
        "update ledger
         set stopped_reason = $2, stopped_why = $3, stopped_at = now()
         where topic = $1 and stopped_reason is null
             and greatest(updated_at, reported_at) < now() - make_interval(secs => $4)",
    )
    .bind(&ledger.topic)
    .bind(stop.reason.as_str())
    .bind(&stop.why)
    .bind(UNMOVED_SECONDS)
    .execute(&ledger.pool)
    .await?;
    Ok(())
}
