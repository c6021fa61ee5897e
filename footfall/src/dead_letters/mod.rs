//! `footfall dead-letters`: looking at what was refused, and sending it again after the cause was repaired. Nothing is ever deleted
//! here; a letter that was sent again is marked with the time.
//!
//! - `table`: the rows in Postgres; `show`: how they are printed;
//! - `replay`: which records a letter becomes today; `send`: producing them.

mod replay;
mod send;
mod show;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use chassis::config::duration;
use sqlx::{Connection, PgConnection};

use crate::target::PostgresTarget;
use crate::{exit, output};
use table::Filter;

/// Arguments of `dead-letters`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// The letters, newest first
    List(ListArgs),
    /// Every field of one letter
    Show(ShowArgs),
    /// Send letters again through today's routes; sending one twice changes nothing
    Replay(Box<replay::Args>),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Only those refused for this reason, such as `unrouted`
    #[arg(long)]
    reason: Option<String>,
    /// Only those of this device
    #[arg(long)]
    device: Option<String>,
    /// Only those of this topic, of MQTT or of Kafka
    #[arg(long)]
    topic: Option<String>,
    /// Only those received within this time, such as 2h
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    since: Option<Duration>,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    postgres: PostgresTarget,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// Number of the letter, as `list` prints it
    id: i64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    postgres: PostgresTarget,
}

/// Runs the subcommand.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::List(args) => list(args).await,
        Action::Show(args) => show(args).await,
        Action::Replay(args) => replay::run(*args).await,
    }
}

async fn list(args: ListArgs) -> anyhow::Result<ExitCode> {
    let filter = Filter {
        reason: args.reason,
        device: args.device,
        topic: args.topic,
        since: args.since,
    };
    let mut postgres = connect(args.postgres).await?;
    let letters = table::newest(&mut postgres, &filter, args.limit).await?;
    let lines = if args.json {
        letters.iter().map(show::json).collect()
    } else {
        show::table(&letters)
    };
    for line in lines {
        output::say(&line);
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(args: ShowArgs) -> anyhow::Result<ExitCode> {
    let mut postgres = connect(args.postgres).await?;
    let letters = table::by_id(&mut postgres, &[args.id]).await?;
    let Some(letter) = letters.first() else {
        return Err(no_letter(args.id));
    };
    let lines = if args.json {
        vec![show::json(letter)]
    } else {
        show::whole(letter)
    };
    for line in lines {
        output::say(&line);
    }
    Ok(ExitCode::SUCCESS)
}

fn no_letter(id: i64) -> anyhow::Error {
    exit::usage(format!(
        "there is no dead letter {id}, see `footfall dead-letters list`"
    ))
}

async fn connect(target: PostgresTarget) -> anyhow::Result<PgConnection> {
    let url = target.resolve()?;
    PgConnection::connect(&url).await.map_err(|error| {
        let url = chassis::url::without_password(&url);
        exit::usage(format!("connecting to {url}: {error}"))
    })
}
