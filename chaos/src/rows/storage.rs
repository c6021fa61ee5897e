//! Faults of Postgres and Redis.

use std::time::{Duration, Instant};

use anyhow::Context;
use domain::topic::SENSOR_MOVEMENTS;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::time::sleep;

use super::detour::until;
use crate::audit::{self, Verdict};
use crate::check::Checker;
use crate::row::Row;
use crate::scene::{JITTER, Scene};
use crate::store;

/// The rows of this file.
pub const ROWS: &[Row] = &[
    Row::usual(
        "15",
        "Postgres restarted in order, and crashed",
        "worked off within 5 s after Postgres is ready; what comes late amends what was final",
        postgres_restarts,
    )
    .with_late_events()
    .in_subset(),
    Row::usual(
        "16",
        "Postgres read-only",
        "nothing goes to quarantine; worked off within 10 s after it is writable",
        postgres_read_only,
    ),
    Row::usual(
        "20",
        "Redis FLUSHALL, and restarted empty",
        "the api calls what it shows old while Redis is away; every partition is shown again within 30 s, with the values that a recomputation has",
        redis_wiped,
    )
    .in_subset(),
];

const HEAL_POSTGRES: Duration = Duration::from_secs(5);
const HEAL_WRITABLE: Duration = Duration::from_secs(10);
/// A checkpoint that was under way may still arrive.
const BITES_AFTER: Duration = Duration::from_secs(2);
/// A lost connection is noticed at once, on a busy machine a little later.
const CALLED_OLD: Duration = Duration::from_secs(5);
const SHOWN_AGAIN: Duration = Duration::from_secs(30);

fn postgres_restarts<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        for is_crash in [false, true] {
            sleep(Duration::from_secs(2)).await;
            if is_crash {
                scene.kill("postgres").await?;
            } else {
                scene.pause(JITTER).await;
                scene.note("stop postgres, fast");
                scene.site.server("postgres")?.stop().await;
            }
            sleep(scene.pick(Duration::from_secs(2), Duration::from_secs(5))).await;
            scene.note("start postgres");
            scene.site.server("postgres")?.start().await?;
            let took = scene.wait_healed(HEAL_POSTGRES * 6).await?;
            // Shortened runs share their two cores with other tests.
            let allowed = scene.pick(HEAL_POSTGRES * 3, HEAL_POSTGRES);
            scene.bound("worked off after Postgres is ready", took, allowed);
            // Not before: a crash may set the ledger back behind a commit, which nobody reads, until the log is folded again.
            scene.check_offsets().await?;
        }
        Ok(())
    }
    .boxed_local()
}

fn postgres_read_only<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        let before = store::quarantined(scene.site.postgres(), SENSOR_MOVEMENTS).await?;
        scene.note("default_transaction_read_only = on");
        let on = "alter system set default_transaction_read_only = on";
        store::execute(scene.site.postgres(), &[on, "select pg_reload_conf()"]).await?;
        sleep(BITES_AFTER).await;
        let from = store::ledger(scene.site.postgres(), SENSOR_MOVEMENTS).await?;
        sleep(scene.pick(Duration::from_secs(8), Duration::from_secs(30))).await;
        let to = store::ledger(scene.site.postgres(), SENSOR_MOVEMENTS).await?;
        scene.expect(
            from == to,
            Checker::L1,
            "the ledger moves: writes are not refused",
        );
        let refused = store::refuses_writes(scene.site.postgres()).await?;
        scene.note(format!("Postgres refuses writes: {refused}"));
        scene.expect(refused, Checker::L1, "Postgres takes writes");
        scene.note("default_transaction_read_only = off");
        let off = "alter system reset default_transaction_read_only";
        store::execute(scene.site.postgres(), &[off, "select pg_reload_conf()"]).await?;
        let took = scene.wait_healed(HEAL_WRITABLE * 3).await?;
        scene.bound("worked off after Postgres is writable", took, HEAL_WRITABLE);
        let after = store::quarantined(scene.site.postgres(), SENSOR_MOVEMENTS).await?;
        let sentence = "records were put into quarantine because Postgres was read-only";
        scene.expect(before.len() == after.len(), Checker::D1, sentence);
        scene.check_offsets().await
    }
    .boxed_local()
}

fn redis_wiped<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        sleep(Duration::from_secs(2)).await;
        scene.note("FLUSHALL");
        flush_all(scene.site.redis().to_owned()).await?;
        shown_again(scene).await?;
        sleep(Duration::from_secs(2)).await;
        scene.kill("redis").await?;
        sleep(Duration::from_secs(2)).await;
        says_old(scene).await?;
        scene.note("start redis");
        scene.site.server("redis")?.start().await?;
        flush_all(scene.site.redis().to_owned()).await?;
        shown_again(scene).await?;
        scene.check_offsets().await
    }
    .boxed_local()
}

/// Waits until every api says that what it shows is old.
async fn says_old(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    for api in scene.site.apis() {
        let is_old = async || {
            let (status, body) = store::get(&format!("{api}/overview")).await?;
            anyhow::ensure!(status == 200, "/overview: {status} {body}");
            let overview: serde_json::Value = serde_json::from_str(&body)?;
            Ok(overview["stale"] == true)
        };
        let took = until("the api calls what it shows old", SHOWN_AGAIN, is_old).await?;
        scene.bound("the api calls what it shows old", took, CALLED_OLD);
    }
    Ok(())
}

/// Empties Redis.
///
/// # Errors
/// When it does not answer.
pub(super) async fn flush_all(url: String) -> anyhow::Result<()> {
    let flush = move || -> anyhow::Result<()> {
        let mut connection = store::redis(&url)?;
        redis::cmd("FLUSHALL").exec(&mut connection)?;
        Ok(())
    };
    tokio::task::spawn_blocking(flush)
        .await
        .context("emptying Redis")?
}

async fn shown_again(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    let since = Instant::now();
    let took = scene.wait_moved(since, SHOWN_AGAIN * 2).await?;
    scene.bound("every partition is shown again", took, SHOWN_AGAIN);
    let verdict = audit::run(scene.site).await?;
    scene.note(format!("recomputed after {:.1?}", since.elapsed()));
    let sentence = format!("what is shown again is not what a recomputation has: {verdict:?}");
    scene.expect(verdict == Verdict::Equal, Checker::D2, sentence);
    Ok(())
}
