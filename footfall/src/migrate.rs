//! `footfall migrate`: the tables of Postgres, brought up to date. Forward only, and safe to run twice or side by side: Postgres
//! holds a lock while one of them runs.

use std::process::ExitCode;

use anyhow::Context;
use chassis::url::without_password;
use sqlx::migrate::Migrator;
use sqlx::{Connection, PgConnection};

use crate::output;
use crate::target::PostgresTarget;

/// The SQL files of `migrations/`, compiled in.
static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// Arguments of `migrate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    postgres: PostgresTarget,
}

/// Runs the subcommand.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let url = args.postgres.resolve()?;
    let applied = migrate(&url).await?;
    output::say(&format!(
        "{applied} migrations applied, {} in all",
        MIGRATIONS.iter().count()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Applies what is missing and says how many files that were.
pub(crate) async fn migrate(postgres_url: &str) -> anyhow::Result<usize> {
    let mut connection = PgConnection::connect(postgres_url)
        .await
        .with_context(|| format!("connecting to {}", without_password(postgres_url)))?;
    // "Already exists, skipping" is what a second run is for, not news.
    sqlx::query("set client_min_messages = warning")
        .execute(&mut connection)
        .await?;
    let before = applied(&mut connection).await?;
    MIGRATIONS
        .run(&mut connection)
        .await
        .context("applying the migrations")?;
    let after = applied(&mut connection).await?;
    connection.close().await?;
    Ok(after - before)
}

async fn applied(connection: &mut PgConnection) -> anyhow::Result<usize> {
    let is_new: bool = sqlx::query_scalar("select to_regclass('_sqlx_migrations') is null")
        .fetch_one(&mut *connection)
        .await?;
    if is_new {
        return Ok(0);
    }
    let count: i64 = sqlx::query_scalar("select count(*) from _sqlx_migrations where success")
        .fetch_one(connection)
        .await?;
    usize::try_from(count).context("counting the applied migrations")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn migrations_apply_once_and_side_by_side() {
        let stack = stack::shared::stack().await.unwrap();
        let corner = stack.scratch(&[]).await.unwrap();
        let url = corner.postgres_url.clone();
        let (one, other) = tokio::join!(migrate(&url), migrate(&url));
        one.unwrap();
        other.unwrap();
        assert_eq!(
            migrate(&url).await.unwrap(),
            0,
            "a second run has nothing to do"
        );
        let mut connection = PgConnection::connect(&url).await.unwrap();
        assert_eq!(
            applied(&mut connection).await.unwrap(),
            MIGRATIONS.iter().count()
        );
        stack.remove(corner).await.unwrap();
    }

    #[tokio::test]
    async fn a_database_that_is_away_is_named_without_its_password() {
        let error = migrate("postgres://me:secret@127.0.0.1:1/db")
            .await
            .unwrap_err();
        let message = format!("{error:#}");
        assert!(
            message.contains("postgres://me:***@127.0.0.1:1/db"),
            "{message}"
        );
        assert!(!message.contains("secret"), "{message}");
    }
}
