//! `bench suite`: a fresh stack, everything that the project promises, and a table of promises and figures.

mod promise;
mod stack;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use chassis::config::duration;
use clap::Parser;

use crate::audit::{self, Logs};
use crate::backlog::{self, Backlog};
use crate::e2e::{self, Shape};
use crate::gateway;
use crate::machine;
use crate::table::say;
use crate::takeover::{self, Crowd};
use promise::Figures;
use stack::Stack;

/// How to measure.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Args {
    /// Folder of the stack; wiped first
    #[arg(long, default_value = ".footfall-bench")]
    dir: PathBuf,
    /// The program that is measured; by default the one beside this one
    #[arg(long, env = "FOOTFALL_PROGRAM")]
    program: Option<PathBuf>,
    /// How long each rate is measured
    #[arg(long, default_value = "60s", value_parser = duration)]
    duration: Duration,
    /// How long each rate is sent before it is measured
    #[arg(long, default_value = "40s", value_parser = duration)]
    warmup: Duration,
    /// Records of the backlog
    #[arg(long, default_value_t = 5_000_000)]
    backlog: u64,
    /// Records of the shorter log that is audited
    #[arg(long, default_value_t = 2_000_000)]
    audit: u64,
    /// Records of a partition that changes hands
    #[arg(long, default_value_t = 1_000_000)]
    takeover: u64,
    /// Partitions of the topic of movements, if not the default
    #[arg(long)]
    partitions: Option<u16>,
}

impl Default for Args {
    /// As if the subcommand had been given without a flag.
    fn default() -> Self {
        #[derive(Parser)]
        struct Bare {
            #[command(flatten)]
            args: Args,
        }
        Bare::parse_from(["bench"]).args
    }
}

/// Rates that are measured, end to end and up to the PUBACK.
const RATES: [f64; 3] = [1_500.0, 10_000.0, 20_000.0];
/// Travelers who are seen in turn.
const TRAVELERS: u32 = 20_000;
/// The gateway alone needs no idle gap to pass before it is steady.
const GATEWAY_WARMUP: Duration = Duration::from_secs(10);

/// Memory is measured on a fresh stack, at a rate at which each of many travelers is seen every 25 s: all are open at once.
const MEMORY: (f64, u32) = (4_000.0, 100_000);

/// Runs the suite. The exit status says whether anything was lost; a figure that misses its promise is reported, not an error.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    say(&format!(
        "# Footfall, measured\n\n{}. Everything runs on this machine: the generator, Kafka, Postgres, Redis and the roles.",
        machine::description()
    ))?;
    if cfg!(debug_assertions) {
        say("**Built without `--release`: these figures are for trying the bench out.**")?;
    }
    let program = backlog::child::program(args.program.as_ref())?;
    let mut figures = Figures::default();
    let stack = Stack::start(&program, &args).await?;
    let outcome = measure_speed(&stack, &args, &program, &mut figures).await;
    stack.stop().await?;
    outcome?;
    let stack = Stack::start(&program, &args).await?;
    let outcome = measure_memory(&stack, &args, &mut figures).await;
    stack.stop().await?;
    outcome?;
    say(&figures.table().to_markdown())?;
    Ok(if figures.lost() == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn measure_speed(
    stack: &Stack,
    args: &Args,
    program: &Path,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    for rate in RATES {
        let report = e2e::measure(&stack.target()?, &args.shape((rate, TRAVELERS))).await?;
        report.print()?;
        figures.end_to_end.push(report);
    }
    for rate in RATES {
        let shape = Shape {
            warmup: GATEWAY_WARMUP.min(args.warmup),
            ..args.shape((rate, TRAVELERS))
        };
        let report = gateway::measure(&stack.target()?, &shape).await?;
        report.print()?;
        figures.gateway.push(report);
    }
    let backlog = Backlog {
        events: args.backlog,
        program: Some(program.to_owned()),
        ..Backlog::default()
    };
    let report = backlog::measure(&stack.target()?, &backlog).await?;
    report.print()?;
    figures.backlog = Some(report);
    measure_care(stack, args, program, figures).await
}

/// What an operator waits for.
async fn measure_care(
    stack: &Stack,
    args: &Args,
    program: &Path,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let crowd = Crowd {
        events: args.takeover,
        program: Some(program.to_owned()),
        ..Crowd::default()
    };
    let report = takeover::measure(&stack.target()?, &crowd).await?;
    report.print()?;
    figures.takeover = Some(report);
    let logs = Logs {
        events: args.audit,
        program: Some(program.to_owned()),
        ..Logs::default()
    };
    let report = audit::measure(&stack.target()?, &logs).await?;
    report.print()?;
    figures.audit = Some(report);
    Ok(())
}

async fn measure_memory(stack: &Stack, args: &Args, figures: &mut Figures) -> anyhow::Result<()> {
    let report = e2e::measure(&stack.target()?, &args.shape(MEMORY)).await?;
    report.print()?;
    figures.end_to_end.push(report);
    Ok(())
}

impl Args {
    fn shape(&self, (rate, travelers): (f64, u32)) -> Shape {
        Shape {
            rate,
            travelers,
            duration: self.duration,
            warmup: self.warmup,
            ..Shape::default()
        }
    }
}
