//! Faults of topics: missing, with more partitions than before, and refusing records.

use std::collections::HashSet;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context;
use domain::event_key::EventKey;
use domain::topic::{DEAD_LETTERS, SENSOR_MOVEMENTS};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use stack::Topic;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use super::detour::{GATEWAY, restart};
use crate::check::Checker;
use crate::fault::kafka;
use crate::log::Reader;
use crate::row::Row;
use crate::scene::Scene;
use crate::store;

/// The rows of this file.
pub const ROWS: &[Row] = &[
    Row {
        longest: Duration::from_secs(150),
        ..Row::usual(
            "9",
            "a gateway whose topics do not exist; then they do; then one gets two more partitions",
            "unready and alive without topics; every record of devices stays in the partitions that the gateway began with",
            missing,
        )
    },
    Row {
        longest: Duration::from_secs(150),
        heal: Duration::from_secs(60),
        ..Row::usual(
            "26",
            "Kafka refuses every record of dead-letters for 20 s",
            "a metric counts the refusals; the first dead letter is there at most 10 s after",
            refused,
        )
    },
];

const BACK_WITHIN: Duration = Duration::from_secs(10);
const PUBLISHED_WITHIN: Duration = Duration::from_secs(60);
const FAILURES: &str = "footfall_gateway_kafka_delivery_failures_total";
/// How many events a simulator publishes in one go.
const EVENTS: usize = 2_000;

/// A second gateway under a prefix of its own, so that the site's topics stay as they are.
fn missing<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        let prefix = format!("row9-{}-", scene.now());
        let name = scene.site.add("gateway")?;
        scene.site.set_env(&name, "FOOTFALL_TOPIC_PREFIX", &prefix);
        scene.note(format!("start {name} with topics that do not exist"));
        scene.site.launch(&name)?;
        let patience = Duration::from_secs(scene.pick(4, 10));
        let says = unready(scene, &name, patience).await?;
        scene.note(format!("{name} is not ready: {says}"));
        let names_it = says.contains(SENSOR_MOVEMENTS) && says.contains("does not exist");
        scene.expect(
            names_it,
            Checker::L1,
            format!("{name} does not name its topic: {says}"),
        );

        scene.note("make the topics");
        let topics: Vec<Topic> = Topic::defaults()
            .iter()
            .map(|topic| topic.prefixed(&prefix))
            .collect();
        stack::topic::create_topics(scene.site.kafka(), &topics).await?;
        let began = Instant::now();
        scene.site.wait_ready(BACK_WITHIN * 3).await?;
        scene.bound(
            "ready after the topics were made",
            began.elapsed(),
            BACK_WITHIN,
        );
        publish(scene, 1).await?;
        let before = spread(scene, &prefix).await?.len();

        scene.note("add two partitions");
        let topic = format!("{prefix}{SENSOR_MOVEMENTS}");
        kafka::add_partitions(scene.site.kafka(), &topic, before + 2).await?;
        // Longer than the client keeps what it knows of topics.
        sleep(Duration::from_secs(scene.pick(3, 35))).await;
        publish(scene, 2).await?;
        let after = spread(scene, &prefix).await?;
        let counts: Vec<usize> = after.iter().map(Vec::len).collect();
        scene.note(format!("positions by partition: {counts:?}"));
        let total: usize = counts.iter().sum();
        // One that is lost and one that is there twice are as many as before.
        let different: HashSet<&EventKey> = after.iter().flatten().collect();
        let sentence = format!(
            "{total} positions, {} different ones, of {} published events are in Kafka",
            different.len(),
            2 * EVENTS
        );
        let is_each = (total, different.len()) == (2 * EVENTS, 2 * EVENTS);
        scene.expect(is_each, Checker::D1, sentence);
        let moved: usize = counts[before..].iter().sum();
        let sentence = format!("{moved} records went to the new partitions");
        scene.expect(moved == 0, Checker::D3, sentence);

        scene.site.term(&name, BACK_WITHIN * 2).await?;
        scene.site.forget(&name);
        let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
        Ok(stack::topic::delete_topics(scene.site.kafka(), &names).await?)
    }
    .boxed_local()
}

/// Checks that a role is alive and not ready all the time; gives its last reason.
async fn unready(scene: &mut Scene<'_>, name: &str, long: Duration) -> anyhow::Result<String> {
    let url = format!("{}/readyz", scene.site.admin(name).context("no such role")?);
    let began = Instant::now();
    let mut says = String::new();
    while began.elapsed() < long {
        sleep(Duration::from_millis(500)).await;
        let (status, body) = store::get(&url).await.context("it does not answer")?;
        scene.expect(
            status == 503,
            Checker::D5,
            format!("{name} is ready without topics"),
        );
        says = body;
    }
    Ok(says.trim().to_owned())
}

/// Publishes through the newest gateway until everything is acknowledged.
async fn publish(scene: &mut Scene<'_>, seed: u32) -> anyhow::Result<()> {
    let gateway = scene.site.gateways().pop().context("no gateway")?;
    let mut simulator: Child = Command::new(scene.site.footfall())
        .args([
            "simulate",
            "--mode",
            "burst",
            "--scenario",
            "crossing",
            "--mqtt",
            &gateway,
        ])
        .args(["--events", &EVENTS.to_string(), "--seed", &seed.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let status = tokio::time::timeout(PUBLISHED_WITHIN, simulator.wait())
        .await
        .context("the simulator's events are not acknowledged")??;
    anyhow::ensure!(status.success(), "the simulator ended with {status}");
    Ok(())
}

/// Keys of the positions that each partition holds.
async fn spread(scene: &Scene<'_>, prefix: &str) -> anyhow::Result<Vec<Vec<EventKey>>> {
    let reader = Reader::new(scene.site.kafka());
    let topic = format!("{prefix}{SENSOR_MOVEMENTS}");
    tokio::task::spawn_blocking(move || reader.spread(&topic))
        .await
        .context("reading Kafka")?
}

fn refused<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        sleep(Duration::from_secs(2)).await;
        let before = scene.site.metric(GATEWAY, FAILURES, "").await?;
        let kept = dead_letters(scene).await?;
        scene.note("deny dead-letters");
        let denied = kafka::deny_produce(scene.site.kafka(), DEAD_LETTERS).await?;
        sleep(Duration::from_secs(1)).await;
        let from = dead_letters(scene).await?;
        sleep(Duration::from_secs(scene.pick(6, 20))).await;
        let to = dead_letters(scene).await?;
        let failures = scene.site.metric(GATEWAY, FAILURES, "").await? - before;
        scene.note(format!(
            "{failures} refusals; dead letters {kept}, then {from}, then {to}"
        ));
        scene.expect(from == to, Checker::L1, "the denial does not bite");
        scene.expect(
            failures > 0.0,
            Checker::L1,
            "no metric tells of the refusals",
        );
        scene.note("allow dead-letters");
        kafka::allow_produce(scene.site.kafka(), denied).await?;
        let began = Instant::now();
        while dead_letters(scene).await? == to {
            anyhow::ensure!(began.elapsed() < BACK_WITHIN * 3, "no dead letter is taken");
            sleep(Duration::from_millis(100)).await;
        }
        scene.bound(
            "first dead letter after it is allowed",
            began.elapsed(),
            BACK_WITHIN,
        );
        sleep(Duration::from_secs(3)).await;
        // The gateway that saw it all is as good as a new one.
        restart(scene, GATEWAY).await?;
        scene.check_offsets().await
    }
    .boxed_local()
}

/// How many records the topic of dead letters has.
async fn dead_letters(scene: &Scene<'_>) -> anyhow::Result<i64> {
    let heads = crate::scene::heads(scene.site.kafka()).await?;
    Ok(heads.dead_letters.values().sum())
}
