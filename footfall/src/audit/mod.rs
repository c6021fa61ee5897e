//! `footfall audit`: recomputes from Kafka what Postgres and Redis hold, and names the first row that differs. The work is done in
//! `consumer`, beside the code that it judges; here are flags, the progress bar and the words.

mod text;

use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use consumer::FoldName;
use consumer::audit::{self, Options, Progress};
use consumer::config::MovementArgs;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::target::{KafkaTarget, RedisTarget, postgres_of};
use crate::{exit, output};

/// Arguments of `audit`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print the report as one JSON object
    #[arg(long, env = "FOOTFALL_AUDIT_JSON")]
    json: bool,
    /// Which folds to recompute
    #[arg(
        long,
        env = "FOOTFALL_FOLDS",
        value_delimiter = ',',
        default_value = "movement,dead-letters"
    )]
    folds: Vec<FoldName>,
    /// Partitions that are folded at the same time; each takes a core
    #[arg(long, env = "FOOTFALL_AUDIT_THREADS", default_value = "1")]
    threads: NonZeroUsize,
    #[command(flatten)]
    kafka: KafkaTarget,
    /// URL of the database [default: the one of the stack that runs in --dir]
    #[arg(
        long,
        env = "FOOTFALL_POSTGRES",
        hide_env_values = true,
        value_name = "URL"
    )]
    postgres: Option<String>,
    #[command(flatten)]
    redis: RedisTarget,
    /// The parameters with which the consumers fold.
    #[command(flatten)]
    movement: MovementArgs,
}

/// How often the progress is shown.
const SHOWN_EVERY: Duration = Duration::from_millis(100);

/// Runs the subcommand.
pub(crate) async fn run(args: Args, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    let dir = args.kafka.dir().to_owned();
    let options = Options {
        postgres: postgres_of(args.postgres, &dir)?.into(),
        redis: args.redis.resolve(&dir)?.into(),
        kafka: args.kafka.resolve()?,
        movement: args.movement,
        folds: args.folds,
        threads: args.threads,
    };
    let progress = Arc::new(Progress::default());
    let bar = bar(args.json);
    // A task of its own, because an audit keeps its thread busy.
    let watching = TaskTracker::new().spawn(watch(bar.clone(), Arc::clone(&progress)));
    let outcome = audit::run(&options, &progress, shutdown).await;
    watching.abort();
    bar.finish_and_clear();
    let report = outcome.map_err(|error| refused(&error.into()))?;
    if args.json {
        output::say(&serde_json::to_string(&report)?);
    } else {
        for line in text::lines(&report) {
            output::say(&line);
        }
    }
    Ok(if report.equal {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::WRONG)
    })
}

/// Status 1 is for what differs, so that a script can tell it from an audit that could not be made.
fn refused(error: &anyhow::Error) -> anyhow::Error {
    exit::usage(format!("no audit: {error:#}"))
}

/// A bar on a terminal, nothing elsewhere.
fn bar(json: bool) -> ProgressBar {
    if json || !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let template = "{bar:30} {percent:>3} % of {human_len} records, {per_sec}, {eta} left {msg}";
    let style = ProgressStyle::with_template(template).expect("the template is one");
    ProgressBar::new(0).with_style(style)
}

/// Shows how far an audit is, until it is aborted.
async fn watch(bar: ProgressBar, progress: Arc<Progress>) {
    let mut ticks = tokio::time::interval(SHOWN_EVERY);
    loop {
        ticks.tick().await;
        let (done, all) = progress.records();
        bar.set_length(all);
        bar.set_position(done);
        let rows = progress.rows();
        if rows > 0 {
            bar.set_message(format!("({rows} rows compared)"));
        }
    }
}
