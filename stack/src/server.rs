//! One server of the stack: how it is started, when it is usable, and the handle by which its owner stops and starts it.

use std::net::SocketAddr;
use std::process::ExitStatus;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chassis::url::without_password;
use rustix::process::Signal;

use crate::error::{Result, StackError};
use crate::folder::Folder;
use crate::kafka::{self, Kafka};
use crate::launch::Launch;
use crate::port;
use crate::postgres::{self, Postgres};
use crate::process::Process;
use crate::program;
use crate::redis_server::{self, Redis};

/// The names of the servers.
pub const NAMES: [&str; 3] = [kafka::NAME, redis_server::NAME, postgres::NAME];

/// How long a server may take from its start until it is usable. Generous, because Kafka reads its whole log again after a SIGKILL:
/// 19 s for 2 GB were measured.
const USABLE_WITHIN: Duration = Duration::from_secs(90);

/// How long an external server may take to answer: it is either there or it is not.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// How long an orderly stop may take; Kafka needs about 2 s.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// How often a starting server is asked.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// How often a server that ends while it starts is started again. After a SIGKILL, Postgres refuses to start until the
/// last of its old processes has noticed and gone.
const STARTS_MAX: usize = 4;

/// A server of ours, running or stopped. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    recipe: Recipe,
    folder: Folder,
    process: Mutex<Option<Process>>,
}

/// What differs from server to server.
#[derive(Debug, Clone)]
pub(crate) enum Recipe {
    Kafka(Kafka),
    Postgres(Postgres),
    Redis(Redis),
}

impl Server {
    pub(crate) fn new(recipe: Recipe, folder: Folder) -> Self {
        Self {
            recipe,
            folder,
            process: Mutex::new(None),
        }
    }

    /// `kafka`, `postgres` or `redis`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.recipe.name()
    }

    /// Starts it and waits until it is usable. Does nothing when it runs.
    ///
    /// # Errors
    /// When it ends while it starts (with the end of its log), or does not become usable in time.
    pub async fn start(&self) -> Result<()> {
        let deadline = Instant::now() + USABLE_WITHIN;
        for attempt in 1.. {
            self.launch()?;
            match self.wait_until_usable(deadline).await {
                Err(StackError::Died { .. }) if attempt < STARTS_MAX => {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
                Ok(version) => {
                    self.recipe.check_version(&version)?;
                    break;
                }
                Err(error @ StackError::Died { .. }) => {
                    return Err(self.port_taken().unwrap_or(error));
                }
                Err(error) => return Err(error),
            }
        }
        if let Recipe::Postgres(postgres) = &self.recipe {
            postgres.ensure_database().await?;
        }
        tracing::debug!(
            server.name = self.name(),
            "{} is usable at {}",
            self.name(),
            self.recipe.address()
        );
        Ok(())
    }

    /// Stops it in order; with SIGKILL if it takes too long. Does nothing when it is stopped.
    pub async fn stop(&self) {
        let running = self.process().take();
        if let Some(process) = running {
            process.stop(STOP_PATIENCE).await;
        }
    }

    /// Ends it with SIGKILL, as a crash would.
    pub async fn kill(&self) {
        let running = self.process().take();
        if let Some(mut process) = running {
            process.kill().await;
        }
    }

    /// Holds it still with SIGSTOP: connections stay, answers do not come.
    pub fn freeze(&self) {
        if let Some(process) = self.process().as_mut() {
            process.signal(Signal::STOP);
        }
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        if let Some(process) = self.process().as_mut() {
            process.signal(Signal::CONT);
        }
    }

    /// Its pid while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        let mut process = self.process();
        let process = process.as_mut()?;
        process.exited().is_none().then(|| process.pid())
    }

    /// How it ended, if it did so without being asked to.
    #[must_use]
    pub fn died(&self) -> Option<ExitStatus> {
        self.process().as_mut().and_then(Process::exited)
    }

    /// Whether it is our server that answers, and not one that took the port a moment before.
    fn is_listening(&self) -> bool {
        self.pid()
            .is_some_and(|pid| chassis::port::is_held_by(self.recipe.address().port(), pid))
    }

    /// Somebody may have taken the port between the claim and the start; that says more than the server's own log.
    fn port_taken(&self) -> Option<StackError> {
        let flag = format!("--{}-port", self.name());
        port::check_free(self.recipe.address(), self.name(), &flag).err()
    }

    fn launch(&self) -> Result<()> {
        let mut process = self.process();
        if process
            .as_mut()
            .is_some_and(|process| process.exited().is_none())
        {
            return Ok(());
        }
        *process = Some(Process::start(
            &self.recipe.launch(&self.folder)?,
            &self.folder,
        )?);
        Ok(())
    }

    async fn wait_until_usable(&self, deadline: Instant) -> Result<String> {
        loop {
            let reason = match self.recipe.probe().await {
                Ok(version) if self.is_listening() => return Ok(version),
                Ok(_) => "another process answers at this address".to_owned(),
                Err(reason) => reason,
            };
            // Looked at after the attempt, so that a server which died is not mistaken for a slow one.
            if let Some(status) = self.died() {
                return Err(StackError::Died {
                    server: self.name().to_owned(),
                    status: status.to_string(),
                    log: self.folder.log(self.name()),
                    tail: self.folder.log_tail(self.name(), 8),
                });
            }
            if Instant::now() >= deadline {
                return Err(not_usable(
                    self.name(),
                    &self.recipe.address().to_string(),
                    USABLE_WITHIN,
                    reason,
                ));
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// A panic elsewhere leaves the handle as valid as it was: it is replaced as a whole.
    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recipe {
    fn name(&self) -> &'static str {
        match self {
            Self::Kafka(_) => kafka::NAME,
            Self::Postgres(_) => postgres::NAME,
            Self::Redis(_) => redis_server::NAME,
        }
    }

    fn address(&self) -> SocketAddr {
        let port = match self {
            Self::Kafka(kafka) => kafka.port,
            Self::Postgres(postgres) => postgres.port,
            Self::Redis(redis) => redis.port,
        };
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn launch(&self, folder: &Folder) -> Result<Launch> {
        match self {
            Self::Kafka(kafka) => Ok(kafka.launch(folder)),
            Self::Postgres(postgres) => Ok(postgres.launch()),
            Self::Redis(redis) => redis.launch(folder),
        }
    }

    /// Uses the server once, after a look whether anybody listens at all: that is cheap, and a real client is not.
    async fn probe(&self) -> Result<String, String> {
        let address = self.address();
        tokio::net::TcpStream::connect(address)
            .await
            .map_err(|error| error.to_string())?;
        match self {
            Self::Kafka(kafka) => kafka::probe(&kafka.bootstrap())
                .await
                .map(|()| String::new()),
            Self::Postgres(postgres) => postgres.probe().await,
            Self::Redis(redis) => redis_server::probe(&redis.url()).await,
        }
    }

    fn check_version(&self, found: &str) -> Result<()> {
        match self {
            Self::Kafka(_) => Ok(()),
            Self::Postgres(_) => check_version(postgres::NAME, found),
            Self::Redis(_) => check_version(redis_server::NAME, found),
        }
    }
}

/// Uses `kafka`, `postgres` or `redis` at an address once, ours or not.
///
/// # Errors
/// What stood in the way.
pub async fn probe(name: &str, url: &str) -> Result<(), String> {
    answer(name, url).await.map(drop)
}

/// One attempt; the answer is the server's version.
async fn answer(name: &str, url: &str) -> Result<String, String> {
    match name {
        kafka::NAME => kafka::probe(url).await.map(|()| String::new()),
        postgres::NAME => postgres::probe(url).await,
        _ => redis_server::probe(url).await,
    }
}

/// Waits until a server that we did not start answers, and refuses one that is too old.
pub(crate) async fn wait_for_external(name: &'static str, url: &str) -> Result<()> {
    let deadline = Instant::now() + ANSWER_WITHIN;
    loop {
        match answer(name, url).await {
            Ok(version) => return check_version(name, &version),
            Err(reason) if Instant::now() >= deadline => {
                return Err(not_usable(
                    name,
                    &without_password(url),
                    ANSWER_WITHIN,
                    reason,
                ));
            }
            Err(_) => tokio::time::sleep(ASK_EVERY * 4).await,
        }
    }
}

/// Refuses a server older than the design asks for.
fn check_version(name: &str, found: &str) -> Result<()> {
    let (needed, package) = match name {
        postgres::NAME => (postgres::MAJOR_MIN, "postgresql"),
        redis_server::NAME => (redis_server::MAJOR_MIN, "redis-server"),
        _ => return Ok(()),
    };
    let major = found
        .split(|c: char| !c.is_ascii_digit())
        .next()
        .and_then(|major| major.parse().ok());
    if major.is_some_and(|major: u32| major >= needed) {
        return Ok(());
    }
    Err(StackError::ProgramTooOld {
        program: name.to_owned(),
        found: found.to_owned(),
        needed: needed.to_string(),
        install: program::install_command(package),
    })
}

fn not_usable(name: &str, address: &str, waited: Duration, reason: String) -> StackError {
    StackError::NotUsable {
        server: name.to_owned(),
        address: address.to_owned(),
        seconds: waited.as_secs(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_too_old_are_refused_and_newer_ones_are_not() {
        check_version("postgres", "15.12 (Debian 15.12-0+deb12u2)").unwrap();
        check_version("postgres", "18beta1").unwrap();
        check_version("redis", "8.0.1").unwrap();
        let message = check_version("redis", "6.0.16").unwrap_err().to_string();
        assert!(
            message.starts_with("redis 6.0.16 is too old, at least 7 is needed"),
            "{message}"
        );
        assert!(check_version("postgres", "13.9").is_err());
    }
}
