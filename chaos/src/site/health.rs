//! How the processes of a site are: ended by themselves, ready, and what they count.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use chassis::admin::TASKS;
use stack::Process;
use tokio::time::sleep;

use super::{LOOK_EVERY, Site};
use crate::check::stand;
use crate::store;

/// What a consumer knows of each of its partitions.
const OWNED: &str = "footfall_consumer_canary_sequence";
/// The newest round of ticks that Kafka has confirmed to a gateway.
const CANARY: &str = "footfall_gateway_canary_sequence";

impl Site {
    /// Roles and servers that ended although nobody asked them to, since the last call.
    pub fn died(&mut self) -> Vec<String> {
        self.notice_deaths();
        std::mem::take(&mut self.deaths)
    }

    /// Keeps who has ended by now until somebody asks. A server that is gone is found each time, and kept once.
    fn notice_deaths(&mut self) {
        for (name, role) in &mut self.roles {
            if let Some(status) = role.process.as_mut().and_then(Process::exited) {
                self.deaths.push(stand::ended(name, status));
                role.process = None;
            }
        }
        for server in self.stack.servers() {
            if let Some(status) = server.died() {
                let death = stand::ended(server.name(), status);
                if !self.deaths.contains(&death) {
                    self.deaths.push(death);
                }
            }
        }
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
            self.notice_deaths();
            if let Some(death) = self.deaths.last() {
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
        let series = self.series(name, metric).await?;
        let with_labels = series.iter().filter(|(found, _)| found.contains(labels));
        Ok(with_labels.map(|(_, value)| value).sum())
    }

    /// The partitions of a topic that a consumer works on, as it says itself: it knows their canaries, and forgets those of
    /// partitions that it hands back.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn owned(&self, consumer: &str, topic: &str) -> anyhow::Result<BTreeSet<i32>> {
        let series = self.series(consumer, OWNED).await?;
        let topic = format!("topic=\"{topic}\"");
        let of_topic = series
            .iter()
            .filter(|(labels, value)| labels.contains(&topic) && *value > 0.0);
        Ok(of_topic
            .filter_map(|(labels, _)| label(labels, "partition")?.parse().ok())
            .collect())
    }

    /// How many tasks each role that runs has.
    ///
    /// # Errors
    /// When one of them does not answer.
    pub async fn tasks(&self) -> anyhow::Result<BTreeMap<String, f64>> {
        let mut tasks = BTreeMap::new();
        for name in self.running() {
            let alive = self.metric(&name, TASKS, "").await?;
            tasks.insert(name, alive);
        }
        Ok(tasks)
    }

    /// How many tasks each role had that was asked to leave since the last call, just before it was.
    pub fn left_with(&mut self) -> Vec<(String, f64)> {
        std::mem::take(&mut self.left_with)
    }

    /// The canary of each gateway that runs: its process's id, as its log has it, and the newest round that Kafka has confirmed.
    ///
    /// # Errors
    /// When a gateway does not answer, or has not said who it is.
    pub async fn canaries(&self) -> anyhow::Result<BTreeMap<String, i64>> {
        let mut canaries = BTreeMap::new();
        for name in self.running() {
            if !name.starts_with("gateway") {
                continue;
            }
            let log = std::fs::read_to_string(self.log(&name))?;
            let id = canary_id(&log).with_context(|| format!("{name} has not named its canary"))?;
            let newest = self.metric(&name, CANARY, "").await?;
            canaries.insert(id.to_owned(), whole(newest));
        }
        Ok(canaries)
    }

    /// Labels and values of a role's metric.
    async fn series(&self, name: &str, metric: &str) -> anyhow::Result<Vec<(String, f64)>> {
        let admin = self.admin(name).context("no such role")?;
        let (_, text) = store::get(&format!("{admin}/metrics")).await?;
        let series = text.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let labels = series.strip_prefix(metric)?;
            let is_it = labels.is_empty() || labels.starts_with('{');
            is_it.then_some((labels.to_owned(), value.parse().ok()?))
        });
        Ok(series.collect())
    }
}

/// The value of a label, as the text format of metrics has it.
fn label<'l>(labels: &'l str, name: &str) -> Option<&'l str> {
    let (_, rest) = labels.split_once(&format!("{name}=\""))?;
    rest.split('"').next()
}

/// Who the gateway that wrote the end of this log says it is.
fn canary_id(log: &str) -> Option<&str> {
    let (_, rest) = log.rsplit_once("this process's canary is ")?;
    rest.split_whitespace().next()
}

#[expect(clippy::cast_possible_truncation, reason = "a count; `as` saturates")]
fn whole(value: f64) -> i64 {
    value as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_process_of_a_log_names_its_canary() {
        let log = "INFO this process's canary is 0a gateway.id=0a\nready\nINFO this process's canary is 0b gateway.id=0b\n";
        assert_eq!(canary_id(log), Some("0b"));
        assert_eq!(canary_id("ready\n"), None);
    }

    #[test]
    fn a_label_is_found_among_others() {
        let labels = r#"{topic="sensor-movements",partition="3"}"#;
        assert_eq!(label(labels, "partition"), Some("3"));
        assert_eq!(label(labels, "fold"), None);
    }
}
