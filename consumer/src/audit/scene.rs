//! The servers, and the moment at which they are looked at.

use std::sync::Arc;
use std::time::Duration;

use chassis::kafka::KafkaArgs;
use rdkafka::consumer::{BaseConsumer, Consumer};
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use secrecy::ExposeSecret;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, query, query_scalar};
use tempfile::TempDir;
use tokio::sync::Mutex;

use super::cell::{Cell, Row, Table};
use super::compare::read;
use super::{AuditError, Options, log};
use crate::store::origin;
use crate::store::pg_time::PgTime;

/// See the module.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) kafka: KafkaArgs,
    postgres: PgConnectOptions,
    /// Its transaction keeps the snapshot for as long as the audit takes, and with it the locks on what it has read. So it reads
    /// [`HELD`] only, which nobody drops; what has partitions by day is read aside, with [`Scene::look`].
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

/// The tables that are read in the long transaction.
const HELD: [&str; 5] = ["canary", "dead_letter", "ledger", "log_origin", "state_log"];

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

    /// Another connection that sees the same moment. Its locks end with it, so it is used for one table or a moment.
    pub(super) async fn look(&self) -> sqlx::Result<PgConnection> {
        let mut connection = self.postgres.connect().await?;
        connection.execute(BEGIN).await?;
        // Not a parameter in SQL; it is what Postgres itself called the snapshot.
        let import = format!("set transaction snapshot '{}'", self.snapshot);
        connection.execute(AssertSqlSafe(import)).await?;
        Ok(connection)
    }

    /// The row of that key as it was at that moment. `aside` is a look for several rows.
    pub(super) async fn stored_row(
        &self,
        aside: &mut Option<PgConnection>,
        table: &Table,
        key: &Row,
    ) -> sqlx::Result<Option<Row>> {
        let connection = match aside {
            Some(connection) => connection,
            None => aside.insert(self.look().await?),
        };
        let mut asked = query(AssertSqlSafe(table.select_one()));
        for cell in &key.0 {
            asked = match cell {
                Cell::Null => asked.bind(None::<&str>),
                Cell::Int(number) => asked.bind(number),
                Cell::Text(text) => asked.bind(text),
                Cell::Bytes(bytes) => asked.bind(bytes),
                Cell::Time(at) => asked.bind(PgTime(*at)),
                Cell::Float(number) => asked.bind(number),
                Cell::Bool(is_so) => asked.bind(is_so),
            };
        }
        let found = asked.fetch_optional(connection).await?;
        found.map(|row| read(table, &row)).transpose()
    }

    /// Tables of which the long transaction holds a lock, though somebody may want to drop them.
    pub(super) async fn overheld(&self) -> sqlx::Result<Vec<String>> {
        query_scalar(
            "select distinct relname::text
             from pg_locks
             join pg_class on pg_class.oid = relation
             join pg_namespace on pg_namespace.oid = relnamespace
             where pid = pg_backend_pid() and locktype = 'relation' and relkind in ('r', 'p')
                and nspname not in ('pg_catalog', 'information_schema') and relname <> all($1)",
        )
        .bind(HELD.as_slice())
        .fetch_all(&mut *self.holder.lock().await)
        .await
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
