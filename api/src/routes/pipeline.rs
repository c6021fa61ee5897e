//! `GET /pipeline`: how far the folds have come, and whether every record is accounted for.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::time::{Micros, Span};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::{App, Moment};
use crate::params::Asked;
use crate::problem::Answer;
use crate::refusal::Refusals;
use crate::routes::site::NoParams;
use crate::stamp::Stamp;
use crate::store::{CanaryRow, DEAD_LETTERS_COUNTED, PartitionRow, StoppedRow};

/// An owner tells every two seconds how its partition stands: after this long nobody owns it.
const TOLD_WITHIN: Span = Span::from_secs(10);

/// How far the folds have come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Pipeline {
    /// The partitions, by topic and number.
    pub partitions: Vec<Partition>,
    /// The canaries of the gateways: those of the last hour, and those of which something is missing.
    pub canaries: Vec<Canary>,
    /// Refused messages and records that nobody has replayed; counted up to 10 000.
    #[schema(example = 3)]
    pub dead_letters: i64,
    /// Whether there are more than that.
    pub dead_letters_more: bool,
    /// See the overview.
    #[schema(required, example = 1830)]
    pub lag_ms: Option<i64>,
    /// Whether the live view is away.
    pub stale: bool,
    /// The version of this server.
    #[schema(example = "0.1.0")]
    pub version: String,
}

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Partition {
    /// The topic.
    #[schema(example = "sensor-movements")]
    pub topic: String,
    /// Its number.
    #[schema(example = 3)]
    pub partition: i32,
    /// The fold that reads it.
    #[schema(example = "movement")]
    pub fold: String,
    /// The version of that fold which made the state.
    #[schema(example = 1)]
    pub fold_version: i32,
    /// The offset after the last record whose effects are in Postgres.
    #[schema(example = 10231)]
    pub next_offset: i64,
    /// How often the partition was taken over.
    #[schema(example = 7)]
    pub epoch: i64,
    /// No event before this changes an answer any more.
    #[schema(required)]
    pub watermark: Option<Stamp>,
    /// The offset after the last record that the live view contains; null while it is not there.
    #[schema(required, example = 10247)]
    pub live_offset: Option<i64>,
    /// Where the log ended when the partition's owner told last, every two seconds; null before the first time.
    #[schema(required, example = 10247)]
    pub log_end_offset: Option<i64>,
    /// When that was. More than 10 s ago: nobody owns the partition, and how far it is behind is not known.
    #[schema(required)]
    pub reported: Option<Stamp>,
    /// Records between `next_offset` and the end of the log; null while that is unknown, so also once `reported` is more than
    /// 10 s ago.
    #[schema(required, example = 16)]
    pub lag: Option<i64>,
    /// What became of the records before `next_offset`.
    pub counts: Counts,
    /// Records before `next_offset` of which nobody knows what became: always 0. Null while the partition's owner is of a
    /// version that does not count, and once `reported` is more than 10 s ago.
    #[schema(required, example = 0)]
    pub unaccounted: Option<i64>,
    /// Why the partition cannot go on without a person; null while it goes on.
    #[schema(required)]
    pub stopped: Option<Stopped>,
}

/// What became of the records of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    /// The offset of the first record that is counted.
    #[schema(example = 0)]
    pub began_offset: i64,
    /// They changed the state.
    #[schema(example = 9800)]
    pub applied: i64,
    /// They had been there before.
    #[schema(example = 310)]
    pub duplicate: i64,
    /// They came after their sensor's watermark.
    #[schema(example = 1)]
    pub late: i64,
    /// Of a kind that the fold does not count.
    #[schema(example = 0)]
    pub ignored: i64,
    /// The gateways' ticks, which no device sent.
    #[schema(example = 118)]
    pub marker: i64,
    /// Put into quarantine.
    #[schema(example = 2)]
    pub dead_letter: i64,
    /// Left out by a person after they were lost.
    #[schema(example = 0)]
    pub skipped: i64,
}

/// A partition that cannot go on without a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Stopped {
    /// `log_truncated`, `log_shorter`, `log_changed`, `ledger_moved`, `fold_version`, `state_unreadable`, `another_log` or `two_ledgers`.
    #[schema(example = "log_truncated")]
    pub reason: String,
    /// What happened, and what to do.
    pub why: String,
    /// When it was found out.
    pub since: Stamp,
}

/// What one gateway process says about itself in every partition of a topic: a number that counts up without a gap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Canary {
    /// The gateway's process, as its log names it.
    #[schema(example = "0199aa6f3c2e7c3b8a5d4e2f1a0b9c8d")]
    pub gateway: String,
    /// The topic.
    #[schema(example = "sensor-movements")]
    pub topic: String,
    /// In how many partitions it was seen.
    #[schema(example = 6)]
    pub partitions: i64,
    /// The newest number that has arrived in all of them.
    #[schema(example = 118)]
    pub last_sequence: i64,
    /// How long ago that was written; while the gateway lives, at most the tick interval and the lag.
    #[schema(example = 4200)]
    pub age_ms: i64,
    /// Numbers that are missing: records that Kafka had confirmed and that are lost.
    #[schema(example = 0)]
    pub gaps: i64,
    /// Numbers that came again, as they do after a fault.
    #[schema(example = 0)]
    pub repeats: i64,
}

/// How far the folds have come
#[utoipa::path(
    get, path = "/api/v1/pipeline", tag = "operations", operation_id = "getPipeline",
    responses((status = OK, description = "Partitions, lag, accounts and canaries", body = Pipeline, example = json!({
        "partitions": [{
            "topic": "sensor-movements", "partition": 3, "fold": "movement", "fold_version": 1, "next_offset": 10231,
            "epoch": 7, "watermark": "2026-11-24T11:00:12.5+00:00", "live_offset": 10247, "log_end_offset": 10247,
            "reported": "2026-11-24T11:20:13.1+00:00", "lag": 16,
            "counts": {
                "began_offset": 0, "applied": 9800, "duplicate": 310, "late": 1, "ignored": 0, "marker": 118,
                "dead_letter": 2, "skipped": 0
            },
            "unaccounted": 0, "stopped": null
        }],
        "canaries": [{
            "gateway": "0199aa6f3c2e7c3b8a5d4e2f1a0b9c8d", "topic": "sensor-movements", "partitions": 6,
            "last_sequence": 118, "age_ms": 4200, "gaps": 0, "repeats": 0
        }],
        "dead_letters": 3, "dead_letters_more": false, "lag_ms": 1830, "stale": false, "version": "0.1.0"
    })), Refusals)
)]
pub async fn show(State(app): State<Arc<App>>, _: Asked<NoParams>) -> Answer<Json<Pipeline>> {
    let moment = app.moment()?;
    let catalog = &moment.catalog;
    let partitions = catalog.partitions.iter().map(|row| {
        let is_ours = row.topic == app.settings.topic;
        let live_offset = moment.live.offsets.get(&row.partition).copied();
        partition(row, live_offset.filter(|_| is_ours), &moment)
    });
    let canaries = catalog.canaries.iter().map(|row| canary(row, &moment));
    Ok(Json(Pipeline {
        partitions: partitions.collect(),
        canaries: canaries.collect(),
        dead_letters: catalog.dead_letters.min(DEAD_LETTERS_COUNTED),
        dead_letters_more: catalog.dead_letters > DEAD_LETTERS_COUNTED,
        lag_ms: moment.live.lag_ms,
        stale: moment.live.stale,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }))
}

fn partition(row: &PartitionRow, live_offset: Option<i64>, moment: &Moment) -> Partition {
    let tz = &moment.catalog.tz;
    let log_end = row.log_end.map(|(end, _)| end);
    let is_told = |(_, at): &(i64, Micros)| moment.now - *at <= TOLD_WITHIN;
    let is_owned = row.log_end.as_ref().is_some_and(is_told);
    let counts = row.counts;
    let stopped = |stopped: &StoppedRow| Stopped {
        reason: stopped.reason.clone(),
        why: stopped.why.clone(),
        since: Stamp::new(stopped.since, tz),
    };
    Partition {
        topic: row.topic.clone(),
        partition: row.partition,
        fold: row.fold.0.clone(),
        fold_version: row.fold.1,
        next_offset: row.next_offset,
        epoch: row.epoch,
        watermark: row.watermark.map(|at| Stamp::new(at, tz)),
        live_offset,
        log_end_offset: log_end,
        reported: row.log_end.map(|(_, at)| Stamp::new(at, tz)),
        // The ledger may have moved on since the end was told.
        lag: log_end
            .filter(|_| is_owned)
            .map(|end| (end - row.next_offset).max(0)),
        counts: Counts {
            began_offset: counts.began_offset,
            applied: counts.applied,
            duplicate: counts.duplicate,
            late: counts.late,
            ignored: counts.ignored,
            marker: counts.marker,
            dead_letter: counts.dead_letter,
            skipped: counts.skipped,
        },
        unaccounted: counts.unaccounted.filter(|_| is_owned),
        stopped: row.stopped.as_ref().map(stopped),
    }
}

fn canary(row: &CanaryRow, moment: &Moment) -> Canary {
    Canary {
        gateway: row.gateway.clone(),
        topic: row.topic.clone(),
        partitions: row.partitions,
        last_sequence: row.sequence,
        age_ms: (moment.now - row.written).0.max(0) / 1000,
        gaps: row.gaps,
        repeats: row.repeats,
    }
}
