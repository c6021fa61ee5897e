//! A real system under our own hands: three servers and any number of roles, each a child process with an address of its own.
//!
//! Nobody restarts anything here but the row that broke it, so that a process which ends by itself is noticed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use stack::{Launch, Process, Server, Signal, Stack, StackConfig, Topic, port};
use tokio::time::sleep;

use crate::store;

/// Pids of the roles that run, for whoever watches them.
pub type Pids = Arc<Mutex<BTreeMap<String, u32>>>;

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
            gateways: 1,
            consumers: 2,
            apis: 1,
        }
    }
}

/// A role: how it is started, and its process while it runs.
#[derive(Debug)]
struct Role {
    kind: String,
    program: PathBuf,
    admin: u16,
    listen: Option<u16>,
    env: BTreeMap<String, String>,
    process: Option<Process>,
}

/// A running system. Dropping it ends everything.
#[derive(Debug)]
pub struct Site {
    roles: BTreeMap<String, Role>,
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

    /// Forgets a role that does not run, so that its name can be given again.
    pub fn remove(&mut self, name: &str) {
        self.roles.remove(name);
    }

    /// Sets a variable of a role's environment from its next start on, such as the address of a proxy.
    pub fn set_env(&mut self, name: &str, variable: &str, value: &str) {
        if let Some(role) = self.roles.get_mut(name) {
            role.env.insert(variable.to_owned(), value.to_owned());
        }
    }

    /// Gives a role the usual value of a variable back, from its next start on.
    pub fn unset_env(&mut self, name: &str, variable: &str) {
        if let Some(role) = self.roles.get_mut(name) {
            role.env.remove(variable);
        }
    }

    /// Starts a role from another program from its next start on: an older version of ours.
    pub fn set_program(&mut self, name: &str, program: &Path) {
        if let Some(role) = self.roles.get_mut(name) {
            program.clone_into(&mut role.program);
        }
    }

    /// Names of all roles, running or not.
    #[must_use]
    pub fn role_names(&self) -> Vec<String> {
        self.roles.keys().cloned().collect()
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

    /// Starts a role or a server; a server is usable then, a role has only begun.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn launch_or_start(&mut self, name: &str) -> anyhow::Result<()> {
        match self.stack.server(name) {
            Some(server) => Ok(server.start().await?),
            None => self.launch(name),
        }
    }

    /// Starts the process of a role.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn launch(&mut self, name: &str) -> anyhow::Result<()> {
        let launch = self.launch_of(name)?;
        let process = Process::start(&launch, self.stack.folder())?;
        self.lock_pids().insert(name.to_owned(), process.pid());
        self.role(name)?.process = Some(process);
        Ok(())
    }

    fn launch_of(&mut self, name: &str) -> anyhow::Result<Launch> {
        let (kafka, postgres, redis) = (
            self.stack.kafka.clone(),
            self.stack.postgres_url.clone(),
            self.stack.redis_url.clone(),
        );
        let dir = self.config.dir.clone();
        let role = self.role(name)?;
        let mut launch = Launch::new(name, &role.program, dir)
            .args([&role.kind])
            .env("FOOTFALL_KAFKA", kafka)
            .env("FOOTFALL_POSTGRES", postgres)
            .env("FOOTFALL_REDIS", redis)
            .env("FOOTFALL_ADMIN_BIND", format!("127.0.0.1:{}", role.admin))
            // Idle partitions move on quickly, so that a repetition is over quickly.
            .env("FOOTFALL_TICK_INTERVAL", "2s")
            .env("FOOTFALL_STATS_INTERVAL", "1s")
            .env("NO_COLOR", "1");
        if let Some(port) = role.listen {
            let variable = match role.kind.as_str() {
                "gateway" => "FOOTFALL_MQTT_BIND",
                _ => "FOOTFALL_HTTP_BIND",
            };
            launch = launch.env(variable, format!("127.0.0.1:{port}"));
        }
        for (variable, value) in &role.env {
            launch = launch.env(variable, value);
        }
        Ok(launch)
    }

    /// Ends a role or a server with SIGKILL.
    ///
    /// # Errors
    /// When there is no such process.
    pub async fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        if let Some(server) = self.stack.server(name) {
            server.kill().await;
            return Ok(());
        }
        let mut process = self.take(name)?;
        process.kill().await;
        Ok(())
    }

    /// Asks a role to end in order; says how long it took.
    ///
    /// # Errors
    /// When it does not end within `within`, or not with success.
    pub async fn term(&mut self, name: &str, within: Duration) -> anyhow::Result<Duration> {
        let mut process = self.take(name)?;
        let began = Instant::now();
        process.signal(Signal::TERM);
        loop {
            if let Some(status) = process.exited() {
                if !status.success() {
                    bail!("{name} ended with {status} after SIGTERM");
                }
                return Ok(began.elapsed());
            }
            if began.elapsed() > within {
                process.kill().await;
                bail!("{name} did not end within {within:?} after SIGTERM");
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Holds a role or a server still with SIGSTOP.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn freeze(&mut self, name: &str) -> anyhow::Result<()> {
        self.signal(name, Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn thaw(&mut self, name: &str) -> anyhow::Result<()> {
        self.signal(name, Signal::CONT)
    }

    fn signal(&mut self, name: &str, signal: Signal) -> anyhow::Result<()> {
        if let Some(server) = self.stack.server(name) {
            if signal == Signal::STOP {
                server.freeze();
            } else {
                server.thaw();
            }
            return Ok(());
        }
        let process = self.role(name)?.process.as_mut();
        process
            .with_context(|| format!("{name} does not run"))?
            .signal(signal);
        Ok(())
    }

    fn take(&mut self, name: &str) -> anyhow::Result<Process> {
        let process = self.role(name)?.process.take();
        self.lock_pids().remove(name);
        process.with_context(|| format!("{name} does not run"))
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

    /// Roles and servers that ended although nobody asked them to.
    pub fn died(&mut self) -> Vec<String> {
        let mut died = Vec::new();
        for (name, role) in &mut self.roles {
            if let Some(status) = role.process.as_mut().and_then(Process::exited) {
                died.push(format!("{name} ended by itself with {status}"));
                role.process = None;
            }
        }
        let servers = self.stack.servers().iter();
        died.extend(servers.filter_map(|server| {
            let status = server.died()?;
            Some(format!("{} ended by itself with {status}", server.name()))
        }));
        died
    }

    /// Waits until every role that runs is ready; says how long it took.
    ///
    /// # Errors
    /// What the last of them says about itself.
    pub async fn wait_ready(&mut self, within: Duration) -> anyhow::Result<Duration> {
        let began = Instant::now();
        loop {
            let Some(reason) = self.not_ready().await else {
                return Ok(began.elapsed());
            };
            if let Some(death) = self.died().first() {
                bail!("{death}");
            }
            if began.elapsed() > within {
                bail!("not ready within {within:?}: {reason}");
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn not_ready(&self) -> Option<String> {
        for name in self.running() {
            let url = format!("{}/readyz", self.admin(&name)?);
            match store::get(&url).await {
                Ok((200, _)) => {}
                Ok((status, body)) => return Some(format!("{name}: {status} {}", body.trim())),
                Err(error) => return Some(format!("{name}: {error}")),
            }
        }
        None
    }

    /// The admin server of a role: `http://host:port`.
    #[must_use]
    pub fn admin(&self, name: &str) -> Option<String> {
        let role = self.roles.get(name)?;
        Some(format!("http://127.0.0.1:{}", role.admin))
    }

    /// The sum of a role's metric over the series whose labels contain `labels`; 0 without any.
    ///
    /// # Errors
    /// When the role does not answer.
    pub async fn metric(&self, name: &str, metric: &str, labels: &str) -> anyhow::Result<f64> {
        let admin = self.admin(name).context("no such role")?;
        let (_, text) = store::get(&format!("{admin}/metrics")).await?;
        let values = text.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let found = series.strip_prefix(metric)?;
            let is_it = (found.is_empty() || found.starts_with('{')) && found.contains(labels);
            is_it.then(|| value.parse::<f64>().ok()).flatten()
        });
        Ok(values.sum())
    }

    /// Changes settings of Kafka, which it reads at its next start; gives the file as it was.
    ///
    /// # Errors
    /// When the file cannot be changed.
    pub fn change_kafka(&self, settings: &[(&str, &str)]) -> anyhow::Result<String> {
        let path = self.stack.folder().data("kafka").join("server.properties");
        let before = std::fs::read_to_string(&path)?;
        let stays = |line: &&str| {
            let name = line.split('=').next();
            settings.iter().all(|(changed, _)| name != Some(changed))
        };
        let mut lines: Vec<String> = before.lines().filter(stays).map(str::to_owned).collect();
        let changed = settings
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        lines.extend(changed);
        std::fs::write(&path, lines.join("\n"))?;
        Ok(before)
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
