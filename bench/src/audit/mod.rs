//! `bench audit`: how fast `footfall audit` reads the log, and whether its memory grows with the log's length.
//!
//! Two logs of one shape and of different lengths, each in a [`Corner`] of its own, are folded by a consumer; then the audit runs
//! on each as a child process.

mod child;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use chassis::clock::Clock;
use clap::Parser;
use domain::movement::MovementConfig;
use domain::time::Micros;
use sqlx::PgPool;

use crate::backlog::CLOSING;
use crate::backlog::child::{Consumer, How, program};
use crate::backlog::produce::Order;
use crate::backlog::progress;
use crate::corner::Corner;
use crate::e2e::float;
use crate::e2e::report::{mib, processes};
use crate::postgres;
use crate::setting::Settings;
use crate::table::{Table, say};
use crate::target::{Target, TargetArgs};
use crate::trace::{RunNames, Trace};
use child::Audited;

/// What to measure.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    logs: Logs,
}

/// The two logs.
#[derive(clap::Args, Clone, Debug)]
#[command(
    mut_arg("rate", |arg| arg
        .help("Events a second of event time, in both; what is open does not depend on the length then")
        .default_value("500")),
    mut_arg("travelers", |arg| arg.default_value("2000"))
)]
pub(crate) struct Logs {
    /// Records of the shorter log
    #[arg(long, default_value_t = 2_000_000)]
    pub(crate) events: u64,
    /// How many times longer the other one is
    #[arg(long, default_value_t = 4)]
    pub(crate) times: u64,
    #[command(flatten)]
    pub(crate) trace: Trace,
    /// The program that is measured; by default the one beside this one
    #[arg(long, env = "FOOTFALL_PROGRAM")]
    pub(crate) program: Option<PathBuf>,
}

/// Everything that was found out.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) logs: Logs,
    pub(crate) settings: Settings,
    shorter: Audited,
    longer: Audited,
}

/// Runs the subcommand. An audit that finds a difference is an error.
pub(crate) async fn command(args: &Args) -> anyhow::Result<ExitCode> {
    measure(&args.target.target()?, &args.logs).await?.print()?;
    Ok(ExitCode::SUCCESS)
}

/// Makes both logs, one after the other, and audits each.
pub(crate) async fn measure(target: &Target, logs: &Logs) -> anyhow::Result<Report> {
    logs.check()?;
    Ok(Report {
        logs: logs.clone(),
        settings: Settings::of(target)?,
        shorter: audit(target, logs, logs.events).await?,
        longer: audit(target, logs, logs.events * logs.times).await?,
    })
}

/// One log.
async fn audit(target: &Target, logs: &Logs, events: u64) -> anyhow::Result<Audited> {
    let now = Clock::System.now();
    let names = RunNames::new(now);
    let program = program(logs.program.as_ref())?;
    let corner = Corner::open(target, &program, &names).await?;
    let trace = logs.trace;
    let order = Order {
        kafka: target.kafka.clone(),
        prefix: corner.prefix.clone(),
        partitions: Settings::of(target)?.partitions,
        trace,
        names,
        start_at: Micros(now.0 - trace.offset(events).0) - CLOSING,
    };
    let how = How {
        program: &program,
        prefix: &order.prefix,
        workers: 1,
        admin_port: None,
    };
    let pool = postgres::connect(&corner.target.postgres).await?;
    let outcome = async {
        order.create_topic().await?;
        let audited = fold_and_audit(&corner, how, &order, (&pool, events, now)).await;
        order.delete_topic().await?;
        audited
    }
    .await;
    pool.close().await;
    corner.close().await?;
    outcome
}

async fn fold_and_audit(
    corner: &Corner,
    how: How<'_>,
    order: &Order,
    (pool, events, closing_at): (&PgPool, u64, Micros),
) -> anyhow::Result<Audited> {
    order.produce(0..events, Some(closing_at)).await?;
    let wanted = events + u64::try_from(order.partitions)?;
    let consumer = Consumer::start(&corner.target, how)?;
    progress::until(pool, &order.topic(), wanted, &consumer).await?;
    // The live view comes to the ledger's offset, and the audit has the machine for itself.
    consumer.stop().await?;
    let audited = child::run(how.program, corner, pool).await?;
    if audited.records != wanted {
        bail!(
            "the audit read {} records, expected {wanted}",
            audited.records
        );
    }
    let visits = order.trace.visits(events);
    if audited.rows < visits {
        bail!(
            "the audit compared {} rows, expected one for each of {visits} visits at least",
            audited.rows
        );
    }
    Ok(audited)
}

impl Default for Logs {
    /// As if no flag had been given.
    fn default() -> Self {
        #[derive(Parser)]
        struct Bare {
            #[command(flatten)]
            logs: Logs,
        }
        Bare::parse_from(["bench"]).logs
    }
}

impl Logs {
    /// The fold keeps what is younger than the lateness: a log that is no longer than that would be measured while its state still
    /// grows.
    fn check(&self) -> anyhow::Result<()> {
        self.trace.check().map_err(anyhow::Error::msg)?;
        if self.times < 2 {
            bail!("--times is {}, expected 2 or more", self.times);
        }
        let lateness = MovementConfig::default().lateness;
        let spans = self.trace.offset(self.events);
        if spans.0 < lateness.0 / 2 * 3 {
            bail!(
                "{} events at {} a second are {:.0} s of event time, expected {:.0} s at least, half as much again as what the fold \
                 keeps: more events or a lower rate",
                self.events,
                self.trace.rate,
                spans.as_secs_f64(),
                lateness.as_secs_f64() * 1.5
            );
        }
        Ok(())
    }
}

impl Audited {
    /// Records for each second of CPU time that the audit used, user and system.
    fn per_core(&self) -> f64 {
        float(self.records) / self.cpu_seconds.max(1e-9)
    }
}

impl Report {
    /// Records a second and core, of the slower audit.
    pub(crate) fn per_core(&self) -> f64 {
        self.shorter.per_core().min(self.longer.per_core())
    }

    /// The longer log's peak of memory as a multiple of the shorter one's.
    pub(crate) fn growth(&self) -> f64 {
        float(self.longer.peak_bytes) / float(self.shorter.peak_bytes.max(1))
    }

    /// Prints everything.
    pub(crate) fn print(&self) -> std::io::Result<()> {
        say(&format!(
            "## An audit of {} and of {} records\n\n\
             {} events/s of event time, {} partitions, {} travelers, {} sensors; one thread. Both equal.\n\
             **{:.0} records/s per core** at least; peak memory **{:.2}** times as high at {} times the length.",
            self.shorter.records,
            self.longer.records,
            self.logs.trace.rate,
            self.settings.partitions,
            self.logs.trace.travelers,
            self.logs.trace.sensors,
            self.per_core(),
            self.growth(),
            self.logs.times,
        ))?;
        let mut table = Table::new(&[
            "records",
            "s of event time",
            "s",
            "records/s",
            "CPU s per million",
            "records/s per core",
            "rows compared",
            "peak RSS MiB",
        ]);
        for audited in [&self.shorter, &self.longer] {
            let (records, seconds) = (float(audited.records), audited.took.as_secs_f64());
            table.row([
                audited.records.to_string(),
                format!("{:.0}", records / self.logs.trace.rate),
                format!("{seconds:.1}"),
                format!("{:.0}", records / seconds),
                format!("{:.2}", audited.cpu_seconds / records * 1e6),
                format!("{:.0}", audited.per_core()),
                audited.rows.to_string(),
                format!("{:.0}", mib(audited.peak_bytes)),
            ]);
        }
        say(&table.to_markdown())?;
        let records = float(self.longer.records);
        say(&processes(&self.longer.window, records).to_markdown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_within_the_lateness_is_refused() {
        assert!(Logs::default().check().is_ok());
        let short = Logs {
            events: 500_000,
            ..Logs::default()
        };
        let why = short.check().unwrap_err().to_string();
        assert!(
            why.contains("are 1000 s of event time, expected 1800 s"),
            "{why}"
        );
    }
}
