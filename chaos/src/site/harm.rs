//! What can be done to the processes of a site: started, killed, asked to leave, frozen, and given other settings.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use chassis::admin::TASKS;
use stack::{Process, Signal};
use tokio::time::sleep;

use super::{LOOK_EVERY, SERVERS, Site};
use crate::check::stand;

impl Site {
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
        let role = self.roles.get(name);
        let role = role.with_context(|| format!("{name} is no role of this site"))?;
        let launch = role.launch(name, &self.stack, &self.config.dir);
        let process = Process::start(&launch, self.stack.folder())?;
        self.lock_pids().insert(name.to_owned(), process.pid());
        self.role(name)?.process = Some(process);
        Ok(())
    }

    /// Ends a role or a server with SIGKILL. One that had ended by itself before is reported by [`Site::died`].
    ///
    /// # Errors
    /// When there is no such process.
    pub async fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        if let Some(server) = self.stack.server(name) {
            if let Some(status) = server.died() {
                self.deaths.push(stand::ended(name, status));
            }
            server.kill().await;
            return Ok(());
        }
        let mut process = self.take(name)?;
        process.kill().await;
        Ok(())
    }

    /// Kills what runs and starts every server and every role, and waits until all are ready.
    ///
    /// # Errors
    /// When one of them does not start, or is not ready in time.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        for server in SERVERS {
            self.kill(server).await?;
            self.launch_or_start(server).await?;
        }
        for role in self.running() {
            self.kill(&role).await?;
        }
        // Who died before has been told, and is alive again.
        let deaths = std::mem::take(&mut self.deaths);
        let ready = self.start_roles().await;
        self.deaths.splice(0..0, deaths);
        ready
    }

    /// Asks a role to end in order; says how long it took.
    ///
    /// # Errors
    /// When it does not end within `within`, or not with success.
    pub async fn term(&mut self, name: &str, within: Duration) -> anyhow::Result<Duration> {
        // What it has leaked leaves with it. One that cannot tell any more has its time to end as well.
        if let Ok(tasks) = self.metric(name, TASKS, "").await {
            self.left_with.push((name.to_owned(), tasks));
        }
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
        let mut process = process.with_context(|| format!("{name} does not run"))?;
        // Whoever ends it now would never hear of it.
        if let Some(status) = process.exited() {
            self.deaths.push(stand::ended(name, status));
        }
        Ok(process)
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
}
