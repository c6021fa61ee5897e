//! Faults of consumers: crashes at the worst moment, restarts, zombies, and members that come and go.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use domain::topic::SENSOR_MOVEMENTS;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use rand::RngExt;
use tokio::time::sleep;

use crate::check::Checker;
use crate::check::progress::Sample;
use crate::fault::Unavailable;
use crate::log::{Offsets, Reader};
use crate::row::Row;
use crate::scene::{Scene, heads};
use crate::store;

/// The rows of this file.
pub const ROWS: &[Row] = &[
    Row {
        longest: Duration::from_secs(480),
        ..Row::usual(
            "2",
            "consumer crash between Postgres commit and Kafka commit",
            "takeover within session timeout + 2 s",
            crash_before_commit,
        )
        .in_subset()
    },
    Row {
        longest: Duration::from_secs(300),
        ..Row::usual(
            "3",
            "rolling restart of the consumers with SIGTERM",
            "exit within 10 s, with everything that was shown in the ledger; no partition stands still for more than 5 s; what comes late amends what was final",
            rolling,
        )
        .with_late_events()
    },
    Row::usual(
        "4",
        "zombie consumer: SIGSTOP past its session, SIGCONT",
        "takeover within session timeout + 2 s; its writes are refused",
        zombie,
    )
    .in_subset(),
    Row::usual(
        "5",
        "rebalance storm: a member joins or leaves every 2 s",
        "at least half of what arrives is shown meanwhile; no partition stands still for more than 12 s",
        storm,
    ),
];

/// The session timeout of the stack's Kafka and two seconds: what a lost owner may cost.
pub(super) const TAKEOVER: Duration = Duration::from_secs(8);
/// The same, where the machine is busy with other tests too, or the group with other members.
const TAKEOVER_BUSY: Duration = Duration::from_secs(12);
/// What a clean leave may cost.
pub(super) const CLEAN_GAP: Duration = Duration::from_secs(5);
/// How long a role may take to leave.
pub(super) const LEAVE: Duration = Duration::from_secs(10);
/// Counts the checkpoints that the ledger refused because another owner had the partition.
const FENCED: &str = "footfall_consumer_fenced_writes_total";
/// Longer than what lies between a flush and the look at it.
const SEEN: Duration = Duration::from_millis(400);
/// The interval of checkpoints.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(500);
/// What was fetched is in Postgres long before, also on a busy machine.
const CHECKPOINTED: Duration = Duration::from_secs(5);

/// How often the moment between the two commits may be missed.
const TRIES: u32 = 3;

/// A Kafka that is gone takes no commit, while Postgres takes the checkpoint of what was fetched. Who is killed then has crashed
/// between the two, without a failpoint in the product. A frozen Kafka would not do: a commit that was sent to it outlives its
/// sender in the socket. The moment is missed when nothing was fetched that is not committed yet; then it is tried again.
fn crash_before_commit<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        for time in 0..scene.pick(2, 20) {
            let victim = ["consumer-0", "consumer-1"][time % 2];
            let mut tries = 0;
            while crash_between(scene, victim).await? == 0 {
                tries += 1;
                if tries == TRIES {
                    let reason = format!("the moment was missed {TRIES} times");
                    Err(Unavailable::new("a crash between two commits", reason))?;
                }
            }
        }
        Ok(())
    }
    .boxed_local()
}

/// One crash; how many of the victim's partitions were saved and not committed.
async fn crash_between(scene: &mut Scene<'_>, victim: &str) -> anyhow::Result<usize> {
    sleep(Duration::from_millis(scene.random.random_range(1500..3000))).await;
    // What the survivor has not committed is nobody's crash.
    let owned = scene.site.owned(victim, SENSOR_MOVEMENTS).await?;
    scene.kill("kafka").await?;
    let mut ledger = next_checkpoint(scene.site.postgres()).await?;
    scene.kill_now(victim).await?;
    scene.note("start kafka");
    scene.site.launch_or_start("kafka").await?;
    let since = Instant::now();
    ledger.retain(|partition, _| owned.contains(partition));
    let behind = uncommitted(scene.site.kafka(), &ledger).await?;
    scene.note(format!(
        "{behind} of the {} partitions of {victim} were saved and not committed",
        owned.len()
    ));
    scene.check_offsets().await?;
    let took = scene.wait_moved(since, TAKEOVER * 3).await?;
    scene.bound("takeover", took, scene.pick(TAKEOVER_BUSY, TAKEOVER));
    scene.start(victim).await?;
    scene.check_offsets().await?;
    Ok(behind)
}

/// Waits until the ledger has moved on: the commit that follows this checkpoint can reach nobody.
async fn next_checkpoint(postgres: &str) -> anyhow::Result<Offsets> {
    let since = Instant::now();
    let before = store::ledger(postgres, SENSOR_MOVEMENTS).await?;
    loop {
        sleep(Duration::from_millis(20)).await;
        let ledger = store::ledger(postgres, SENSOR_MOVEMENTS).await?;
        if ledger != before || since.elapsed() > CHECKPOINTED {
            // The other consumer has had its turn as well then.
            sleep(CHECKPOINT_EVERY).await;
            return store::ledger(postgres, SENSOR_MOVEMENTS).await;
        }
    }
}

/// How many partitions the ledger has beyond what is committed to Kafka.
async fn uncommitted(kafka: &str, ledger: &Offsets) -> anyhow::Result<usize> {
    let heads = heads(kafka).await?.movements;
    let reader = Reader::new(kafka);
    let committed = tokio::task::spawn_blocking(move || {
        reader.committed("footfall-movement", &heads, SENSOR_MOVEMENTS)
    })
    .await??;
    let behind = |(partition, next): &(&i32, &i64)| committed.get(partition) < Some(*next);
    Ok(ledger.iter().filter(behind).count())
}

fn rolling<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        let mut handed_over = 0;
        for _ in 0..scene.pick(2, 10) {
            for name in ["consumer-0", "consumer-1"] {
                sleep(Duration::from_secs(2)).await;
                let since = Instant::now();
                handed_over += leave(scene, name).await?;
                scene.start(name).await?;
                sleep(Duration::from_secs(3)).await;
                let gap = scene.worst_gap(since);
                scene.bound("worst gap", gap, CLEAN_GAP);
                scene.check_offsets().await?;
            }
        }
        scene.note(format!("{handed_over} partitions were handed over"));
        scene.expect(
            handed_over > 0,
            Checker::L1,
            "nobody had a partition to hand over",
        );
        Ok(())
    }
    .boxed_local()
}

/// Asks a consumer to leave. What it had shown when it was asked is in the ledger when it is gone, so nobody folds it again.
/// Gives how many partitions it had.
async fn leave(scene: &mut Scene<'_>, name: &str) -> anyhow::Result<usize> {
    let owned = scene.site.owned(name, SENSOR_MOVEMENTS).await?;
    let took = scene.term(name, LEAVE * 2).await?;
    // At once: the successor needs some 500 ms until its first checkpoint, which could make up for what was forgotten.
    let ledger = store::ledger(scene.site.postgres(), SENSOR_MOVEMENTS).await?;
    let asked = Instant::now()
        .checked_sub(took)
        .unwrap_or_else(Instant::now);
    scene.bound("leaving", took, LEAVE);
    let forgotten = forgotten(&scene.watch.samples(), asked, &owned, &ledger);
    let sentence = format!("{name} left without its last checkpoint of partitions {forgotten:?}");
    scene.expect(forgotten.is_empty(), Checker::L1, sentence);
    Ok(owned.len())
}

/// The partitions of `owned` that had been shown further at `asked` than the ledger has.
fn forgotten(
    samples: &[Sample],
    asked: Instant,
    owned: &BTreeSet<i32>,
    ledger: &Offsets,
) -> Vec<i32> {
    let shown = |partition: &i32| {
        let index = usize::try_from(*partition).ok()?;
        let before = samples.iter().filter(|sample| sample.at <= asked);
        before
            .filter_map(|sample| sample.offsets.get(index).copied().flatten())
            .max()
    };
    let is_behind = |partition: &&i32| shown(partition) > ledger.get(partition).copied();
    owned.iter().filter(is_behind).copied().collect()
}

fn zombie<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        let time = scene.pick(Duration::from_secs(12), Duration::from_secs(60));
        sleep(Duration::from_secs(1)).await;
        let before = scene.site.metric("consumer-0", FENCED, "").await?;
        scene.freeze("consumer-0").await?;
        let since = Instant::now();
        // What it wrote just before would count as its successor's.
        sleep(SEEN).await;
        let took = SEEN + scene.wait_moved(Instant::now(), TAKEOVER * 3).await?;
        scene.bound("takeover", took, scene.pick(TAKEOVER_BUSY, TAKEOVER));
        sleep(time.saturating_sub(since.elapsed())).await;
        // As after a kill: its partitions have another owner by now, and it commits nothing.
        scene.check_offsets().await?;
        scene.thaw("consumer-0")?;
        sleep(Duration::from_secs(5)).await;
        let fenced = scene.site.metric("consumer-0", FENCED, "").await? - before;
        scene.note(format!("{fenced} checkpoints of the zombie were refused"));
        let sentence = "no write of the zombie was refused";
        scene.expect(fenced > 0.0, Checker::D2, sentence);
        scene.check_offsets().await
    }
    .boxed_local()
}

fn storm<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        let name = scene.site.add("consumer")?;
        let (since, acked) = (Instant::now(), scene.load.acked());
        for time in 0..scene.pick(4, 15) {
            scene.note(format!("start {name}"));
            scene.site.launch(&name)?;
            sleep(Duration::from_secs(2)).await;
            if time % 2 == 0 {
                scene.kill(&name).await?;
            } else {
                scene.term(&name, LEAVE).await?;
            }
            sleep(Duration::from_secs(2)).await;
        }
        scene.site.forget(&name);
        let gap = scene.worst_gap(since);
        scene.bound("worst gap", gap, TAKEOVER_BUSY);
        let arrived = scene.load.acked() - acked;
        let shown = scene.shown(since);
        scene.note(format!(
            "{arrived} messages arrived, {shown} records were shown"
        ));
        let sentence = format!("{shown} of {arrived} records were shown during the storm");
        scene.expect(shown * 2 >= arrived, Checker::L1, sentence);
        Ok(())
    }
    .boxed_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_was_shown_further_than_it_was_saved_is_forgotten() {
        let asked = Instant::now();
        let sample = |after_ms, offsets: [i64; 3]| Sample {
            at: asked + Duration::from_millis(after_ms),
            offsets: offsets.map(Some).to_vec(),
        };
        // What the successor shows later counts for nobody.
        let samples = [sample(0, [10, 20, 30]), sample(100, [15, 25, 35])];
        let found = |owned: &[i32], saved: [i64; 3]| {
            let owned = owned.iter().copied().collect();
            forgotten(&samples, asked, &owned, &(0..).zip(saved).collect())
        };
        assert_eq!(found(&[0, 1], [10, 21, 0]), Vec::<i32>::new());
        assert_eq!(found(&[0, 1, 2], [9, 20, 29]), [0, 2]);
        let nothing = forgotten(&samples, asked, &[1].into(), &Offsets::new());
        assert_eq!(nothing, [1]);
    }
}
