//! Kafka in → Redis (now) and Postgres (history): one engine, several folds.
//!
//! The path of a record: `engine::member` polls it; `engine::partition` folds it in memory; `store::live` shows it;
//! `store::checkpoint` makes it last, together with the offset, in one statement; then the offset is committed to Kafka
//! for whoever looks at lag.
//!
//! **Architecture invariant.** A consumer has no identity and no disk: kill it at any moment, and the next owner of its
//! partitions goes on from the ledger.

pub mod audit;
pub mod config;
mod engine;
mod folds;
pub mod metrics;
mod store;
mod upkeep;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chassis::admin::{self, Health};
use chassis::lifeline;
use chassis::shutdown::drain;
use domain::fold::Fold;
use domain::movement::MovementFold;
use rdkafka::ClientConfig;
use secrecy::ExposeSecret;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

pub use config::Config;
pub use folds::FoldName;
pub use store::origin;

use config::GroupProtocol;
use engine::member::Member;
use engine::owner::Shared;
use folds::DeadLetterFold;
use store::checkpoint::{self, RowStatement};
use store::ledger::Ledger;
use store::live::LiveStore;

/// Longer than a release may take.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(28);

/// Consumes until `shutdown`.
///
/// # Errors
/// When the configuration cannot be used, or a worker does not end in time.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    config.check()?;
    metrics::describe();
    let tracker = TaskTracker::new();
    let health = Health::new();
    admin::serve(&config.admin, health.clone(), &tracker, shutdown.clone()).await?;
    let role = Role {
        pool: pool(&config)?,
        redis: redis(&config)?,
        config,
        health,
        tracker,
        shutdown,
    };
    role.tracker.spawn(upkeep::partitions_ahead(
        role.pool.clone(),
        role.shutdown.clone(),
    ));
    for fold in role.config.chosen() {
        match fold {
            FoldName::Movement => role.start::<MovementFold>(role.config.movement.fold()),
            FoldName::DeadLetters => role.start::<DeadLetterFold>(()),
        }
    }
    role.shutdown.cancelled().await;
    let ended = drain("consumer", &role.tracker, SHUTDOWN_DEADLINE).await;
    role.pool.close().await;
    anyhow::ensure!(
        ended,
        "consumer: a worker did not end within {SHUTDOWN_DEADLINE:?}"
    );
    Ok(())
}

/// What every fold of the process shares.
struct Role {
    config: Config,
    pool: PgPool,
    redis: redis::Client,
    health: Health,
    tracker: TaskTracker,
    shutdown: CancellationToken,
}

impl Role {
    /// Starts the workers of one fold.
    fn start<F: Fold>(&self, fold: F::Config)
    where
        F::Rows: RowStatement,
    {
        let topic = self.config.kafka.topic(F::TOPIC);
        let ledger = Ledger {
            pool: self.pool.clone(),
            topic: topic.clone(),
        };
        let live = LiveStore {
            client: self.redis.clone(),
            topic,
            fold_version: F::VERSION,
            ledger: ledger.clone(),
        };
        let shared = Arc::new(Shared::<F> {
            handle: Handle::current(),
            ledger,
            live,
            statement: checkpoint::statement::<F::Rows>(),
            fold,
            flush_interval: self.config.flush_interval,
            checkpoint_interval: self.config.checkpoint_interval,
            unsaved_bytes_max: self.config.unsaved_bytes_max,
            release_deadline: self.config.release_deadline,
        });
        for worker in 0..self.config.workers {
            let member = Member {
                shared: Arc::clone(&shared),
                kafka: self.kafka::<F>(worker),
                kafka_args: self.config.kafka.clone(),
                worker,
                health: self.health.clone(),
                stats_interval: self.config.stats_interval,
                shutdown: self.shutdown.clone(),
            };
            info!(fold.name = F::NAME, "{}: starting worker {worker}", F::NAME);
            self.tracker.spawn_blocking(move || member.run());
        }
    }

    fn kafka<F: Fold>(&self, worker: usize) -> ClientConfig {
        let client_id = format!("footfall-{}-{worker}", F::NAME);
        let mut kafka = self
            .config
            .kafka
            .consumer(&client_id, &format!("{}-{}", self.config.group, F::NAME));
        lifeline::watch(&mut kafka);
        match self.config.group_protocol {
            GroupProtocol::Consumer => kafka
                .set("group.protocol", "consumer")
                .set("group.remote.assignor", "range"),
            GroupProtocol::Range => kafka.set("partition.assignment.strategy", "range"),
        };
        kafka
    }
}

fn pool(config: &Config) -> anyhow::Result<PgPool> {
    let options: PgConnectOptions = config
        .postgres
        .expose_secret()
        .parse()
        .context("--postgres: expected postgres://user@host:port/database")?;
    let options = options
        .application_name("footfall-consumer")
        // The ledger and its rows go back together, and replay from Kafka repairs what a crash of Postgres loses.
        .options([
            ("synchronous_commit", "off"),
            ("statement_timeout", "30000"),
            ("lock_timeout", "10000"),
        ]);
    let workers = config.workers * config.folds.len();
    let connections = u32::try_from(workers + 2).context("--workers: too many")?;
    Ok(PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(5))
        .connect_lazy_with(options))
}

fn redis(config: &Config) -> anyhow::Result<redis::Client> {
    redis::Client::open(config.redis.expose_secret()).context("--redis: expected redis://host:port")
}
