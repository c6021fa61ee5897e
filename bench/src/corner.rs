//! A corner of a running stack: a database and a prefix of topics of its own, so that what is measured there meets no row that
//! another load has left. The servers are those of the stack.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use reqwest::Url;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::target::Target;
use crate::trace::RunNames;

/// See the module. Its database stays until [`Corner::close`].
#[derive(Debug)]
pub(crate) struct Corner {
    /// The stack, with the corner's database.
    pub(crate) target: Target,
    /// What its topics and groups begin with.
    pub(crate) prefix: String,
    database: String,
    /// The stack's own database.
    postgres: String,
}

impl Corner {
    /// Makes the database, with its tables.
    pub(crate) async fn open(
        target: &Target,
        program: &Path,
        names: &RunNames,
    ) -> anyhow::Result<Self> {
        let database = format!("bench_{}", names.run());
        let corner = Self {
            target: Target {
                postgres: with_database(&target.postgres, &database)?,
                ..target.clone()
            },
            prefix: format!("bench-{}-", names.run()),
            postgres: target.postgres.clone(),
            database,
        };
        corner
            .run_ddl(&format!("create database {}", corner.database))
            .await?;
        let migrated = Command::new(program)
            .arg("migrate")
            // In the environment: a command line is readable by everybody.
            .env("FOOTFALL_POSTGRES", &corner.target.postgres)
            .output()
            .with_context(|| format!("starting {}", program.display()))?;
        if !migrated.status.success() {
            corner.close().await?;
            bail!(
                "footfall migrate: {}",
                String::from_utf8_lossy(&migrated.stderr).trim_end()
            );
        }
        Ok(corner)
    }

    /// Removes the database, with force while somebody is still connected.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        self.run_ddl(&format!("drop database {} with (force)", self.database))
            .await
    }

    async fn run_ddl(&self, statement: &str) -> anyhow::Result<()> {
        let mut connection = PgConnection::connect(&self.postgres)
            .await
            .context("connecting to Postgres")?;
        // Names cannot be parameters of DDL; this one is made of digits and letters.
        sqlx::query(AssertSqlSafe(statement))
            .execute(&mut connection)
            .await
            .with_context(|| format!("running `{statement}`"))?;
        Ok(connection.close().await?)
    }
}

/// The URL of another database of the same server.
fn with_database(postgres: &str, database: &str) -> anyhow::Result<String> {
    let mut url = Url::parse(postgres).context("the URL of Postgres")?;
    url.set_path(database);
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_database_of_a_url_changes() {
        assert_eq!(
            with_database(
                "postgres://me:pw@h:5433/footfall?sslmode=disable",
                "bench_x"
            )
            .unwrap(),
            "postgres://me:pw@h:5433/bench_x?sslmode=disable"
        );
    }
}
