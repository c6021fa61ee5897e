//! What Postgres, Redis and the api say, each over a connection of its own, because what they say is asked for while they are
//! being hurt.

mod answers;

use std::time::Duration;

use anyhow::Context;
use domain::live::LiveKeys;
use domain::time::Micros;
use domain::topic::SENSOR_MOVEMENTS;
use simulator::truth::{Pane, PaneKey, Speeds, Visit};
use sqlx::{Connection, FromRow, PgConnection, Row};

use crate::check::conserve::{Account, Counts, Flight};
use crate::check::replay::Rows;
use crate::log::Offsets;

pub use answers::check_answers;

/// How long anything may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A GET over a connection of its own: status and body.
///
/// # Errors
/// When nobody answers.
pub async fn get(url: &str) -> anyhow::Result<(u16, String)> {
    let client = reqwest::Client::builder().timeout(ANSWER_WITHIN).build()?;
    let response = client.get(url).send().await?;
    let status = response.status().as_u16();
    Ok((status, response.text().await?))
}

/// A connection to Postgres.
///
/// # Errors
/// When there is none in time.
pub async fn postgres(url: &str) -> anyhow::Result<PgConnection> {
    tokio::time::timeout(ANSWER_WITHIN, PgConnection::connect(url))
        .await
        .context("Postgres does not answer")?
        .context("connecting to Postgres")
}

/// How far the ledger of a topic has come.
///
/// # Errors
/// When Postgres does not answer.
pub async fn ledger(url: &str, topic: &str) -> anyhow::Result<Offsets> {
    let sql = "select partition, next_offset from ledger where topic = $1";
    Ok(by_partition(url, sql, topic).await?.into_iter().collect())
}

/// Pairs of a partition and a number, for one topic.
async fn by_partition(
    url: &str,
    sql: &'static str,
    topic: &str,
) -> anyhow::Result<Vec<(i32, i64)>> {
    let mut connection = postgres(url).await?;
    let pairs = sqlx::query_as(sql).bind(topic);
    let pairs = pairs.fetch_all(&mut connection).await?;
    connection.close().await?;
    Ok(pairs)
}

/// What the ledger accounts for in every partition, and the canaries in them.
///
/// # Errors
/// When Postgres does not answer.
pub async fn accounts(url: &str) -> anyhow::Result<(Vec<Account>, Vec<Flight>)> {
    let mut connection = postgres(url).await?;
    let accounts =
        sqlx::query("select topic, partition, next_offset, accounted_offset from ledger")
            .fetch_all(&mut connection)
            .await?;
    let flights =
        sqlx::query("select gateway, partition, sequence, gaps from canary where topic = $1")
            .bind(SENSOR_MOVEMENTS)
            .fetch_all(&mut connection)
            .await?;
    connection.close().await?;
    let accounts = accounts.iter().map(|row| Account {
        topic: row.get(0),
        partition: row.get(1),
        next: row.get(2),
        accounted: row.get(3),
    });
    let flights = flights.iter().map(|row| Flight {
        gateway: row.get(0),
        partition: row.get(1),
        sequence: row.get(2),
        gaps: row.get(3),
    });
    Ok((accounts.collect(), flights.collect()))
}

/// What the ledger counts of each kind of record.
///
/// # Errors
/// When Postgres does not answer.
pub async fn counts(url: &str) -> anyhow::Result<Counts> {
    let mut connection = postgres(url).await?;
    let sql = "select sum(applied + late)::bigint, sum(duplicate)::bigint, sum(dead_letter)::bigint
        from ledger
        where topic = $1";
    let row = sqlx::query(sql).bind(SENSOR_MOVEMENTS);
    let row = row.fetch_one(&mut connection).await?;
    connection.close().await?;
    let sum = |column: usize| row.get::<Option<i64>, _>(column).unwrap_or(0);
    Ok(Counts {
        taken: sum(0),
        duplicates: sum(1),
        quarantined: sum(2),
    })
}

/// Who owns each partition of a topic, as a number that grows with every new owner.
///
/// # Errors
/// When Postgres does not answer.
pub async fn epochs(url: &str, topic: &str) -> anyhow::Result<Offsets> {
    let sql = "select partition, epoch from ledger where topic = $1";
    Ok(by_partition(url, sql, topic).await?.into_iter().collect())
}

/// Where the records that a consumer put into quarantine stood.
///
/// # Errors
/// When Postgres does not answer.
pub async fn quarantined(url: &str, topic: &str) -> anyhow::Result<Vec<(i32, i64)>> {
    let sql = "select partition, record_offset from dead_letter where topic = $1";
    by_partition(url, sql, topic).await
}

/// A record in quarantine: where it stood, why it is there, and its bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, FromRow)]
pub struct Poison {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub record_offset: i64,
    /// Why.
    pub reason: String,
    /// What was in it.
    pub payload: Vec<u8>,
}

/// The records of a topic in quarantine.
///
/// # Errors
/// When Postgres does not answer.
pub async fn poison(url: &str, topic: &str) -> anyhow::Result<Vec<Poison>> {
    let mut connection = postgres(url).await?;
    let sql = "select partition, record_offset, reason, payload from dead_letter where topic = $1";
    let records = sqlx::query_as(sql).bind(topic);
    let records = records.fetch_all(&mut connection).await?;
    connection.close().await?;
    Ok(records)
}

/// Whether Postgres refuses a write because it is read-only (SQLSTATE 25006).
///
/// # Errors
/// When it does not answer, or refuses for another reason.
pub async fn refuses_writes(url: &str) -> anyhow::Result<bool> {
    let mut connection = postgres(url).await?;
    let sql = "update ledger set next_offset = next_offset where partition = -1";
    let outcome = sqlx::query(sql).execute(&mut connection).await;
    connection.close().await?;
    match outcome {
        Ok(_) => Ok(false),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("25006") => Ok(true),
        Err(error) => Err(error).context("writing to the ledger"),
    }
}

/// Runs statements, one after the other.
///
/// # Errors
/// When Postgres does not answer, or refuses one.
pub async fn execute(url: &str, statements: &[&'static str]) -> anyhow::Result<()> {
    let mut connection = postgres(url).await?;
    for statement in statements {
        sqlx::query(*statement).execute(&mut connection).await?;
    }
    connection.close().await?;
    Ok(())
}

/// Ids of dead letters of these devices, by the payloads that are kept.
///
/// # Errors
/// When Postgres does not answer.
pub async fn dead_letters(url: &str, devices: &[String]) -> anyhow::Result<Vec<String>> {
    let mut connection = postgres(url).await?;
    let rows = sqlx::query("select payload from dead_letter where device = any($1)")
        .bind(devices)
        .fetch_all(&mut connection)
        .await?;
    connection.close().await?;
    let id = |row: &sqlx::postgres::PgRow| crate::load::last_event_id(row.get(0));
    Ok(rows.iter().map(id).collect())
}

/// How many late events of these devices have amended something.
///
/// # Errors
/// When Postgres does not answer.
pub async fn amended(url: &str, devices: &[String]) -> anyhow::Result<i64> {
    let mut connection = postgres(url).await?;
    let sql = "select count(*) from late_event where sensor = any($1) and amended";
    let count = sqlx::query_scalar(sql).bind(devices);
    let count = count.fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(count)
}

const VISITS: &str = "select (extract(epoch from entered_at) * 1000000)::bigint, sensor, traveler_id, traveler_type,
    (extract(epoch from left_at) * 1000000)::bigint, samples, distance, speed_n, speed_sum, speed_min, speed_max
    from visit where sensor = any($1)";

const PANES: &str = "select (extract(epoch from start_at) * 1000000)::bigint, sensor, traveler_type, entered, present,
    speed_n, speed_sum, speed_min, speed_max
    from pane where sensor = any($1) and (present > 0 or speed_n > 0)";

/// The rows of these devices.
///
/// # Errors
/// When Postgres does not answer.
pub async fn rows(url: &str, devices: &[String]) -> anyhow::Result<Rows> {
    let mut connection = postgres(url).await?;
    let visits = sqlx::query(VISITS)
        .bind(devices)
        .fetch_all(&mut connection)
        .await?;
    let panes = sqlx::query(PANES)
        .bind(devices)
        .fetch_all(&mut connection)
        .await?;
    connection.close().await?;
    let visit = |row: &sqlx::postgres::PgRow| Visit {
        entered_at: Micros(row.get(0)),
        sensor: row.get(1),
        traveler_id: row.get(2),
        traveler_type: row.get(3),
        left_at: Micros(row.get(4)),
        samples: natural(row.get(5)),
        distance_nm: row.get(6),
        speeds: speeds(row, 7),
    };
    let pane = |row: &sqlx::postgres::PgRow| {
        let key = PaneKey {
            start: Micros(row.get(0)),
            sensor: row.get(1),
            traveler_type: row.get(2),
        };
        let pane = Pane {
            entered: natural(row.get(3)),
            present: natural(row.get(4)),
            speeds: speeds(row, 5),
        };
        (key, pane)
    };
    Ok(Rows {
        visits: visits.iter().map(visit).collect(),
        panes: panes.iter().map(pane).collect(),
    })
}

/// Four columns from `first` on. Without any speed the extremes mean nothing.
fn speeds(row: &sqlx::postgres::PgRow, first: usize) -> Speeds {
    match natural(row.get(first)) {
        0 => Speeds::default(),
        n => Speeds {
            n,
            sum: row.get(first + 1),
            min: row.get(first + 2),
            max: row.get(first + 3),
        },
    }
}

/// A count; the tables refuse negative ones nowhere, so one would show as a difference.
fn natural(count: i32) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// A connection to Redis that gives up soon. Blocking.
///
/// # Errors
/// When there is none.
pub fn redis(url: &str) -> redis::RedisResult<redis::Connection> {
    let patience = Duration::from_millis(500);
    let connection = redis::Client::open(url)?.get_connection_with_timeout(patience)?;
    connection.set_read_timeout(Some(patience))?;
    connection.set_write_timeout(Some(patience))?;
    Ok(connection)
}

/// How far the live view of each partition has come. Blocking.
///
/// # Errors
/// When Redis does not answer.
pub fn live_offsets(
    connection: &mut redis::Connection,
    topic: &str,
    partitions: i32,
) -> redis::RedisResult<Vec<Option<i64>>> {
    let mut pipeline = redis::pipe();
    for partition in 0..partitions {
        let header = LiveKeys::new(topic, partition).header();
        pipeline.cmd("HGET").arg(header).arg("off");
    }
    pipeline.query(connection)
}
