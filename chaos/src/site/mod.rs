//! A real system under our own hands: three servers and any number of roles, each a child process with an address of its own.
//!
//! Nobody restarts anything here but the row that broke it, so that a process which ends by itself is noticed.

mod harm;
mod health;
mod role;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use stack::{Server, Stack, StackConfig, Topic, port};

use role::Role;

/// Pids of the roles that run, for whoever watches them.
pub type Pids = Arc<Mutex<BTreeMap<String, u32>>>;

/// What the roles stand on, in the order of starting.
pub(crate) const SERVERS: [&str; 3] = ["kafka", "postgres", "redis"];
/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a role may take to be ready on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// What a site is made of.
#[derive(Clone, Debug)]
pub struct SiteConfig {
    /// Its folder: data and logs.
    pub dir: PathBuf,
    /// The program under test.
    pub footfall: PathBuf,
    /// The program of the version before it.
    pub previous: Option<PathBuf>,
    /// How many gateways.
    pub gateways: u16,
    /// How many consumers.
    pub consumers: u16,
    /// How many apis.
    pub apis: u16,
}

impl SiteConfig {
    /// One gateway, two consumers, one api.
    #[must_use]
    pub fn new(dir: &Path, footfall: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            footfall: footfall.to_owned(),
            previous: None,
            gateways: 1,
            consumers: 2,
            apis: 1,
        }
    }
}

/// A running system. Dropping it ends everything.
#[derive(Debug)]
pub struct Site {
    roles: BTreeMap<String, Role>,
    /// Roles that were taken out again. What they logged still counts.
    forgotten: BTreeSet<String>,
    /// Who ended although nobody asked, as far as it was noticed before somebody else ended them.
    deaths: Vec<String>,
    /// How many tasks each role had that was asked to leave, just before.
    left_with: Vec<(String, f64)>,
    stack: Stack,
    config: SiteConfig,
    pids: Pids,
}

impl Site {
    /// Starts servers and roles and waits until all are ready.
    ///
    /// # Errors
    /// When one of them does not start.
    pub async fn start(config: SiteConfig) -> anyhow::Result<Self> {
        let stack = Stack::start(StackConfig {
            fresh: true,
            ..StackConfig::for_tests(config.dir.join("site"))
        })
        .await?;
        Self::on(stack, config).await
    }

    /// Starts roles on servers that run already, and waits until all are ready.
    ///
    /// # Errors
    /// When one of them does not start.
    pub async fn on(stack: Stack, config: SiteConfig) -> anyhow::Result<Self> {
        stack.create_topics(&Topic::defaults()).await?;
        let migrated = Command::new(&config.footfall)
            .arg("migrate")
            .env("FOOTFALL_POSTGRES", &stack.postgres_url)
            .output()
            .with_context(|| format!("starting {}", config.footfall.display()))?;
        if !migrated.status.success() {
            bail!("migrate: {}", String::from_utf8_lossy(&migrated.stderr));
        }
        let mut site = Self {
            roles: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            deaths: Vec::new(),
            left_with: Vec::new(),
            stack,
            pids: Pids::default(),
            config,
        };
        let SiteConfig {
            gateways,
            consumers,
            apis,
            ..
        } = site.config;
        for (kind, count) in [
            ("gateway", gateways),
            ("consumer", consumers),
            ("api", apis),
        ] {
            for _ in 0..count {
                site.add(kind)?;
            }
        }
        site.start_roles().await?;
        Ok(site)
    }

    async fn start_roles(&mut self) -> anyhow::Result<()> {
        for name in self.role_names() {
            self.launch(&name)?;
        }
        self.wait_ready(READY_WITHIN).await.map(drop)
    }

    /// Adds a role of a kind, which is not started yet; gives its name.
    ///
    /// # Errors
    /// When no port is free.
    pub fn add(&mut self, kind: &str) -> anyhow::Result<String> {
        let of_kind = |name: &&String| name.starts_with(kind);
        let name = format!("{kind}-{}", self.roles.keys().filter(of_kind).count());
        let role = Role {
            kind: kind.to_owned(),
            program: self.config.footfall.clone(),
            admin: port::free()?,
            listen: (kind != "consumer").then(port::free).transpose()?,
            env: BTreeMap::new(),
            process: None,
        };
        self.roles.insert(name.clone(), role);
        Ok(name)
    }

    /// Takes a role that does not run out of the site. Its log stays among those that are searched.
    pub fn forget(&mut self, name: &str) {
        if self.roles.remove(name).is_some() {
            self.forgotten.insert(name.to_owned());
        }
    }

    /// The program under test.
    #[must_use]
    pub fn footfall(&self) -> &Path {
        &self.config.footfall
    }

    /// The program of the version before, if there is one.
    #[must_use]
    pub fn previous(&self) -> Option<&Path> {
        self.config.previous.as_deref()
    }

    /// Names of all roles, running or not.
    #[must_use]
    pub fn role_names(&self) -> Vec<String> {
        self.roles.keys().cloned().collect()
    }

    /// Names of all roles that may have logged something, those that were taken out again too.
    #[must_use]
    pub fn logged_names(&self) -> Vec<String> {
        let names: BTreeSet<&String> = self.roles.keys().chain(&self.forgotten).collect();
        names.into_iter().cloned().collect()
    }

    /// Names of the roles that run.
    #[must_use]
    pub fn running(&self) -> Vec<String> {
        let running = |(name, role): (&String, &Role)| role.process.is_some().then(|| name.clone());
        self.roles.iter().filter_map(running).collect()
    }

    /// Pids of the roles that run, kept up to date.
    #[must_use]
    pub fn pids(&self) -> Pids {
        Arc::clone(&self.pids)
    }

    /// Where the gateways listen.
    #[must_use]
    pub fn gateways(&self) -> Vec<String> {
        self.listening("gateway")
    }

    /// The base of the api's addresses: `http://host:port/api/v1`.
    #[must_use]
    pub fn apis(&self) -> Vec<String> {
        let apis = self.listening("api").into_iter();
        apis.map(|address| format!("http://{address}/api/v1"))
            .collect()
    }

    fn listening(&self, kind: &str) -> Vec<String> {
        let of_kind = self.roles.values().filter(|role| role.kind == kind);
        let address = |port| format!("127.0.0.1:{port}");
        of_kind
            .filter_map(|role| role.listen.map(address))
            .collect()
    }

    /// Kafka's bootstrap servers.
    #[must_use]
    pub fn kafka(&self) -> &str {
        &self.stack.kafka
    }

    /// URL of Postgres.
    #[must_use]
    pub fn postgres(&self) -> &str {
        &self.stack.postgres_url
    }

    /// URL of Redis.
    #[must_use]
    pub fn redis(&self) -> &str {
        &self.stack.redis_url
    }

    /// The folder of the servers' data and everyone's logs.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.stack.folder().root()
    }

    /// The log of a role or a server.
    #[must_use]
    pub fn log(&self, name: &str) -> PathBuf {
        self.stack.folder().log(name)
    }

    /// The handle of `kafka`, `postgres` or `redis`.
    ///
    /// # Errors
    /// When there is no such server.
    pub fn server(&self, name: &str) -> anyhow::Result<&Server> {
        self.stack
            .server(name)
            .with_context(|| format!("{name} is no server of this site"))
    }

    /// Whether a server runs, as far as its process tells.
    #[must_use]
    pub fn has_server(&self, name: &str) -> bool {
        self.stack
            .server(name)
            .is_some_and(|server| server.pid().is_some())
    }

    fn role(&mut self, name: &str) -> anyhow::Result<&mut Role> {
        self.roles
            .get_mut(name)
            .with_context(|| format!("{name} is no role of this site"))
    }

    fn lock_pids(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, u32>> {
        // Only ever replaced entry by entry.
        self.pids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends everything in order.
    ///
    /// # Errors
    /// When a role does not end in time.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        for name in self.running() {
            self.term(&name, Duration::from_secs(15)).await?;
        }
        self.stack.stop().await;
        Ok(())
    }
}
