//! How the processes of a site are: ended by themselves, ready, and what they count.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use stack::Process;
use tokio::time::sleep;

use super::{LOOK_EVERY, Site};
use crate::check::stand;
use crate::store;

impl Site {
    /// Roles and servers that ended although nobody asked them to.
    pub fn died(&mut self) -> Vec<String> {
        let mut died = Vec::new();
        for (name, role) in &mut self.roles {
            if let Some(status) = role.process.as_mut().and_then(Process::exited) {
                died.push(stand::ended(name, status));
                role.process = None;
            }
        }
        let servers = self.stack.servers().iter();
        died.extend(servers.filter_map(|server| {
            let status = server.died()?;
            Some(stand::ended(server.name(), status))
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
}
