//! `bench gateway`: from PUBLISH to PUBACK at a fixed rate, and what it costs the gateway.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use chassis::clock::Clock;
use tokio::time::{sleep, sleep_until};

use crate::e2e::report::{latency, processes};
use crate::e2e::{Shape, float};
use crate::load::{Load, Sent};
use crate::postgres;
use crate::setting::Settings;
use crate::table::{Table, say};
use crate::target::{Target, TargetArgs};
use crate::trace::RunNames;
use crate::window::{Begun, Window};

/// What to measure.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    shape: Shape,
}

/// Everything that was found out.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) shape: Shape,
    pub(crate) settings: Settings,
    pub(crate) sent: Sent,
    pub(crate) window: Window,
}

/// Runs the subcommand.
pub(crate) async fn command(args: &Args) -> anyhow::Result<ExitCode> {
    measure(&args.target.target()?, &args.shape)
        .await?
        .print()?;
    Ok(ExitCode::SUCCESS)
}

/// Measures one load.
pub(crate) async fn measure(target: &Target, shape: &Shape) -> anyhow::Result<Report> {
    let clock = Clock::System;
    let pool = postgres::connect(&target.postgres).await?;
    let names = RunNames::new(clock.now());
    let load = Load::connect(shape.plan(target, names, None)?)?;
    let (start, start_at) = (Instant::now(), clock.now());
    let running = load.run(start, start_at);
    sleep_until((start + shape.warmup).into()).await;
    let begun = Begun::now(target, &[], &pool).await?;
    sleep_until((start + shape.warmup + shape.duration).into()).await;
    let window = begun.end(target, &pool).await?;
    pool.close().await;
    while !running.is_finished() {
        sleep(Duration::from_millis(20)).await;
    }
    Ok(Report {
        shape: shape.clone(),
        settings: Settings::of(target)?,
        sent: running
            .join()
            .map_err(|_| anyhow!("the generator panicked"))??,
        window,
    })
}

impl Report {
    /// Events of the measured window.
    pub(crate) fn events(&self) -> f64 {
        self.shape.rate * self.window.seconds
    }

    /// CPU seconds of the gateway per million events.
    pub(crate) fn per_million(&self) -> f64 {
        self.window.cpu_of(&["gateway"]) / self.events() * 1e6
    }

    /// Prints everything.
    pub(crate) fn print(&self) -> std::io::Result<()> {
        say(&format!(
            "## PUBLISH to PUBACK, {} events/s\n\n{} events/s for {:.0} s; linger {}, {} partitions; {} sensors, {} connections. All {} were acknowledged, the last {:.0} ms after the end.",
            self.shape.rate,
            self.shape.rate,
            self.shape.duration.as_secs_f64(),
            self.settings.linger,
            self.settings.partitions,
            self.shape.sensors,
            self.shape.connections,
            float(self.sent.events),
            self.sent.last_ack_after.as_secs_f64() * 1e3,
        ))?;
        let mut table = Table::new(&[
            "from intended PUBLISH to",
            "n",
            "p50 ms",
            "p90 ms",
            "p99 ms",
            "p99.9 ms",
            "max ms",
        ]);
        table.row(latency("PUBACK", &self.sent.puback));
        say(&table.to_markdown())?;
        say(&processes(&self.window, self.events()).to_markdown())
    }
}
