//! Faults in the log itself: records that nobody can read, and records that come again.

use std::time::{Duration, Instant};

use anyhow::Context;
use domain::envelope::{Envelope, SCHEMA_VERSION};
use domain::rejection::Reason;
use domain::topic::SENSOR_MOVEMENTS;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use prost::Message;
use rand::RngExt;
use tokio::time::sleep;

use crate::check::Checker;
use crate::log::Reader;
use crate::row::Row;
use crate::rows::consumer::LEAVE;
use crate::scene::{Scene, heads};
use crate::store::{self, Poison};
use crate::writer::Writer;

/// The rows of this file.
pub const ROWS: &[Row] = &[
    Row::usual(
        "25",
        "poison records in Kafka",
        "each in quarantine once, with its place, its bytes and the reason; no partition stands still for more than 1 s",
        poison,
    )
    .in_subset(),
    Row::usual(
        "30",
        "offsets of the groups set back to the beginning; everything in Kafka once more",
        "no number changes",
        replay,
    )
    .in_subset(),
];

/// How long quarantine may take: a checkpoint, on a busy machine.
const QUARANTINED: Duration = Duration::from_secs(10);

fn poison<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        let postgres = scene.site.postgres().to_owned();
        let before = store::poison(&postgres, SENSOR_MOVEMENTS).await?;
        let since = Instant::now();
        let mut written = Vec::new();
        for _ in 0..scene.pick(2, 20) {
            for value in poisons(scene) {
                let partition = scene.random.random_range(0..6);
                let kafka = scene.site.kafka().to_owned();
                let payload = value.clone();
                let write = move || -> anyhow::Result<i64> {
                    let writer = Writer::new(&kafka)?;
                    writer.queue(SENSOR_MOVEMENTS, partition, &value)?;
                    writer.finish()
                };
                let offset = tokio::task::spawn_blocking(write)
                    .await
                    .context("writing poison")??;
                written.push(Poison {
                    partition,
                    record_offset: offset,
                    reason: Reason::Undecodable.as_str().to_owned(),
                    payload,
                });
            }
            sleep(Duration::from_secs(1)).await;
        }
        scene.note(format!("{} poison records written", written.len()));
        sleep(Duration::from_secs(1)).await;
        let gap = scene.worst_gap(since);
        // Shortened runs share their two cores with other tests.
        let allowed = scene.pick(Duration::from_secs(3), Duration::from_secs(1));
        scene.bound("worst gap", gap, allowed);
        scene.wait_healed(QUARANTINED).await?;
        let mut after = store::poison(&postgres, SENSOR_MOVEMENTS).await?;
        after.retain(|record| !before.contains(record));
        after.sort_unstable();
        written.sort_unstable();
        let sentence = format!("{written:?} are poison, {after:?} are in quarantine");
        scene.expect(after == written, Checker::D1, sentence);
        Ok(())
    }
    .boxed_local()
}

/// Garbage, nothing, a version of the future, and an envelope without anything in it.
fn poisons(scene: &mut Scene<'_>) -> [Vec<u8>; 4] {
    let garbage = (0..64)
        .map(|_| scene.random.random::<u8>() | 0x80)
        .collect();
    let future = Envelope {
        schema_version: SCHEMA_VERSION + 98,
        device: "poison".to_owned(),
        ..Envelope::default()
    };
    let empty = Envelope {
        schema_version: SCHEMA_VERSION,
        device: "poison".to_owned(),
        ..Envelope::default()
    };
    [
        garbage,
        Vec::new(),
        future.encode_to_vec(),
        empty.encode_to_vec(),
    ]
}

fn replay<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        let begin = heads(scene.site.kafka()).await?;
        sleep(scene.pick(Duration::from_secs(3), Duration::from_secs(20))).await;
        let consumers = ["consumer-0", "consumer-1"];
        for name in consumers {
            scene.term(name, LEAVE).await?;
        }
        let ends = heads(scene.site.kafka()).await?;
        let reader = Reader::new(scene.site.kafka());
        let again = move || -> anyhow::Result<u64> {
            reader.rewind("footfall-movement", SENSOR_MOVEMENTS, &ends.movements)?;
            reader.repeat(SENSOR_MOVEMENTS, &begin.movements, &ends.movements)
        };
        let records = tokio::task::spawn_blocking(again)
            .await
            .context("replaying")??;
        scene.note("offsets of footfall-movement set back to 0");
        scene.note(format!("{records} records written once more"));
        for name in consumers {
            scene.start(name).await?;
        }
        Ok(())
    }
    .boxed_local()
}
