//! `bench takeover`: how long a partition with many open travelers takes to change hands, after its owner left in order and after
//! it was killed.
//!
//! Three consumers have a partition one after the other, in a [`Corner`] of its own. The first folds half of the events and leaves; the
//! second takes over, folds on and is killed half way; the third takes over, folds the rest and then a tick that closes all
//! visits. So what was handed over is shown to be right: every sample is counted, and none twice.

mod hand;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use chassis::clock::Clock;
use clap::Parser;
use domain::movement::MovementConfig;
use domain::time::Micros;
use sqlx::PgPool;

use crate::backlog::CLOSING;
use crate::backlog::child::program;
use crate::backlog::produce::Order;
use crate::backlog::progress;
use crate::corner::Corner;
use crate::postgres::{self, Held};
use crate::setting::Settings;
use crate::table::{Table, say};
use crate::target::{Target, TargetArgs};
use crate::trace::{RunNames, Trace};
use hand::{Hand, Taken};

/// What to measure.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    crowd: Crowd,
}

/// Who is there when the partition changes hands.
#[derive(clap::Args, Clone, Debug)]
#[command(
    mut_arg("rate", |arg| arg.default_value("10000")),
    mut_arg("travelers", |arg| arg
        .help("Travelers who are seen in turn; all are open")
        .default_value("100000"))
)]
pub(crate) struct Crowd {
    /// Records
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) events: u64,
    #[command(flatten)]
    pub(crate) trace: Trace,
    /// The program that is measured; by default the one beside this one
    #[arg(long, env = "FOOTFALL_PROGRAM")]
    pub(crate) program: Option<PathBuf>,
}

/// Everything that was found out.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) crowd: Crowd,
    settings: Settings,
    in_order: Taken,
    killed: Taken,
    held: Held,
    visits: u64,
}

/// Runs the subcommand. The exit status says whether anything was lost or counted twice.
pub(crate) async fn command(args: &Args) -> anyhow::Result<ExitCode> {
    let report = measure(&args.target.target()?, &args.crowd).await?;
    report.print()?;
    Ok(if report.lost() == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Lets the partition go through three hands.
pub(crate) async fn measure(target: &Target, crowd: &Crowd) -> anyhow::Result<Report> {
    crowd.check()?;
    let trace = crowd.trace;
    let now = Clock::System.now();
    let names = RunNames::new(now);
    let program = program(crowd.program.as_ref())?;
    let corner = Corner::open(target, &program, &names).await?;
    let order = Order {
        kafka: target.kafka.clone(),
        prefix: corner.prefix.clone(),
        partitions: 1,
        trace,
        names: names.clone(),
        start_at: Micros(now.0 - trace.offset(crowd.events).0) - CLOSING,
    };
    let pool = postgres::connect(&corner.target.postgres).await?;
    let outcome = async {
        order.create_topic().await?;
        let hand = Hand {
            corner: &corner,
            program: &program,
            pool: &pool,
            order: &order,
        };
        let taken = hand_on(&hand, crowd, now).await;
        order.delete_topic().await?;
        taken
    }
    .await;
    let held = postgres::held(&pool, &names.sensors_like()).await;
    pool.close().await;
    corner.close().await?;
    let (in_order, killed) = outcome?;
    Ok(Report {
        crowd: crowd.clone(),
        settings: Settings::of(target)?,
        in_order,
        killed,
        held: held?,
        visits: trace.visits(crowd.events),
    })
}

/// See the module.
async fn hand_on(
    hand: &Hand<'_>,
    crowd: &Crowd,
    closing_at: Micros,
) -> anyhow::Result<(Taken, Taken)> {
    let (pool, order, topic): (&PgPool, &Order, String) =
        (hand.pool, hand.order, hand.order.topic());
    let (half, all) = (crowd.events / 2, crowd.events);
    order.produce(0..half, None).await?;
    let (first, _) = hand.take().await?;
    progress::until(pool, &topic, half, &first).await?;
    first.stop().await?;
    let (second, in_order) = hand.take().await?;
    let producing = order.produce(half..all, None);
    let folding = async {
        progress::until(pool, &topic, half + half / 2, &second).await?;
        second.kill();
        Ok(())
    };
    tokio::try_join!(producing, folding)?;
    let (third, killed) = hand.take().await?;
    order.produce(all..all, Some(closing_at)).await?;
    progress::until(pool, &topic, all + 1, &third).await?;
    third.stop().await?;
    Ok((in_order, killed))
}

impl Default for Crowd {
    /// As if no flag had been given.
    fn default() -> Self {
        #[derive(Parser)]
        struct Bare {
            #[command(flatten)]
            crowd: Crowd,
        }
        Bare::parse_from(["bench"]).crowd
    }
}

impl Crowd {
    fn check(&self) -> anyhow::Result<()> {
        self.trace.check().map_err(anyhow::Error::msg)?;
        if self.events / 2 < u64::from(self.trace.travelers) {
            bail!(
                "--events is {}, expected at least twice the travelers: all are there when the partition first changes hands",
                self.events
            );
        }
        Ok(())
    }
}

impl Report {
    /// Samples, visits and late events that are not as they should be.
    pub(crate) fn lost(&self) -> u64 {
        let samples = self.held.samples.unsigned_abs();
        self.crowd.events.abs_diff(samples)
            + self.visits.abs_diff(self.held.visits.unsigned_abs())
            + self.held.late.unsigned_abs()
    }

    /// Seconds from the assignment until records are folded, of the slower of the two.
    pub(crate) fn slowest(&self) -> f64 {
        self.in_order.acquire_s.max(self.killed.acquire_s)
    }

    /// Visits that are open when the partition changes hands, the least of the two times.
    pub(crate) fn open(&self) -> usize {
        self.open_at(&self.in_order).min(self.open_at(&self.killed))
    }

    fn open_at(&self, taken: &Taken) -> usize {
        let trace = self.crowd.trace;
        trace.open(taken.left.next_offset, MovementConfig::default().idle_gap)
    }

    /// Prints everything.
    pub(crate) fn print(&self) -> std::io::Result<()> {
        say(&format!(
            "## A partition with {} open travelers changes hands\n\n\
             {} events at {} a second of event time, 1 partition, {} sensors, checkpoint {}. Lost {} (samples in Postgres {}, visits {} of {}), late {}.",
            self.open(),
            self.crowd.events,
            self.crowd.trace.rate,
            self.crowd.trace.sensors,
            self.settings.checkpoint,
            self.lost(),
            self.held.samples,
            self.held.visits,
            self.visits,
            self.held.late,
        ))?;
        let mut table = Table::new(&[
            "the owner",
            "open",
            "snapshot MiB",
            "deltas MiB",
            "records in them",
            "acquired in s",
            "s since the new one's start",
        ]);
        for (how, taken) in [("left", &self.in_order), ("was killed", &self.killed)] {
            let mib = |bytes: u64| format!("{:.1}", crate::e2e::report::mib(bytes));
            table.row([
                how.to_owned(),
                self.open_at(taken).to_string(),
                mib(taken.left.snapshot_bytes),
                mib(taken.left.delta_bytes),
                taken.left.delta_records().to_string(),
                format!("{:.3}", taken.acquire_s),
                format!("{:.1}", taken.since_start.as_secs_f64()),
            ]);
        }
        say(&table.to_markdown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_travelers_are_there_at_the_first_change_of_hands() {
        assert!(Crowd::default().check().is_ok());
        let early = Crowd {
            events: 199_999,
            ..Crowd::default()
        };
        let why = early.check().unwrap_err().to_string();
        assert!(why.contains("--events is 199999"), "{why}");
    }
}
