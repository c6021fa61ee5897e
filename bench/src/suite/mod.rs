//! `bench suite`: a fresh stack, everything that the project promises, and a table of promises and figures.

mod promise;
mod stack;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use chassis::config::duration;
use clap::Parser;

use crate::backlog::{self, Backlog};
use crate::e2e::{self, Shape};
use crate::gateway;
use crate::machine;
use crate::table::say;
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

/// Rates at which the gateway alone is measured.
const GATEWAY_RATES: [f64; 3] = [1_500.0, 10_000.0, 20_000.0];
/// The gateway alone needs no idle gap to pass before it is steady.
const GATEWAY_WARMUP: Duration = Duration::from_secs(10);

/// Rates and travelers that are measured end to end. The last one is for memory: each traveler is seen every ten seconds, so that
/// all of them are open at once.
const END_TO_END: [(f64, u32); 4] = [
    (1_500.0, 20_000),
    (10_000.0, 20_000),
    (20_000.0, 20_000),
    (10_000.0, 100_000),
];

/// Runs the suite. The exit status says whether anything was lost; a figure that misses its promise is reported, not an error.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    say(&format!(
        "# Footfall, measured\n\n{}. Everything runs on this machine: the generator, Kafka, Postgres, Redis and the roles.",
        machine::description()
    ))?;
    let program = match &args.program {
        Some(program) => program.clone(),
        None => backlog::beside_us()?,
    };
    let stack = Stack::start(&program, &args).await?;
    let outcome = measure(&stack, &args, &program).await;
    stack.stop().await?;
    let figures = outcome?;
    say(&figures.table().to_markdown())?;
    Ok(if figures.lost() == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn measure(stack: &Stack, args: &Args, program: &std::path::Path) -> anyhow::Result<Figures> {
    let shape = |rate, travelers| Shape {
        rate,
        travelers,
        duration: args.duration,
        warmup: args.warmup,
        ..Shape::default()
    };
    let mut figures = Figures::default();
    for rate in GATEWAY_RATES {
        let shape = Shape {
            warmup: GATEWAY_WARMUP.min(args.warmup),
            ..shape(rate, 20_000)
        };
        let report = gateway::measure(&stack.target()?, &shape).await?;
        report.print()?;
        figures.gateway.push(report);
    }
    for (rate, travelers) in END_TO_END {
        let report = e2e::measure(&stack.target()?, &shape(rate, travelers)).await?;
        report.print()?;
        figures.end_to_end.push(report);
    }
    let backlog = Backlog {
        events: args.backlog,
        program: Some(program.to_owned()),
        ..Backlog::default()
    };
    let report = backlog::measure(&stack.target()?, &backlog).await?;
    report.print()?;
    figures.backlog = Some(report);
    Ok(figures)
}
