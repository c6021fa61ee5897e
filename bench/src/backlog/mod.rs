//! `bench backlog`: how fast a consumer works off what lies in Kafka, and whether lying there makes anything late.
//!
//! A topic of its own (a prefix keeps it apart) is filled with records as the gateway writes them; then a consumer is started on
//! it as a child process, with the Postgres and the Redis of the running stack, and the ledger is watched.

pub(crate) mod child;
pub(crate) mod produce;
pub(crate) mod progress;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use chassis::clock::Clock;
use clap::Parser;
use domain::time::{Micros, Span};

use crate::e2e::float;
use crate::e2e::report::processes;
use crate::postgres::{self, Held};
use crate::setting::Settings;
use crate::table::say;
use crate::target::{Target, TargetArgs};
use crate::trace::{RunNames, Trace};
use crate::window::{Begun, Window};
use child::{Consumer, How};
use produce::Order;

/// What to measure.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    pub(crate) backlog: Backlog,
}

/// The backlog.
#[derive(clap::Args, Clone, Debug)]
#[command(mut_arg("rate", |arg| arg
    .help("Events a second of event time; with it the backlog reaches so far back")))]
pub(crate) struct Backlog {
    /// Records
    #[arg(long, default_value_t = 5_000_000)]
    pub(crate) events: u64,
    #[command(flatten)]
    pub(crate) trace: Trace,
    /// Worker threads of the consumer
    #[arg(long, default_value_t = 1)]
    pub(crate) workers: u16,
    /// The program that is measured; by default the one beside this one
    #[arg(long, env = "FOOTFALL_PROGRAM")]
    pub(crate) program: Option<PathBuf>,
}

/// Everything that was found out.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) backlog: Backlog,
    pub(crate) settings: Settings,
    /// Events a second from the first checkpoint to the last.
    pub(crate) rate: f64,
    /// From the start of the process to the last checkpoint.
    pub(crate) took: Duration,
    pub(crate) window: Window,
    pub(crate) held: Held,
    pub(crate) visits: u64,
}

/// What the closing ticks are ahead of the last event: more than the idle gap.
pub(crate) const CLOSING: Span = Span::from_secs(120);

/// Runs the subcommand. The exit status says whether anything was lost or late.
pub(crate) async fn command(args: &Args) -> anyhow::Result<ExitCode> {
    let report = measure(&args.target.target()?, &args.backlog).await?;
    report.print()?;
    Ok(if report.lost() == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Fills a topic, starts a consumer on it and watches.
pub(crate) async fn measure(target: &Target, backlog: &Backlog) -> anyhow::Result<Report> {
    backlog.check()?;
    let trace = backlog.trace;
    let settings = Settings::of(target)?;
    let pool = postgres::connect(&target.postgres).await?;
    let now = Clock::System.now();
    let names = RunNames::new(now);
    let order = Order {
        kafka: target.kafka.clone(),
        prefix: format!("bench-{}-", names.run()),
        partitions: settings.partitions,
        trace,
        names: names.clone(),
        start_at: Micros(now.0 - trace.offset(backlog.events).0) - CLOSING,
    };
    order.create_topic().await?;
    let outcome = match order.produce(0..backlog.events, Some(now)).await {
        Ok(()) => work_off(target, backlog, &pool, &order).await,
        Err(error) => Err(error),
    };
    order.delete_topic().await?;
    let worked = outcome?;
    let held = postgres::held(&pool, &names.sensors_like()).await?;
    pool.close().await;
    Ok(Report {
        backlog: backlog.clone(),
        settings,
        rate: worked.rate,
        took: worked.took,
        window: worked.window,
        held,
        visits: trace.visits(backlog.events),
    })
}

struct Worked {
    rate: f64,
    took: Duration,
    window: Window,
}

async fn work_off(
    target: &Target,
    backlog: &Backlog,
    pool: &sqlx::PgPool,
    order: &Order,
) -> anyhow::Result<Worked> {
    let wanted = backlog.events + u64::try_from(order.partitions)?;
    let program = child::program(backlog.program.as_ref())?;
    let how = How {
        program: &program,
        prefix: &order.prefix,
        workers: backlog.workers,
        admin_port: None,
    };
    let consumer = Consumer::start(target, how)?;
    let began = Instant::now();
    let begun = Begun::now(target, &[("consumer-backlog", consumer.pid())], pool).await?;
    let (first, last) = progress::until(pool, &order.topic(), wanted, &consumer).await?;
    let window = begun.end(target, pool).await?;
    let seconds = (last.at - first.at).as_secs_f64();
    consumer.stop().await?;
    Ok(Worked {
        rate: float(wanted - first.folded) / seconds.max(1e-9),
        took: last.at - began,
        window,
    })
}

impl Default for Backlog {
    /// As if no flag had been given.
    fn default() -> Self {
        #[derive(Parser)]
        struct Bare {
            #[command(flatten)]
            backlog: Backlog,
        }
        Bare::parse_from(["bench"]).backlog
    }
}

impl Backlog {
    fn check(&self) -> anyhow::Result<()> {
        self.trace.check().map_err(anyhow::Error::msg)?;
        if self.events == 0 {
            bail!("--events is 0, expected at least one record");
        }
        Ok(())
    }
}

impl Report {
    /// Samples, visits and late events that are not as they should be.
    pub(crate) fn lost(&self) -> u64 {
        let samples = self
            .backlog
            .events
            .abs_diff(self.held.samples.unsigned_abs());
        samples
            + self.visits.abs_diff(self.held.visits.unsigned_abs())
            + self.held.late.unsigned_abs()
    }

    /// Prints everything.
    pub(crate) fn print(&self) -> std::io::Result<()> {
        say(&format!(
            "## A backlog of {} events\n\n\
             {} workers, {} partitions, checkpoint {}; {} travelers, {} sensors, {:.0} s of event time.\n\
             **{:.0} events/s** from the first checkpoint on; {:.1} s from the start of the process, joining the group included.\n\
             Lost {} (samples in Postgres {}, visits {} of {}), late {}.",
            self.backlog.events,
            self.backlog.workers,
            self.settings.partitions,
            self.settings.checkpoint,
            self.backlog.trace.travelers,
            self.backlog.trace.sensors,
            float(self.backlog.events) / self.backlog.trace.rate,
            self.rate,
            self.took.as_secs_f64(),
            self.lost(),
            self.held.samples,
            self.held.visits,
            self.visits,
            self.held.late,
        ))?;
        say(&processes(&self.window, float(self.backlog.events)).to_markdown())
    }
}
