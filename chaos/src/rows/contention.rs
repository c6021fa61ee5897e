//! Servers that live and do not serve: Postgres without connections, Postgres locked, Redis without memory or without time.

use std::time::{Duration, Instant};

use anyhow::Context;
use domain::topic::SENSOR_MOVEMENTS;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use sqlx::Connection;
use tokio::time::sleep;

use crate::check::Checker;
use crate::fault::{postgres, redis};
use crate::row::Row;
use crate::scene::Scene;
use crate::store;

/// The rows of this file.
pub const ROWS: &[Row] = &[
    Row {
        longest: Duration::from_secs(120),
        ..Row::usual(
            "17",
            "every connection of Postgres is taken for 20 s, those of the roles included",
            "the api answers 503 with Retry-After; worked off at most 10 s after",
            exhausted,
        )
    },
    Row {
        longest: Duration::from_secs(150),
        ..Row::usual(
            "19",
            "LOCK TABLE visit, pane, state_log for 60 s",
            "nobody is put out of the group: no epoch of the ledger changes; worked off at most 10 s after",
            locked,
        )
    },
    Row {
        longest: Duration::from_secs(150),
        ..Row::usual(
            "21",
            "Redis has no memory (maxmemory, noeviction), then SIGSTOP for 30 s",
            "the ledger goes on meanwhile, and nothing is shown; live again at most 5 s after",
            without_redis,
        )
    },
];

const BACK_WITHIN: Duration = Duration::from_secs(10);
const LIVE_WITHIN: Duration = Duration::from_secs(5);

fn exhausted<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        sleep(Duration::from_secs(2)).await;
        let url = scene.site.postgres().to_owned();
        let squatters = postgres::Squatters::take_all(&url).await?;
        scene.note(format!("took all {} connections", squatters.count()));
        let api = scene.site.apis().into_iter().next().context("no api")?;
        let shed = reqwest::get(format!("{api}/visits?start=now-10m&end=now")).await?;
        let (status, retry) = (shed.status(), shed.headers().get("retry-after").cloned());
        scene.note(format!("the api answers {status}, Retry-After {retry:?}"));
        let is_shed = status.as_u16() == 503 && retry.is_some();
        let sentence = format!("the api answers {status} with Retry-After {retry:?}");
        scene.expect(is_shed, Checker::L1, sentence);
        sleep(Duration::from_secs(scene.pick(5, 20))).await;
        scene.note("give the connections back");
        drop(squatters);
        let took = scene.wait_healed(BACK_WITHIN * 3).await?;
        scene.bound("ready and worked off", took, BACK_WITHIN);
        scene.check_offsets().await
    }
    .boxed_local()
}

fn locked<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        sleep(Duration::from_secs(2)).await;
        let url = scene.site.postgres().to_owned();
        let before = epochs(&url).await?;
        let held = Duration::from_secs(scene.pick(15, 60));
        scene.note(format!("lock visit, pane and state_log for {held:?}"));
        let ledger = store::ledger(&url, SENSOR_MOVEMENTS).await?;
        let tables = ["visit", "pane", "state_log"];
        let (unlocked, waiting) = tokio::join!(
            postgres::lock_tables(&url, &tables, held),
            most_waiting(&url, held)
        );
        unlocked?;
        let waiting = waiting?;
        scene.note(format!("up to {waiting} sessions waited for the lock"));
        scene.expect(waiting > 0, Checker::L1, "the lock does not bite");
        let moved: i64 = store::ledger(&url, SENSOR_MOVEMENTS).await?.values().sum();
        scene.note(format!(
            "unlocked; the ledger moved by {}",
            moved - ledger.values().sum::<i64>()
        ));
        let took = scene.wait_healed(BACK_WITHIN * 3).await?;
        scene.bound("worked off after the lock", took, BACK_WITHIN);
        let after = epochs(&url).await?;
        let sentence = format!("partitions were taken over: epochs {before:?}, then {after:?}");
        scene.expect(before == after, Checker::L1, sentence);
        scene.check_offsets().await
    }
    .boxed_local()
}

/// The most sessions that were seen to wait for a table within that time.
async fn most_waiting(url: &str, during: Duration) -> anyhow::Result<i64> {
    let began = Instant::now();
    let mut connection = store::postgres(url).await?;
    let mut most = 0;
    while began.elapsed() < during {
        let waiting: i64 = sqlx::query_scalar(WAITING)
            .fetch_one(&mut connection)
            .await?;
        most = most.max(waiting);
        sleep(Duration::from_millis(200)).await;
    }
    connection.close().await?;
    Ok(most)
}

/// Sessions that want to write to one of the locked tables and wait for it.
const WAITING: &str = "select count(distinct pid)
    from pg_locks
    where not granted and mode = 'RowExclusiveLock' and relation in ('visit'::regclass, 'pane'::regclass, 'state_log'::regclass)";

/// The epoch of each partition: it grows when a consumer takes the partition over.
async fn epochs(url: &str) -> anyhow::Result<Vec<i64>> {
    let mut connection = store::postgres(url).await?;
    let epochs = sqlx::query_scalar("select epoch from ledger order by topic, partition")
        .fetch_all(&mut connection)
        .await?;
    connection.close().await?;
    Ok(epochs)
}

fn without_redis<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        sleep(Duration::from_secs(2)).await;
        let url = scene.site.redis().to_owned();
        let seconds = Duration::from_secs(scene.pick(5, 30));
        scene.note("Redis has no memory");
        redis::starve(&url).await?;
        ledger_goes_on(scene, seconds).await?;
        scene.note("Redis has memory again");
        redis::feed(&url).await?;
        live_again(scene).await?;
        sleep(Duration::from_secs(2)).await;
        scene.freeze("redis").await?;
        ledger_goes_on(scene, seconds).await?;
        scene.thaw("redis")?;
        live_again(scene).await?;
        scene.check_offsets().await
    }
    .boxed_local()
}

async fn ledger_goes_on(scene: &mut Scene<'_>, seconds: Duration) -> anyhow::Result<()> {
    // What was in flight when Redis went away does not count.
    sleep(seconds / 2).await;
    let sum = async |scene: &Scene<'_>| {
        let ledger = store::ledger(scene.site.postgres(), SENSOR_MOVEMENTS).await?;
        anyhow::Ok(ledger.values().sum::<i64>())
    };
    let (before, since) = (sum(scene).await?, Instant::now());
    sleep(seconds / 2).await;
    let moved = sum(scene).await? - before;
    let shown = scene.shown(since);
    scene.note(format!(
        "the ledger moved by {moved}, the live view by {shown}"
    ));
    let sentence = format!("Redis takes {shown} records, so it lacks nothing");
    scene.expect(shown == 0, Checker::L1, sentence);
    scene.expect(
        moved > 0,
        Checker::L1,
        "the ledger stands still without Redis",
    );
    Ok(())
}

async fn live_again(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    let took = scene.wait_moved(Instant::now(), LIVE_WITHIN * 6).await?;
    scene.bound("live again", took, LIVE_WITHIN);
    Ok(())
}
