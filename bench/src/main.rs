//! Measures the speed and the memory of a running Footfall, and prints Markdown.
//!
//! `bench suite` (the default) starts a stack of its own, measures everything that the project promises and ends it. The other
//! subcommands measure one thing against a stack that runs: `footfall up --simulate none`. How each figure is made
//! stands in `README.md` beside this crate.

mod audit;
mod backlog;
mod canary;
mod corner;
mod e2e;
mod frame;
mod gateway;
mod load;
mod machine;
mod postgres;
mod process;
mod schedule;
mod setting;
mod sight;
mod stream;
mod suite;
mod table;
mod takeover;
mod target;
mod trace;
mod window;

use std::io::{self, Write};
use std::process::ExitCode;

use chassis::telemetry::LogArgs;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "bench", version, about, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    log: LogArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a fresh stack, measure everything that is promised, end it
    Suite(suite::Args),
    /// From PUBLISH to the websocket at a fixed rate: latency, loss, CPU, memory, rows
    E2e(e2e::Args),
    /// From PUBLISH to PUBACK at a fixed rate
    Gateway(gateway::Args),
    /// How fast a consumer works off what lies in Kafka
    Backlog(backlog::Args),
    /// How fast `footfall audit` reads the log, and how its memory grows with the log's length
    Audit(audit::Args),
    /// How long a partition with many open travelers takes to change hands
    Takeover(takeover::Args),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            // Standard error that is gone leaves nobody to tell.
            writeln!(io::stderr(), "bench: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    chassis::telemetry::init(&cli.log).map_err(anyhow::Error::msg)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let command = cli
        .command
        .unwrap_or_else(|| Command::Suite(suite::Args::default()));
    runtime.block_on(async {
        match command {
            Command::Suite(args) => suite::run(args).await,
            Command::E2e(args) => e2e::command(&args).await,
            Command::Gateway(args) => gateway::command(&args).await,
            Command::Backlog(args) => backlog::command(&args).await,
            Command::Audit(args) => audit::command(&args).await,
            Command::Takeover(args) => takeover::command(&args).await,
        }
    })
}
