//! What Postgres has noted of a partition besides its rows: where its states are, what was poison, what a person left out.

use std::collections::BTreeMap;
use std::ops::Range;

use domain::rejection::Reason;
use sqlx::{PgConnection, query_as};

use crate::engine::delta::Delta;
use crate::engine::poison::Poison;
use crate::store::ledger::skip_from;

/// What stands in Postgres about a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ledger {
    pub(super) next: i64,
    /// Where the partition was folded first, with no state, when that is known.
    pub(super) began: Option<i64>,
    /// The least offset that Kafka holds for which there is a state: that of a snapshot that was kept, if there is one.
    pub(super) reach: Option<i64>,
}

/// Reads the ledger's neighbourhood: `low` is the first offset that Kafka holds.
pub(super) async fn ledger(
    postgres: &mut PgConnection,
    (topic, partition): (&str, i32),
    next: i64,
    low: i64,
) -> sqlx::Result<Ledger> {
    if low == 0 {
        // Nothing is gone, so nothing else needs to be known.
        return Ok(Ledger {
            next,
            ..Ledger::default()
        });
    }
    // Deltas and what was skipped lead on from the newest snapshot only.
    let (snapshot, reach, first): (Option<i64>, Option<i64>, Option<i64>) = query_as(
        "with piece as (
             select to_offset, kind, max(to_offset) filter (where kind = 'snapshot') over () as snapshot
             from state_log
             where topic = $1 and partition = $2 and to_offset <= $3
         )
         select max(snapshot),
             min(to_offset) filter (
                 where to_offset >= $4 and (kind = 'snapshot' or snapshot is null or to_offset > snapshot)
             ),
             (select first_offset from ledger where topic = $1 and partition = $2)
         from piece",
    )
    .bind(topic)
    .bind(partition)
    .bind(next)
    .bind(low)
    .fetch_one(&mut *postgres)
    .await?;
    let began = match (first, snapshot) {
        (Some(first), _) => Some(first),
        // An earlier version made the row. Where it began the first piece of the state log says, until a snapshot takes its place.
        (None, Some(_)) => None,
        (None, None) => first_piece(postgres, (topic, partition), next).await?,
    };
    Ok(Ledger { next, began, reach })
}

/// Where the state log begins, when there is no snapshot in it.
async fn first_piece(
    postgres: &mut PgConnection,
    (topic, partition): (&str, i32),
    next: i64,
) -> sqlx::Result<Option<i64>> {
    let first: Vec<(String, Vec<u8>)> = query_as(
        "select kind, blob
         from state_log
         where topic = $1 and partition = $2 and to_offset = (
             select min(to_offset) from state_log where topic = $1 and partition = $2
         )
         order by chunk",
    )
    .bind(topic)
    .bind(partition)
    .fetch_all(postgres)
    .await?;
    Ok(match first.as_slice() {
        [(kind, blob), ..] if kind == "skip" => skip_from(blob),
        pieces => {
            let whole: Vec<u8> = pieces.iter().flat_map(|(_, blob)| blob).copied().collect();
            Some(Delta::starts_at(&whole).unwrap_or(next))
        }
    })
}

/// Which records made the fold panic: Postgres is believed, because trying again would break the state. A letter with the topic
/// of a device is of a gateway, where a decoder panicked: its record is a dead letter like others.
pub(super) async fn poison(
    postgres: &mut PgConnection,
    topic: &str,
    partition: i32,
) -> sqlx::Result<BTreeMap<i64, Poison>> {
    let letters: Vec<(i64, String)> = query_as(
        "select record_offset, detail
         from dead_letter
         where topic = $1 and partition = $2 and reason = $3 and mqtt_topic is null",
    )
    .bind(topic)
    .bind(partition)
    .bind(Reason::Poison.as_str())
    .fetch_all(postgres)
    .await?;
    Ok(letters
        .into_iter()
        .map(|(offset, detail)| (offset, Poison::of_detail(&detail)))
        .collect())
}

/// Which records a person left out before the ledger's offset, in order.
pub(super) async fn skips(
    postgres: &mut PgConnection,
    topic: &str,
    partition: i32,
    next: i64,
) -> sqlx::Result<Vec<Range<i64>>> {
    let pieces: Vec<(i64, Vec<u8>)> = query_as(
        "select to_offset, blob
         from state_log
         where topic = $1 and partition = $2 and kind = 'skip' and to_offset <= $3
         order by to_offset",
    )
    .bind(topic)
    .bind(partition)
    .bind(next)
    .fetch_all(postgres)
    .await?;
    let range = |(to, blob): (i64, Vec<u8>)| Some(skip_from(&blob)?..to);
    Ok(pieces.into_iter().filter_map(range).collect())
}
