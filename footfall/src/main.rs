//! The command `footfall`: one binary for every role, for the local stack and for looking into a running system.
//!
//! Each subcommand is one file; this one only reads `.env`, parses, runs and turns the outcome into an exit status.

mod cli;
mod config;
mod down;
mod exit;
mod groups;
mod http;
mod kafka_offsets;
mod members;
mod migrate;
mod output;
mod run_file;
mod status;
mod target;
mod topics;
mod up;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // Before any thread starts, because it changes this process's environment. What is set already wins.
    if let Err(error) = dotenvy::dotenv()
        && !error.not_found()
    {
        return exit::failed(&exit::usage(format!("reading .env: {error}")));
    }
    let cli = cli::Cli::parse();
    match cli::run(cli) {
        Ok(code) => code,
        Err(error) => exit::failed(&error),
    }
}
