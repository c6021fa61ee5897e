//! What Postgres did, and whether it holds what was sent.

use anyhow::Context;
use sqlx::Row;
use sqlx::postgres::{PgPool, PgPoolOptions};

/// Counters of the database since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Activity {
    /// Rows that were inserted, updated or deleted in the tables that answer questions.
    pub(crate) rows: i64,
    /// The same in `ledger` and `state_log`.
    pub(crate) bookkeeping_rows: i64,
    /// Transactions that were committed, of all clients.
    pub(crate) transactions: i64,
}

/// What Postgres holds of a load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) visits: i64,
    pub(crate) samples: i64,
    pub(crate) late: i64,
}

/// Connects with one connection, so that measuring changes little.
pub(crate) async fn connect(url: &str) -> anyhow::Result<PgPool> {
    PgPoolOptions::new()
        .max_connections(1)
        .connect(url)
        .await
        .context("connecting to Postgres")
}

/// Reads the counters. Backends report theirs at most once a second, so a window of a minute is right within two percent.
pub(crate) async fn activity(pool: &PgPool) -> anyhow::Result<Activity> {
    let row = sqlx::query(
        "select coalesce(sum(n) filter (where not bookkeeping), 0)::bigint as rows,
                coalesce(sum(n) filter (where bookkeeping), 0)::bigint as bookkeeping_rows,
                (select xact_commit from pg_stat_database where datname = current_database()) as transactions
         from (
             select n_tup_ins + n_tup_upd + n_tup_del as n, relname in ('ledger', 'state_log') as bookkeeping
             from pg_stat_user_tables
         ) as tables",
    )
    .fetch_one(pool)
    .await
    .context("reading the counters of Postgres")?;
    Ok(Activity {
        rows: row.try_get("rows")?,
        bookkeeping_rows: row.try_get("bookkeeping_rows")?,
        transactions: row.try_get("transactions")?,
    })
}

/// Closed visits and late events of the sensors that match `like`.
pub(crate) async fn held(pool: &PgPool, like: &str) -> anyhow::Result<Held> {
    let row = sqlx::query(
        "select count(*) as visits, coalesce(sum(samples), 0)::bigint as samples,
                (select count(*) from late_event where sensor like $1) as late
         from visit
         where sensor like $1",
    )
    .bind(like)
    .fetch_one(pool)
    .await
    .context("counting visits")?;
    Ok(Held {
        visits: row.try_get("visits")?,
        samples: row.try_get("samples")?,
        late: row.try_get("late")?,
    })
}

/// Sum of the next offsets of a topic: how many records were folded.
pub(crate) async fn folded(pool: &PgPool, topic: &str) -> anyhow::Result<i64> {
    sqlx::query_scalar("select coalesce(sum(next_offset), 0)::bigint from ledger where topic = $1")
        .bind(topic)
        .fetch_one(pool)
        .await
        .context("reading the ledger")
}
