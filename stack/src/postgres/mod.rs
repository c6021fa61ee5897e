//! Postgres: the ledger. A cluster of ours in the stack's folder, reachable over TCP on loopback only and with a password,
//! because its superuser could read everything; no Unix socket, so that no length or place of one can go wrong.
//!
//! The server refuses to run as root. When we are root it runs as the `postgres` account of Debian's package, and when that account
//! cannot reach the stack's folder (a checkout below `/root`), the cluster is kept in `/var/lib/footfall` instead.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rand::RngExt;
use rand::distr::Alphanumeric;
use rustix::process::Signal;
use sqlx::{Connection, PgConnection};

use crate::config::Durability;
use crate::error::{AtPath, Result, StackError};
use crate::folder::{Folder, write_private};
use crate::launch::Launch;
use crate::program::Account;

mod home;
mod programs;

pub use home::data_outside;
pub(crate) use home::wipe_outside;
use home::{account, give, home};
use programs::programs;

/// The server's name in logs, pid files and `run.json`.
pub(crate) const NAME: &str = "postgres";

/// Oldest major version that serves us (DESIGN: Postgres ≥ 15).
pub(crate) const MAJOR_MIN: u32 = 15;

/// The package that brings the server.
const PACKAGE: &str = "postgresql";

/// Our superuser and our database.
const FOOTFALL: &str = "footfall";

/// How long one attempt to use the server may take.
const ATTEMPT: Duration = Duration::from_secs(3);

/// A Postgres server of ours.
#[derive(Debug, Clone)]
pub(crate) struct Postgres {
    pub(crate) port: u16,
    pub(crate) durability: Durability,
    /// Folder of `postgres` and `initdb`.
    programs: PathBuf,
    /// The cluster's folder.
    cluster: PathBuf,
    account: Option<Account>,
    password: String,
}

impl Postgres {
    /// Makes sure that there is a cluster in the folder.
    pub(crate) fn prepare(folder: &Folder, port: u16, durability: Durability) -> Result<Self> {
        let account = account()?;
        let home = home(folder, account)?;
        let cluster = home.join("cluster");
        let password = password(folder)?;
        let postgres = Self {
            port,
            durability,
            programs: programs(&cluster)?,
            cluster,
            account,
            password,
        };
        if !postgres.cluster.join("PG_VERSION").is_file() {
            postgres.init(&home)?;
        }
        Ok(postgres)
    }

    /// Where clients connect, password included.
    pub(crate) fn url(&self) -> String {
        self.url_of(FOOTFALL)
    }

    fn url_of(&self, database: &str) -> String {
        let Self { port, password, .. } = self;
        format!("postgres://{FOOTFALL}:{password}@127.0.0.1:{port}/{database}")
    }

    /// Makes the cluster under another name first, so that an interrupted start leaves no half of one.
    fn init(&self, home: &Path) -> Result<()> {
        let partial = home.join("cluster.partial");
        if partial.exists() {
            fs::remove_dir_all(&partial).at("removing", &partial)?;
        }
        let password_file = home.join("password.partial");
        write_private(&password_file, self.password.as_bytes())?;
        give(&password_file, self.account)?;
        let mut command = Command::new(self.programs.join("initdb"));
        command
            .arg("--pgdata")
            .arg(&partial)
            .arg("--pwfile")
            .arg(&password_file)
            .args(["--username", FOOTFALL, "--auth", "scram-sha-256"])
            .args([
                "--encoding",
                "UTF8",
                "--locale",
                "C.UTF-8",
                "--no-instructions",
            ])
            .current_dir(home);
        if self.durability == Durability::ProcessCrash {
            command.arg("--no-sync");
        }
        if let Some(account) = self.account {
            command.uid(account.uid).gid(account.gid);
        }
        let output = command.output().map_err(|source| StackError::Process {
            what: format!("starting {}/initdb", self.programs.display()),
            source,
        })?;
        fs::remove_file(&password_file).at("removing", &password_file)?;
        if !output.status.success() {
            return Err(StackError::Tool {
                what: "initdb".to_owned(),
                status: output.status.to_string(),
                output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            });
        }
        fs::rename(&partial, &self.cluster).at("renaming", &partial)
    }

    pub(crate) fn launch(&self) -> Launch {
        let mut settings = vec![
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={}", self.port),
            "unix_socket_directories=".to_owned(),
            // Roles, their pools, a person with psql, and tests beside each other.
            "max_connections=200".to_owned(),
            "shared_buffers=128MB".to_owned(),
            "logging_collector=off".to_owned(),
            "log_checkpoints=off".to_owned(),
            // Our queries are short; compiling them costs more than it gains.
            "jit=off".to_owned(),
            "timezone=UTC".to_owned(),
            "log_timezone=UTC".to_owned(),
        ];
        if self.durability == Durability::ProcessCrash {
            settings.extend(["fsync=off", "full_page_writes=off"].map(str::to_owned));
        }
        let mut launch = Launch::new(NAME, self.programs.join("postgres"), &self.cluster)
            .args(["-D".into(), self.cluster.clone().into_os_string()])
            .args(
                settings
                    .into_iter()
                    .flat_map(|setting| ["-c".to_owned(), setting]),
            );
        launch.account = self.account;
        // A "fast" shutdown: end sessions, write a checkpoint, go. SIGTERM would wait for the sessions.
        launch.stop_with = Signal::INT;
        launch.env_removed = vec![
            "PGDATA",
            "PGPORT",
            "PGHOST",
            "PGUSER",
            "PGDATABASE",
            "PGOPTIONS",
        ];
        launch
    }

    /// Makes our database, once the server answers.
    pub(crate) async fn ensure_database(&self) -> Result<()> {
        let fail = |source| StackError::Postgres {
            what: format!("creating the database {FOOTFALL}"),
            source,
        };
        let mut connection = PgConnection::connect(&self.url_of("postgres"))
            .await
            .map_err(fail)?;
        let exists: bool =
            sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
                .bind(FOOTFALL)
                .fetch_one(&mut connection)
                .await
                .map_err(fail)?;
        if !exists {
            sqlx::query("create database footfall")
                .execute(&mut connection)
                .await
                .map_err(fail)?;
        }
        connection.close().await.map_err(fail)
    }

    /// Uses the server once; the answer is its version. Our own database may not exist yet, so this asks the built-in one.
    pub(crate) async fn probe(&self) -> Result<String, String> {
        probe(&self.url_of("postgres")).await
    }
}

/// Uses the Postgres behind `url` once; the answer is its version.
pub(crate) async fn probe(url: &str) -> Result<String, String> {
    let attempt = async {
        let mut connection = PgConnection::connect(url).await?;
        let _: i32 = sqlx::query_scalar("select 1")
            .fetch_one(&mut connection)
            .await?;
        let version: String = sqlx::query_scalar("show server_version")
            .fetch_one(&mut connection)
            .await?;
        connection.close().await?;
        Ok::<_, sqlx::Error>(version)
    };
    tokio::time::timeout(ATTEMPT, attempt)
        .await
        .map_err(|_| format!("no answer within {} s", ATTEMPT.as_secs()))?
        .map_err(|error| error.to_string())
}

/// The superuser's password, made up once and kept beside the cluster.
fn password(folder: &Folder) -> Result<String> {
    let path = folder.root().join("postgres.password");
    if let Ok(known) = fs::read_to_string(&path) {
        return Ok(known.trim().to_owned());
    }
    let made: String = rand::rng()
        .sample_iter(Alphanumeric)
        .take(24)
        .map(char::from)
        .collect();
    write_private(&path, made.as_bytes())?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_made_once() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::at(temp.path()).unwrap();
        let made = password(&folder).unwrap();
        assert_eq!(made.len(), 24);
        assert_eq!(password(&folder).unwrap(), made);
    }
}
