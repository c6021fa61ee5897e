//! The command `footfall`: one binary for every role, for the local stack and for looking into a running system.
//!
//! Each subcommand is one file; this one only reads `.env`, parses, runs and turns the outcome into an exit status.

mod audit;
mod cli;
mod config;
mod dead_letters;
mod down;
mod exit;
mod groups;
mod http;
mod kafka_offsets;
mod lag;
mod members;
mod migrate;
mod output;
mod run_file;
mod same_kafka;
mod status;
mod target;
mod topics;
mod up;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

/// States live for twenty minutes, are made by one thread and let go of by another. The C library's allocator kept four times
/// what was in use after some changes of hands; this one gives it back. How many arenas it has is in `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // The working folder's own, not one of its parents'. Before any thread starts, because it changes this process's environment. What is set already wins.
    if let Err(error) = dotenvy::from_path(".env")
        && !error.not_found()
    {
        return exit::failed(&exit::usage(format!("reading .env: {error}")));
    }
    let command = cli::Cli::command();
    let matches = command.clone().get_matches();
    let cli = cli::Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match cli::run(cli, &config::in_force(&command, &matches)) {
        Ok(code) => code,
        Err(error) => exit::failed(&error),
    }
}
