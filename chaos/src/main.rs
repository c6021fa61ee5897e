//! `chaos`: runs rows of the fault table against a system of its own, and renders the table from the results.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;
use chaos::report::{self, fault_table};
use chaos::row::{self, Row};
use chaos::scene::Length;
use chaos::suite::Suite;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "chaos", version, about, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    args: Args,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Render the fault table from a file of results
    Report {
        /// File of results
        file: PathBuf,
        /// Document to put it into, between its marks, instead of printing it
        #[arg(long, value_name = "DOCUMENT")]
        into: Option<PathBuf>,
    },
}

#[derive(Debug, clap::Args)]
struct Args {
    /// Rows to run, by number or name; all when none is named
    #[arg(long = "row", value_name = "ROW")]
    rows: Vec<String>,
    /// Run the rows of `make test`, shortened
    #[arg(long)]
    subset: bool,
    /// Shorten the rows
    #[arg(long)]
    short: bool,
    /// Say which rows there are, and run none
    #[arg(long)]
    list: bool,
    /// How often to repeat each row, with a seed more each time
    #[arg(long, default_value_t = 1)]
    repeat: u32,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long a row lasts that has no end of its own, such as the soak
    #[arg(long)]
    minutes: Option<u64>,
    /// Folder of ledgers, logs and results
    #[arg(long, default_value = "target/chaos")]
    out: PathBuf,
    /// The program under test
    #[arg(long, default_value = "target/debug/footfall")]
    footfall: PathBuf,
    /// The program of the version before, for the rolling upgrade
    #[arg(long, value_name = "PATH")]
    previous: Option<PathBuf>,
}

fn main() -> ExitCode {
    match start(&Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            // Standard error that is gone leaves nobody to tell.
            writeln!(io::stderr(), "chaos: {error:#}").ok();
            ExitCode::from(2)
        }
    }
}

fn start(cli: &Cli) -> anyhow::Result<ExitCode> {
    if let Some(Command::Report { file, into }) = &cli.command {
        let table = fault_table::table(&report::read(file)?);
        match into {
            Some(document) => {
                let text = std::fs::read_to_string(document)?;
                std::fs::write(document, fault_table::insert(&text, &table)?)?;
            }
            None => say(&table)?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let rows = cli.args.chosen()?;
    if cli.args.list {
        for row in rows {
            say(&format!("{:>8}  {}: {}\n", row.id, row.fault, row.promise))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let suite = cli.args.suite(rows);
    let outcomes = runtime.block_on(suite.run(|text| {
        // Whoever closed the pipe still gets the results as a file.
        say(text).ok();
    }))?;
    let (text, is_good) = report::verdict(&outcomes);
    // The exit code tells it too.
    say(&text).ok();
    Ok(ExitCode::from(u8::from(!is_good)))
}

impl Args {
    fn chosen(&self) -> anyhow::Result<Vec<Row>> {
        let known = row::all();
        for id in &self.rows {
            let ids: Vec<&str> = known.iter().map(|row| row.id).collect();
            ensure!(
                ids.contains(&id.as_str()),
                "--row is {id:?}, expected one of {}",
                ids.join(", ")
            );
        }
        let is_chosen = |row: &Row| {
            (self.rows.is_empty() || self.rows.iter().any(|id| id == row.id))
                && (!self.subset || row.in_subset)
        };
        Ok(known.into_iter().filter(is_chosen).collect())
    }

    fn suite(&self, rows: Vec<Row>) -> Suite {
        Suite {
            rows,
            repeat: self.repeat,
            seed: self.seed,
            length: self.length(),
            out: self.out.clone(),
            footfall: self.footfall.clone(),
            previous: self.previous.clone(),
        }
    }

    fn length(&self) -> Length {
        match self.minutes {
            Some(minutes) => Length::Lasting(Duration::from_secs(60 * minutes)),
            None if self.short || self.subset => Length::Short,
            None => Length::Full,
        }
    }
}

fn say(text: &str) -> anyhow::Result<()> {
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}
