//! Elasticity: consumers that are added and taken away under load, and a rolling restart of everything.
//!
//! What moves is told by who works on a partition before and after: one that has kept its owner must not have stood still at all,
//! and must not have been taken again either, which the ledger's epoch would tell.

use std::time::{Duration, Instant};

use domain::topic::SENSOR_MOVEMENTS;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::time::sleep;

use crate::check::hand::{self, Hands};
use crate::check::{Checker, progress};
use crate::row::Row;
use crate::rows::consumer::{CLEAN_GAP, LEAVE, TAKEOVER};
use crate::scene::Scene;
use crate::store;

/// The rows of this file.
pub const ROWS: &[Row] = &[
    Row {
        rate: RATE,
        longest: Duration::from_secs(180),
        ..Row::usual(
            "elastic",
            "consumers 1 → 4 → 1 while 5,000 events/s flow",
            "leaving within 10 s; gap at most 5 s, 8 s after SIGKILL; who keeps a partition goes on",
            elastic,
        )
    },
    Row {
        longest: Duration::from_secs(420),
        ..Row::usual(
            "rolling",
            "rolling restart of every role, ten times",
            "leaving within 10 s",
            rolling,
        )
    },
];

/// Time for the group to settle after a change.
const SETTLE: Duration = Duration::from_secs(5);
/// "Never zero": a look every 0.1 s, a flush every 0.05 s. On a machine with ten times more to do than it has cores, 1.1 s were
/// seen while a member joined.
const UNMOVED_GAP: Duration = Duration::from_millis(1500);
/// The same, where the machine is busy with other tests too.
const UNMOVED_GAP_BUSY: Duration = Duration::from_secs(2);
/// Events a second.
const RATE: f64 = 5_000.0;
/// How much of it must have been acknowledged: the demand is a mean, and the last second is still on its way. Duplicates count.
const RATE_SHARE: f64 = 0.95;

fn elastic<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        let (since, acked) = (Instant::now(), scene.load.acked());
        let mut added = Vec::new();
        for _ in 0..2 {
            added.push(scene.site.add("consumer")?);
        }
        let change = Change::begin(scene).await?;
        leave(scene, "consumer-1").await?;
        change.end(scene, "to one consumer", CLEAN_GAP).await?;
        for name in ["consumer-1", "consumer-2", "consumer-3"] {
            let change = Change::begin(scene).await?;
            scene.start(name).await?;
            change.end(scene, "one consumer more", CLEAN_GAP).await?;
        }
        for name in ["consumer-3", "consumer-2"] {
            let change = Change::begin(scene).await?;
            leave(scene, name).await?;
            change.end(scene, "one consumer less", CLEAN_GAP).await?;
        }
        let change = Change::begin(scene).await?;
        scene.kill("consumer-1").await?;
        sleep(TAKEOVER).await;
        change.end(scene, "one consumer killed", TAKEOVER).await?;
        scene.start("consumer-1").await?;
        for name in added {
            scene.site.forget(&name);
        }
        let rate = per_second(scene.load.acked() - acked, since.elapsed());
        scene.note(format!("{rate:.0} events/s were acknowledged"));
        let sentence = format!("only {rate:.0} of {RATE} events/s were acknowledged");
        scene.expect(rate >= RATE * RATE_SHARE, Checker::L1, sentence);
        scene.check_offsets().await
    }
    .boxed_local()
}

#[expect(clippy::cast_precision_loss, reason = "messages of a run")]
fn per_second(messages: u64, during: Duration) -> f64 {
    messages as f64 / during.as_secs_f64()
}

async fn leave(scene: &mut Scene<'_>, name: &str) -> anyhow::Result<()> {
    let took = scene.term(name, LEAVE * 2).await?;
    scene.bound("leaving", took, LEAVE);
    Ok(())
}

/// Who works on what now.
async fn hands(scene: &Scene<'_>) -> anyhow::Result<Hands> {
    let mut hands = Hands {
        epochs: store::epochs(scene.site.postgres(), SENSOR_MOVEMENTS).await?,
        ..Hands::default()
    };
    for name in scene.site.running() {
        if !name.starts_with("consumer") {
            continue;
        }
        for partition in scene.site.owned(&name, SENSOR_MOVEMENTS).await? {
            hands.owners.insert(partition, name.clone());
        }
    }
    Ok(hands)
}

/// A change of who works on what.
struct Change {
    since: Instant,
    before: Hands,
}

impl Change {
    async fn begin(scene: &Scene<'_>) -> anyhow::Result<Self> {
        Ok(Self {
            before: hands(scene).await?,
            since: Instant::now(),
        })
    }

    /// Lets it settle, and holds the gaps against what is allowed: `moved` for partitions that changed hands.
    async fn end(self, scene: &mut Scene<'_>, what: &str, moved: Duration) -> anyhow::Result<()> {
        sleep(SETTLE).await;
        let until = Instant::now();
        let after = hands(scene).await?;
        let (kept, findings) = hand::check(&self.before, &after);
        scene.findings.extend(findings);
        let samples = scene.watch.samples();
        let (mut worst_moved, mut worst_kept) = (Duration::ZERO, Duration::ZERO);
        for (index, partition) in after.epochs.keys().enumerate() {
            let gap = progress::gap(&samples, index, self.since, until);
            if kept.contains(partition) {
                worst_kept = worst_kept.max(gap);
            } else {
                worst_moved = worst_moved.max(gap);
            }
        }
        scene.bound(
            &format!("{what}, gap of the partitions that moved"),
            worst_moved,
            moved,
        );
        // With all of them moved nothing is known of those that stay.
        let sentence = format!("{what}: no partition stayed where it was");
        scene.expect(!kept.is_empty(), Checker::L1, sentence);
        scene.bound(
            &format!("{what}, gap of the {} that did not", kept.len()),
            worst_kept,
            scene.pick(UNMOVED_GAP_BUSY, UNMOVED_GAP),
        );
        Ok(())
    }
}

fn rolling<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        for _ in 0..scene.pick(2, 10) {
            for name in scene.site.role_names() {
                leave(scene, &name).await?;
                scene.start(&name).await?;
                sleep(Duration::from_secs(1)).await;
            }
            scene.check_offsets().await?;
        }
        Ok(())
    }
    .boxed_local()
}
