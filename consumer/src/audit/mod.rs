//! The audit: recomputes every fold from Kafka with the same pure functions, and compares the rows in Postgres and the live view in
//! Redis with it, each at an offset that is fixed for every partition.
//!
//! - `scene`: one snapshot of Postgres for the whole audit, and the clients; `plan` and `noted`: from where to where each partition is folded;
//! - `log`: reading Kafka without a group; `replay`: the partitions, some at a time; `folding`: one of them into a `store` on disk;
//! - `known`: what can be relied upon where retention took the beginning;
//! - `accounts`: what the ledger counted, beside what the folding did;
//! - `cell`, `tables`, `rows`, `back`: rows as bytes, the tables, how the rows of each fold stand in them, and back;
//! - `compare`: the store and Postgres, walked side by side; `live`: the fold and Redis;
//! - `report`: what was found.
//!
//! It joins no group, commits nothing and takes no lock that a consumer waits for, so the site goes on meanwhile. Memory does not
//! depend on the length of the log: what grows with it stands on disk.

mod accounts;
mod back;
mod cell;
mod compare;
mod folding;
mod known;
mod live;
mod log;
mod noted;
mod plan;
mod replay;
mod report;
mod rows;
mod scene;
mod store;
mod tables;
#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use chassis::kafka::KafkaArgs;
use domain::movement::MovementFold;
use secrecy::SecretString;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

pub use report::{
    Difference, DifferenceKind, FieldDifference, FoldReport, PartitionReport, Report, Side,
};

use crate::config::MovementArgs;
use crate::folds::{DeadLetterFold, FoldName};
use crate::store::ledger::LoadError;
use crate::store::origin::AnotherLog;
use plan::Plan;
use rows::Audited;
use scene::Scene;

/// What to audit.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where Kafka is.
    pub kafka: KafkaArgs,
    /// URL of Postgres.
    pub postgres: SecretString,
    /// URL of Redis.
    pub redis: SecretString,
    /// The parameters with which the consumers fold.
    pub movement: MovementArgs,
    /// Which folds.
    pub folds: Vec<FoldName>,
    /// How many partitions are folded at the same time.
    pub threads: NonZeroUsize,
}

/// How far the audit is, for whoever watches.
#[derive(Debug, Default)]
pub struct Progress {
    records: AtomicU64,
    records_all: AtomicU64,
    rows: AtomicU64,
}

/// Why an audit could not be made.
#[derive(Debug, Error)]
pub enum AuditError {
    /// Postgres did not answer.
    #[error("Postgres, {doing}")]
    Postgres {
        /// What was asked of it.
        doing: &'static str,
        /// Why not.
        #[source]
        source: sqlx::Error,
    },
    /// Kafka did not answer.
    #[error("Kafka, {doing}")]
    Kafka {
        /// What was asked of it.
        doing: String,
        /// Why not.
        #[source]
        source: rdkafka::error::KafkaError,
    },
    /// Kafka has no such topic.
    #[error(
        "Kafka has no topic {0}, expected the one that the ledger was made from; see --topic-prefix"
    )]
    NoTopic(String),
    /// Kafka said nothing for too long.
    #[error(
        "Kafka gave no record of {topic} partition {partition} from offset {offset} on for {seconds} s"
    )]
    Silence {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The record that was waited for.
        offset: i64,
        /// How long.
        seconds: u64,
    },
    /// Redis did not answer.
    #[error("Redis")]
    Redis(#[from] redis::RedisError),
    /// The rows could not be kept on disk.
    #[error("keeping rows in the folder for temporary files (TMPDIR)")]
    Store(#[from] redb::Error),
    /// No folder could be made for them.
    #[error("making a folder for temporary files (TMPDIR)")]
    Folder(#[source] std::io::Error),
    /// Kafka and Postgres do not belong together.
    #[error(transparent)]
    AnotherLog(#[from] AnotherLog),
    /// It was told to end.
    #[error("the audit was ended before it was through")]
    Cancelled,
}

impl Progress {
    /// Records that are folded, and all that will be.
    #[must_use]
    pub fn records(&self) -> (u64, u64) {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (load(&self.records), load(&self.records_all))
    }

    /// Rows of Postgres that are compared.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }
}

/// What every part of an audit needs.
#[derive(Debug)]
struct Audit<'a> {
    options: &'a Options,
    scene: Scene,
    progress: Arc<Progress>,
    shutdown: CancellationToken,
}

/// Makes an audit.
///
/// # Errors
/// [`AuditError`] when it could not be made; what differs is in the report.
pub async fn run(
    options: &Options,
    progress: &Arc<Progress>,
    shutdown: CancellationToken,
) -> Result<Report, AuditError> {
    let began = Instant::now();
    let mut audit = Audit {
        options,
        scene: Scene::open(options).await?,
        progress: Arc::clone(progress),
        shutdown,
    };
    let has = |fold| options.folds.contains(&fold);
    // All plans come first, so that every store is looked at in the same moment.
    let movement = match has(FoldName::Movement) {
        true => Some(audit.plan::<MovementFold>().await?),
        false => None,
    };
    let letters = match has(FoldName::DeadLetters) {
        true => Some(audit.plan::<DeadLetterFold>().await?),
        false => None,
    };
    let mut folds = Vec::new();
    if let Some(plan) = movement {
        folds.push(
            audit
                .check::<MovementFold>(plan, options.movement.fold())
                .await?,
        );
    }
    if let Some(plan) = letters {
        folds.push(audit.check::<DeadLetterFold>(plan, ()).await?);
    }
    audit.assert_unheld().await?;
    let partitions = || folds.iter().flat_map(|fold: &FoldReport| &fold.partitions);
    Ok(Report {
        equal: partitions().all(PartitionReport::is_equal),
        records: partitions().map(|partition| partition.records).sum(),
        rows_not_compared: partitions()
            .filter_map(|partition| partition.postgres.as_ref())
            .map(|rows| rows.not_compared)
            .sum(),
        seconds: began.elapsed().as_secs_f64(),
        folds,
    })
}

impl Audit<'_> {
    /// Folds what was planned, and compares.
    async fn check<F: Audited>(
        &self,
        mut plan: Plan,
        config: F::Config,
    ) -> Result<FoldReport, AuditError> {
        let (topic, beyond) = (plan.topic.clone(), std::mem::take(&mut plan.beyond));
        let replayed = self.replay::<F>(plan, config).await?;
        let mut partitions = self.compare::<F>(&topic, replayed).await?;
        partitions.extend(beyond);
        Ok(FoldReport {
            fold: F::NAME,
            topic,
            partitions,
        })
    }

    /// In builds for tests: nobody who drops an old day has to wait for the audit.
    async fn assert_unheld(&self) -> Result<(), AuditError> {
        if cfg!(debug_assertions) {
            let overheld = self.scene.overheld().await;
            let overheld = overheld.map_err(|source| AuditError::Postgres {
                doing: "asking for its own locks",
                source,
            })?;
            assert!(overheld.is_empty(), "the audit holds {overheld:?}");
        }
        Ok(())
    }

    /// So many more records are folded.
    fn count_records(&self, records: u64) {
        self.progress.records.fetch_add(records, Ordering::Relaxed);
    }

    fn still_wanted(&self) -> Result<(), AuditError> {
        if self.shutdown.is_cancelled() {
            return Err(AuditError::Cancelled);
        }
        Ok(())
    }
}

/// What a state that cannot be loaded means: a sentence about its partition, or no audit at all.
fn load_problem(error: LoadError) -> Result<String, AuditError> {
    match error {
        LoadError::Database(source) => Err(AuditError::Postgres {
            doing: "reading the state log",
            source,
        }),
        error => Ok(error.to_string()),
    }
}
