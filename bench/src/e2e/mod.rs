//! `bench e2e`: from PUBLISH to the websocket at a fixed rate, and everything that it costs.

pub(crate) mod report;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use chassis::clock::Clock;
use chassis::config::duration;
use clap::Parser;
use domain::time::Span;
use serde_json::Value;
use tokio::time::{sleep, sleep_until};

use crate::canary::Canaries;
use crate::load::{Load, LoadPlan, Sent};
use crate::postgres::{self, Held};
use crate::schedule::Schedule;
use crate::setting::Settings;
use crate::stream::{Flight, Watched, Watcher};
use crate::target::{Target, TargetArgs};
use crate::trace::{RunNames, Trace};
use crate::window::{Begun, Window};

/// What to measure.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    shape: Shape,
}

/// The load.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Shape {
    /// Events a second
    #[arg(long, default_value_t = 1_500.0)]
    pub(crate) rate: f64,
    /// How long to measure
    #[arg(long, default_value = "60s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// How long to send before measuring; after the idle gap of 30 s visits close as fast as they begin
    #[arg(long, default_value = "40s", value_parser = duration)]
    pub(crate) warmup: Duration,
    /// Travelers who are seen in turn
    #[arg(long, default_value_t = 20_000)]
    pub(crate) travelers: u32,
    /// Sensors that see them
    #[arg(long, default_value_t = 24)]
    pub(crate) sensors: u16,
    /// MQTT connections that the sensors share
    #[arg(long, default_value_t = 4)]
    pub(crate) connections: u16,
    /// Canaries a second, on top
    #[arg(long, default_value_t = 25.0)]
    pub(crate) canaries: f64,
    /// The site in the topics
    #[arg(long, env = "FOOTFALL_SITE", default_value = "main")]
    pub(crate) site: String,
}

/// Everything that was found out.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) shape: Shape,
    pub(crate) settings: Settings,
    pub(crate) sent: Sent,
    pub(crate) watched: Watched,
    /// From the end of the load to the last canary on the screen.
    pub(crate) drained_after: Duration,
    pub(crate) window: Window,
    pub(crate) held: Held,
    /// Visits that the load made.
    pub(crate) visits: u64,
    /// Entries that `/series` answers for it.
    pub(crate) entries: u64,
}

/// How long something that was published may take to be known.
const KNOWN_WITHIN: Duration = Duration::from_secs(30);
/// How long after the load the last visit may take to be closed and written: the idle gap, a tick, and a backlog if there is one.
const HELD_WITHIN: Duration = Duration::from_secs(180);
/// How long after the load a canary may take to become visible.
const VISIBLE_WITHIN: Duration = Duration::from_secs(90);

/// Runs the subcommand. The exit status says whether anything was lost.
pub(crate) async fn command(args: &Args) -> anyhow::Result<ExitCode> {
    let report = measure(&args.target.target()?, &args.shape).await?;
    report.print()?;
    Ok(if report.lost() == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Measures one load.
pub(crate) async fn measure(target: &Target, shape: &Shape) -> anyhow::Result<Report> {
    let trace = shape.trace()?;
    let clock = Clock::System;
    let settings = Settings::of(target)?;
    let pool = postgres::connect(&target.postgres).await?;
    let names = RunNames::new(clock.now());
    let canaries = Canaries::new(&names, settings.partitions, shape.canaries);
    let mut load = Load::connect(shape.plan(target, names.clone(), Some(canaries.clone()))?)?;
    let began = clock.now();
    load.say_hello(began)?;
    for sensor in &canaries.sensors {
        known(&target.http, sensor).await?;
    }
    let from = began.floor(Span::from_secs(10)).to_string();
    let mut watcher = Watcher::new(&target.stream_url(), canaries.clone(), from.clone()).await?;
    watcher.until_each_has_one(KNOWN_WITHIN).await?;

    let (start, start_at) = (Instant::now(), clock.now());
    let end = shape.warmup + shape.duration;
    let flight = Flight {
        start,
        measured_from: shape.warmup,
        canaries: Schedule::canaries_before(&canaries, end),
        patience: VISIBLE_WITHIN,
    };
    let running = load.run(start, start_at);
    let window = async {
        sleep_until((start + shape.warmup).into()).await;
        let begun = Begun::now(target, &[], &pool).await?;
        sleep_until((start + end).into()).await;
        begun.end(target, &pool).await
    };
    let (watched, window) = tokio::try_join!(watcher.watch(flight), window)?;
    while !running.is_finished() {
        sleep(Duration::from_millis(20)).await;
    }
    let sent = running
        .join()
        .map_err(|_| anyhow!("the generator panicked"))??;
    let visits = trace.visits(sent.events);
    let held = held(&pool, &names, sent.events).await?;
    pool.close().await;
    Ok(Report {
        drained_after: watched.last_seen.map_or(VISIBLE_WITHIN, |seen| {
            seen.saturating_duration_since(start + end)
        }),
        entries: entries(target, &names, shape.sensors, &from).await?,
        shape: shape.clone(),
        settings,
        sent,
        watched,
        window,
        held,
        visits,
    })
}

impl Default for Shape {
    /// As if no flag had been given.
    fn default() -> Self {
        #[derive(Parser)]
        struct Bare {
            #[command(flatten)]
            shape: Shape,
        }
        Bare::parse_from(["bench"]).shape
    }
}

impl Shape {
    /// Its trace, checked.
    pub(crate) fn trace(&self) -> anyhow::Result<Trace> {
        let trace = Trace {
            travelers: self.travelers,
            sensors: self.sensors,
            rate: self.rate,
        };
        trace
            .check()
            .map_err(|error| anyhow!("--rate, --travelers, --sensors: {error}"))?;
        if self.connections == 0 || !(0.1..=1_000.0).contains(&self.canaries) {
            bail!(
                "--connections, --canaries: expected at least one connection and 0.1 to 1000 canaries a second"
            );
        }
        Ok(trace)
    }

    /// What the generator is to send.
    pub(crate) fn plan(
        &self,
        target: &Target,
        names: RunNames,
        canaries: Option<Canaries>,
    ) -> anyhow::Result<LoadPlan> {
        Ok(LoadPlan {
            mqtt: target.mqtt.clone(),
            site: self.site.clone(),
            trace: self.trace()?,
            names,
            canaries,
            connections: self.connections,
            warmup: self.warmup,
            duration: self.duration,
        })
    }
}

/// Waits until the api knows `sensor`.
async fn known(http: &str, sensor: &str) -> anyhow::Result<()> {
    let url = format!("{http}/api/v1/sensors/{sensor}");
    let deadline = Instant::now() + KNOWN_WITHIN;
    loop {
        let answer = reqwest::get(&url)
            .await
            .with_context(|| format!("asking {url}"))?;
        if answer.status().is_success() {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!(
                "{url} answers {} after {} s",
                answer.status(),
                KNOWN_WITHIN.as_secs()
            );
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// What Postgres holds once every sample is there, or what it holds when patience ends.
async fn held(pool: &sqlx::PgPool, names: &RunNames, samples: u64) -> anyhow::Result<Held> {
    let deadline = Instant::now() + HELD_WITHIN;
    loop {
        let held = postgres::held(pool, &names.sensors_like()).await?;
        if u64::try_from(held.samples)? >= samples || Instant::now() > deadline {
            return Ok(held);
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// Entries of the load's sensors, from the api.
async fn entries(
    target: &Target,
    names: &RunNames,
    sensors: u16,
    from: &str,
) -> anyhow::Result<u64> {
    let sensors: Vec<String> = (0..sensors).map(|index| names.sensor(index)).collect();
    let url = format!(
        "{}/api/v1/series?metric=entries&sensor={}&start={from}&end=now&window=60s&step=60s&mode=bucket&fill=zero",
        target.http,
        sensors.join(",")
    );
    let text = reqwest::get(&url)
        .await?
        .error_for_status()
        .context("asking for the entries")?
        .text()
        .await?;
    let answer: Value = serde_json::from_str(&text)?;
    let values = answer["series"][0]["entries"]["v"]
        .as_array()
        .context("/series without entries")?;
    Ok(values.iter().filter_map(Value::as_u64).sum())
}

/// An event count as a float, for rates.
#[expect(
    clippy::cast_precision_loss,
    reason = "a run has far fewer than 2^53 events"
)]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}
