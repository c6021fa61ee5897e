//! Postgres: the ledger. A cluster of ours in the stack's folder, reachable over TCP on loopback only and with a password,
//! because its superuser could read everything; no Unix socket, so that no length or place of one can go wrong.
//!
//! The server refuses to run as root. When we are root it runs as the `postgres` account of Debian's package, and when that account
//! cannot reach the stack's folder (a checkout below `/root`), the cluster is kept in `/var/lib/footfall` instead.

use std::fs::{self, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{PermissionsExt, chown};
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
use crate::process::Launch;
use crate::program::{self, Account};

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

/// Where Debian keeps the server's programs, by major version and off the PATH.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Where clusters live that root's folders hide from the `postgres` account.
const FALLBACK: &str = "/var/lib/footfall";

/// The note in the stack's folder that says where the cluster is instead.
const ELSEWHERE: &str = "elsewhere";

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

/// The account the server runs as: ours, unless we are root.
fn account() -> Result<Option<Account>> {
    if !program::is_root() {
        return Ok(None);
    }
    program::account("postgres").map(Some).ok_or_else(|| {
        program::missing(
            "the `postgres` account (Postgres refuses to run as root)",
            PACKAGE,
        )
    })
}

/// Where the cluster lives: in the stack's folder if the server's account can reach it.
fn home(folder: &Folder, account: Option<Account>) -> Result<PathBuf> {
    let inside = folder.data(NAME);
    make_home(&inside, account)?;
    let Some(account) = account else {
        return Ok(inside);
    };
    if let Some(outside) = elsewhere(folder) {
        return Ok(outside);
    }
    if can_reach(&inside, account)? {
        return Ok(inside);
    }
    let mut hasher = DefaultHasher::new();
    folder.root().hash(&mut hasher);
    let outside = Path::new(FALLBACK)
        .join(format!("{:016x}", hasher.finish()))
        .join(NAME);
    tracing::info!(
        "the postgres account cannot reach {}, keeping the cluster in {}",
        inside.display(),
        outside.display()
    );
    fs::create_dir_all(&outside).at("creating", &outside)?;
    make_home(&outside, Some(account))?;
    // A note for the reader, and what tells a wipe that there is more to wipe.
    let note = inside.join(ELSEWHERE);
    fs::write(&note, outside.as_os_str().as_encoded_bytes()).at("writing", &note)?;
    Ok(outside)
}

/// Removes a cluster that lives outside of the folder, as part of wiping the folder.
pub(crate) fn wipe_outside(folder: &Folder) -> Result<()> {
    match elsewhere(folder) {
        Some(outside) => {
            // Its parent belongs to this stack alone, see `home`.
            let ours = outside.parent().unwrap_or(&outside);
            fs::remove_dir_all(ours).at("removing", ours)
        }
        None => Ok(()),
    }
}

/// Where the note says that the cluster is; only ever below our own place, whatever the note says.
fn elsewhere(folder: &Folder) -> Option<PathBuf> {
    let noted = PathBuf::from(fs::read_to_string(folder.data(NAME).join(ELSEWHERE)).ok()?);
    (noted.starts_with(FALLBACK) && noted.is_dir()).then_some(noted)
}

fn make_home(path: &Path, account: Option<Account>) -> Result<()> {
    fs::create_dir_all(path).at("creating", path)?;
    fs::set_permissions(path, Permissions::from_mode(0o700)).at("protecting", path)?;
    give(path, account)
}

fn give(path: &Path, account: Option<Account>) -> Result<()> {
    match account {
        Some(Account { uid, gid }) => {
            chown(path, Some(uid), Some(gid)).at("giving to the postgres account", path)
        }
        None => Ok(()),
    }
}

/// Asks the system itself, by trying it as that account: modes and mounts on the way are not ours to interpret.
fn can_reach(path: &Path, account: Account) -> Result<bool> {
    let status = Command::new("/bin/sh")
        .args(["-c", "cd \"$1\" && test -w .", "sh"])
        .arg(path)
        .current_dir("/")
        .uid(account.uid)
        .gid(account.gid)
        .stderr(std::process::Stdio::null())
        .status();
    status
        .map(|status| status.success())
        .map_err(|source| StackError::Process {
            what: "trying a folder as the postgres account".to_owned(),
            source,
        })
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

/// The folder of `postgres` and `initdb`: of the very version that made the cluster, else the newest.
fn programs(cluster: &Path) -> Result<PathBuf> {
    let wanted = fs::read_to_string(cluster.join("PG_VERSION"))
        .ok()
        .and_then(|version| version.trim().parse::<u32>().ok());
    let candidates = candidates();
    let found = match wanted {
        Some(wanted) => candidates.iter().find(|(major, _)| *major == wanted),
        None => candidates.first(),
    };
    match found {
        Some((major, dir)) if *major >= MAJOR_MIN => Ok(dir.clone()),
        Some((major, _)) => Err(StackError::ProgramTooOld {
            program: NAME.to_owned(),
            found: major.to_string(),
            needed: MAJOR_MIN.to_string(),
            install: program::install_command(PACKAGE),
        }),
        None => Err(match wanted {
            Some(wanted) => program::missing(
                &format!("postgres {wanted}, which made {},", cluster.display()),
                &format!("{PACKAGE}-{wanted}"),
            ),
            None => program::missing("postgres (the server, with initdb)", PACKAGE),
        }),
    }
}

/// Installed servers, newest first: Debian's versioned folders and the PATH.
fn candidates() -> Vec<(u32, PathBuf)> {
    let debian = fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let on_path = program::on_path("initdb").and_then(|path| path.parent().map(Path::to_owned));
    let mut found: Vec<(u32, PathBuf)> = debian
        .chain(on_path)
        .filter(|dir| dir.join("initdb").is_file() && dir.join("postgres").is_file())
        .filter_map(|dir| Some((major_of(&dir)?, dir)))
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found
}

/// From `postgres (PostgreSQL) 15.12 (Debian …)`.
fn major_of(dir: &Path) -> Option<u32> {
    let output = Command::new(dir.join("postgres"))
        .arg("--version")
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.split_ascii_whitespace().nth(2)?;
    version
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_the_account_cannot_reach_has_its_cluster_elsewhere_and_a_wipe_takes_both() {
        let temp = tempfile::tempdir().unwrap();
        fs::set_permissions(temp.path(), Permissions::from_mode(0o700)).unwrap();
        let folder = Folder::at(&temp.path().join("stack")).unwrap();
        let inside = folder.data(NAME);
        let Some(account) = account().unwrap() else {
            // Not root: the server is ours, and so is every folder it needs.
            assert_eq!(home(&folder, None).unwrap(), inside);
            return;
        };
        let outside = home(&folder, Some(account)).unwrap();
        assert!(outside.starts_with(FALLBACK), "{}", outside.display());
        assert!(can_reach(&outside, account).unwrap());
        assert_eq!(
            home(&folder, Some(account)).unwrap(),
            outside,
            "found again by its note"
        );
        wipe_outside(&folder).unwrap();
        assert!(!outside.parent().unwrap().exists());

        fs::set_permissions(temp.path(), Permissions::from_mode(0o755)).unwrap();
        assert_eq!(home(&folder, Some(account)).unwrap(), inside);
    }

    #[test]
    fn a_password_is_made_once() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::at(temp.path()).unwrap();
        let made = password(&folder).unwrap();
        assert_eq!(made.len(), 24);
        assert_eq!(password(&folder).unwrap(), made);
    }

    #[test]
    fn an_installed_server_is_found_with_its_version() {
        let (major, dir) = candidates().into_iter().next().unwrap();
        assert!(major >= MAJOR_MIN && dir.join("initdb").is_file());
    }
}
