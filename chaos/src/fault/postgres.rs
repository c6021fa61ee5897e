//! What can happen to Postgres while its process is alive.

use std::time::Duration;

use anyhow::{Context as _, bail};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

async fn connect(url: &str) -> anyhow::Result<PgConnection> {
    PgConnection::connect(url)
        .await
        .context("connecting to Postgres")
}

async fn alter(url: &str, statements: &[&'static str]) -> anyhow::Result<()> {
    let mut connection = connect(url).await?;
    for statement in statements {
        sqlx::query(*statement)
            .execute(&mut connection)
            .await
            .context(*statement)?;
    }
    Ok(connection.close().await?)
}

/// Makes every transaction that does not ask otherwise read-only, as a failover to a standby does.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn make_read_only(url: &str) -> anyhow::Result<()> {
    let statements = [
        "alter system set default_transaction_read_only = on",
        "select pg_reload_conf()",
    ];
    alter(url, &statements).await
}

/// Undoes [`make_read_only`].
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn make_writable(url: &str) -> anyhow::Result<()> {
    let statements = [
        "alter system reset default_transaction_read_only",
        "select pg_reload_conf()",
    ];
    alter(url, &statements).await
}

/// Connections that nobody else can have. Dropping them gives them back.
#[derive(Debug)]
pub struct Squatters {
    url: String,
    /// Ends the sessions of others; a connection for that cannot be had later.
    first: PgConnection,
    others: Vec<PgConnection>,
}

impl Squatters {
    /// Takes every connection there is, those that others hold included: their sessions are ended until nobody is left.
    ///
    /// # Errors
    /// When Postgres refuses for another reason than that there are no more.
    pub async fn take_all(url: &str) -> anyhow::Result<Self> {
        let mut squatters = Self {
            url: url.to_owned(),
            first: squatter(url).await?,
            others: Vec::new(),
        };
        // Who is thrown out is back at once and may be quicker, but not for ever.
        for _ in 0..50 {
            squatters.take_free().await?;
            if squatters.end_others().await? == 0 {
                return Ok(squatters);
            }
        }
        bail!("others are quicker at taking connections")
    }

    async fn take_free(&mut self) -> anyhow::Result<()> {
        loop {
            match squatter(&self.url).await {
                Ok(connection) => self.others.push(connection),
                Err(error) if is_exhausted(&error) => return Ok(()),
                Err(error) => return Err(error).context("squatting connections"),
            }
        }
    }

    async fn end_others(&mut self) -> anyhow::Result<i64> {
        let ended = sqlx::query_scalar(END_OTHERS).fetch_one(&mut self.first);
        ended.await.context("ending sessions")
    }

    /// How many it holds.
    #[must_use]
    pub fn count(&self) -> usize {
        self.others.len() + 1
    }
}

const SQUATTER: &str = "chaos-squatter";

const END_OTHERS: &str = "select count(pg_terminate_backend(pid)) from pg_stat_activity
    where backend_type = 'client backend' and application_name <> 'chaos-squatter'";

async fn squatter(url: &str) -> Result<PgConnection, sqlx::Error> {
    let options: PgConnectOptions = url.parse()?;
    PgConnection::connect_with(&options.application_name(SQUATTER)).await
}

/// SQLSTATE 53300, `too_many_connections`.
fn is_exhausted(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code == "53300")
}

/// Holds tables in `access exclusive` mode for a while: nobody reads or writes them.
///
/// # Errors
/// When the lock is not had within 10 s, or Postgres goes away meanwhile.
pub async fn lock_tables(url: &str, tables: &[&str], held: Duration) -> anyhow::Result<()> {
    let mut connection = connect(url).await?;
    let mut transaction = connection.begin().await?;
    sqlx::query("set local lock_timeout = '10s'")
        .execute(&mut *transaction)
        .await?;
    let statement = format!("lock table {} in access exclusive mode", tables.join(", "));
    sqlx::query(AssertSqlSafe(statement.as_str()))
        .execute(&mut *transaction)
        .await
        .context("locking tables")?;
    tokio::time::sleep(held).await;
    transaction.rollback().await?;
    Ok(connection.close().await?)
}

#[cfg(test)]
mod tests;
