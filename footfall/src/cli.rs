//! The command line: which subcommands there are, and where each of them lives.

use std::process::ExitCode;
use std::time::Duration;

use chassis::telemetry::LogArgs;
use clap::{Parser, Subcommand};
use tokio_util::task::TaskTracker;
use tracing::info;

use crate::{audit, config, dead_letters, down, exit, groups, migrate, status, topics, up};

/// Footfall counts people: sensors publish over MQTT, Kafka keeps the log, Redis shows the present, Postgres the past.
#[derive(Debug, Parser)]
#[command(name = "footfall", version, about, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    log: LogArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start everything on this machine: Kafka, Postgres, Redis, the roles and a simulated campus
    Up(Box<up::Args>),
    /// End what `up` started in a folder
    Down(down::Args),
    /// One line per process of a running `up`; exit status 1 if one of them is unwell
    Status(status::Args),
    /// End devices' MQTT connections and write what they say to Kafka
    #[command(mut_arg("admin_bind", |arg| arg.default_value("127.0.0.1:9101")))]
    Gateway(Box<gateway::Config>),
    /// Fold the log into Redis (now) and Postgres (history)
    #[command(mut_arg("admin_bind", |arg| arg.default_value("127.0.0.1:9111")))]
    Consumer(Box<consumer::Config>),
    /// Serve the dashboard, REST and the websocket
    #[command(mut_arg("admin_bind", |arg| arg.default_value("127.0.0.1:9121")))]
    Api(Box<api::Config>),
    /// A seeded fleet of sensors that publishes over MQTT
    Simulate(Box<simulator::Config>),
    /// Bring the tables of Postgres up to date
    Migrate(migrate::Args),
    /// The topics with partitions, retention and offsets, and a look at their latest records
    Topics(topics::Args),
    /// The consumer groups with their members and how far they are behind
    Groups(groups::Args),
    /// Recompute from Kafka what Postgres and Redis hold; exit status 1 if something differs
    Audit(Box<audit::Args>),
    /// Look at refused messages, and send them again after a fix
    DeadLetters(Box<dead_letters::Args>),
    /// The effective configuration of every subcommand, without secrets
    Config(config::Args),
}

impl Command {
    /// Threads of its runtime, if it has an opinion; a wrong one is refused when its configuration is checked.
    fn threads(&self) -> Option<usize> {
        match self {
            Self::Gateway(config) => Some(config.listen.gateway_threads.clamp(1, 64)),
            _ => None,
        }
    }

    /// Whether it runs until it is told to end, with a log that somebody reads later.
    fn is_role(&self) -> bool {
        matches!(
            self,
            Self::Gateway(_) | Self::Consumer(_) | Self::Api(_) | Self::Simulate(_)
        )
    }
}

/// How long tasks that were told to end may still take before the process leaves without them.
const DRAIN: Duration = Duration::from_secs(10);

/// Runs the subcommand on a runtime of its own. `settings` is the configuration in force, fit for the log.
pub(crate) fn run(cli: Cli, settings: &str) -> anyhow::Result<ExitCode> {
    chassis::telemetry::init(&cli.log).map_err(exit::usage)?;
    if cli.command.is_role() {
        info!("configuration: {settings}");
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = cli.command.threads() {
        runtime.worker_threads(threads);
    }
    let runtime = runtime.enable_all().build()?;
    let outcome = runtime.block_on(async {
        let tracker = TaskTracker::new();
        let shutdown = chassis::shutdown::on_signal(&tracker)?;
        let outcome = match cli.command {
            Command::Up(args) => Box::pin(up::run(*args, &cli.log, shutdown.clone())).await,
            Command::Down(args) => down::run(args).await,
            Command::Status(args) => status::run(args).await,
            Command::Gateway(config) => role(gateway::run(*config, shutdown.clone())).await,
            Command::Consumer(config) => role(consumer::run(*config, shutdown.clone())).await,
            Command::Api(config) => role(api::run(*config, shutdown.clone())).await,
            Command::Simulate(config) => role(simulator::run(*config, shutdown.clone())).await,
            Command::Migrate(args) => migrate::run(args).await,
            Command::Topics(args) => topics::run(args).await,
            Command::Groups(args) => groups::run(args).await,
            Command::Audit(args) => Box::pin(audit::run(*args, shutdown.clone())).await,
            Command::DeadLetters(args) => Box::pin(dead_letters::run(*args)).await,
            Command::Config(args) => config::run(&args),
        };
        shutdown.cancel();
        if chassis::shutdown::drain("footfall", &tracker, DRAIN).await {
            outcome
        } else {
            outcome.and(Err(anyhow::anyhow!("some tasks did not end in time")))
        }
    });
    // A blocking call into a Kafka that is away must not hold the exit up.
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome
}

/// A role in the foreground: it ends with success when a signal asked it to.
async fn role(running: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<ExitCode> {
    Box::pin(running).await?;
    Ok(ExitCode::SUCCESS)
}
