//! The servers, and the moment at which they are looked at.

use std::sync::Arc;
use std::time::Duration;

use chassis::kafka::KafkaArgs;
use rdkafka::consumer::{BaseConsumer, Consumer};
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use secrecy::ExposeSecret;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, query_scalar};
use tempfile::TempDir;
use tokio::sync::Mutex;

use super::{AuditError, Options, log};
use crate::store::origin;

/// See the module.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) kafka: KafkaArgs,
    postgres: PgConnectOptions,
    /// Its transaction keeps the snapshot, and touches small tables only: no consumer ever waits for it.
    pub(super) holder: Arc<Mutex<PgConnection>>,
    /// The snapshot under which every other connection looks.
    snapshot: String,
    pub(super) redis: MultiplexedConnection,
    /// Where rows are kept; removed at the end.
    pub(super) folder: TempDir,
}

/// Statements are as long as the tables are, and the snapshot is kept while the log is folded.
const SETTINGS: [(&str, &str); 3] = [
    ("statement_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("lock_timeout", "10000"),
];

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A live view is some megabytes.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

const BEGIN: &str = "begin transaction isolation level repeatable read read only";

impl Scene {
    /// Connects to everything, and fixes the moment.
    pub(super) async fn open(options: &Options) -> Result<Self, AuditError> {
        let fail = |source| AuditError::Postgres {
            doing: "connecting",
            source,
        };
        let postgres: PgConnectOptions = options.postgres.expose_secret().parse().map_err(fail)?;
        let postgres = postgres
            .application_name("footfall-audit")
            .options(SETTINGS);
        let mut holder = postgres.connect().await.map_err(fail)?;
        let fail = |source| AuditError::Postgres {
            doing: "taking a snapshot",
            source,
        };
        holder.execute(BEGIN).await.map_err(fail)?;
        let snapshot = query_scalar("select pg_export_snapshot()")
            .fetch_one(&mut holder)
            .await
            .map_err(fail)?;
        let noted = origin::noted(&mut holder).await.map_err(|source| {
            let doing = "reading log_origin; are its tables up to date (`footfall migrate`)?";
            AuditError::Postgres { doing, source }
        })?;
        origin::check(noted, &cluster_id(&options.kafka).await?)?;
        let redis = redis::Client::open(options.redis.expose_secret())?;
        let patience = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN));
        Ok(Self {
            kafka: options.kafka.clone(),
            postgres,
            holder: Arc::new(Mutex::new(holder)),
            snapshot,
            redis: redis
                .get_multiplexed_async_connection_with_config(&patience)
                .await?,
            folder: tempfile::Builder::new()
                .prefix("footfall-audit-")
                .tempdir()
                .map_err(AuditError::Folder)?,
        })
    }

    /// Another connection that sees the same moment. Its locks end with it, so it is used for one table.
    pub(super) async fn look(&self) -> sqlx::Result<PgConnection> {
        let mut connection = self.postgres.connect().await?;
        connection.execute(BEGIN).await?;
        // Not a parameter in SQL; it is what Postgres itself called the snapshot.
        let import = format!("set transaction snapshot '{}'", self.snapshot);
        connection.execute(AssertSqlSafe(import)).await?;
        Ok(connection)
    }

    /// Ends a look.
    pub(super) async fn close(&self, connection: PgConnection) -> sqlx::Result<()> {
        connection.close().await
    }
}

async fn cluster_id(kafka: &KafkaArgs) -> Result<String, AuditError> {
    let kafka = kafka.clone();
    let asked = move || {
        let reader: BaseConsumer = log::client(&kafka)?;
        let found = reader.client().fetch_cluster_id(log::REQUEST);
        found.ok_or_else(|| AuditError::Kafka {
            doing: format!("asking {} which cluster it is", kafka.kafka),
            source: rdkafka::error::KafkaError::MetadataFetch(
                rdkafka::types::RDKafkaErrorCode::AllBrokersDown,
            ),
        })
    };
    tokio::task::spawn_blocking(asked)
        .await
        .expect("asking Kafka does not panic")
}
