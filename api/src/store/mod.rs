//! History, the registry and the ledger, read from Postgres. This crate writes none of it.
//!
//! Statements are checked when they run; each has a test on a real server. Everything is read with the caller's bounds:
//! ranges of time, lists of sensors, page limits.

mod ledger;
mod pane;
mod pg_time;
mod registry;
mod sensor;
mod visit;

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tracing::{debug, error};

pub use ledger::{CanaryRow, CountsRow, DEAD_LETTERS_COUNTED, PartitionRow, StoppedRow};
pub use pane::{Group, KeyList, MergedRow, PaneFilter, PaneRow};
pub use registry::{DeviceRow, SiteRow, ZoneRow};
pub use sensor::{SensorRow, UpRow};
pub use visit::{VisitFilter, VisitKey, VisitRow};

use crate::problem::{Component, Problem};

/// How long a request waits for a connection before it is told that Postgres is away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a statement may run: a little less than a client waits.
const STATEMENT_TIMEOUT: &str = "20s";

/// The database.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
}

impl Store {
    /// A pool that connects when it is first asked, so that a process starts without Postgres.
    #[must_use]
    pub fn new(options: PgConnectOptions, connections_max: u32) -> Self {
        let options = options
            .application_name("footfall-api")
            .options([("statement_timeout", STATEMENT_TIMEOUT)]);
        let pool = PgPoolOptions::new()
            .max_connections(connections_max)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(options);
        Self { pool }
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// What a client is told about a failed statement. Logged here, because nobody else sees the cause.
pub(crate) fn refused(cause: &sqlx::Error) -> Problem {
    if is_away(cause) {
        debug!(error = %cause, "postgres is away: {cause}");
        return Problem::away(Component::Postgres);
    }
    error!(error = %cause, "a statement failed: {cause}");
    Problem::internal()
}

/// Whether the server cannot be reached, or is starting or stopping; anything else is a mistake of ours.
fn is_away(cause: &sqlx::Error) -> bool {
    match cause {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_) => true,
        // Classes 08 (connection), 53 (resources) and 57 (operator: shutdown, crash, cannot connect now, timeout).
        sqlx::Error::Database(refusal) => refusal.code().is_some_and(|code| {
            ["08", "53", "57"]
                .iter()
                .any(|class| code.starts_with(class))
        }),
        _ => false,
    }
}
