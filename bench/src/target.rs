//! What is measured: the addresses and pids of a running stack, from its `run.json`, from flags, or from both.

use std::collections::BTreeMap;
use std::iter::Sum;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context;
use serde::Deserialize;

/// Where the stack is. A flag wins over the file.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct TargetArgs {
    /// `run.json` of a running `footfall up`
    #[arg(long, env = "FOOTFALL_RUN_JSON", default_value = ".footfall/run.json")]
    pub(crate) run_json: PathBuf,
    /// Address of the gateway
    #[arg(long, env = "FOOTFALL_MQTT")]
    pub(crate) mqtt: Option<String>,
    /// URL of the api
    #[arg(long, env = "FOOTFALL_API")]
    pub(crate) http: Option<String>,
}

/// A running stack, as its `run.json` describes it.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Target {
    pub(crate) http: String,
    pub(crate) mqtt: String,
    pub(crate) kafka: String,
    pub(crate) postgres: String,
    pub(crate) redis: String,
    pub(crate) pids: BTreeMap<String, u32>,
    #[serde(default)]
    pub(crate) admin: BTreeMap<String, String>,
}

impl TargetArgs {
    /// Reads the file and lays the flags over it.
    pub(crate) fn target(&self) -> anyhow::Result<Target> {
        let mut target = Target::read(&self.run_json)?;
        if let Some(mqtt) = &self.mqtt {
            target.mqtt.clone_from(mqtt);
        }
        if let Some(http) = &self.http {
            target.http.clone_from(http);
        }
        Ok(target)
    }
}

impl Target {
    pub(crate) fn read(run_json: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read(run_json).with_context(|| {
            format!(
                "reading {}: start a stack with `footfall up --simulate none`, or name its file with --run-json",
                run_json.display()
            )
        })?;
        serde_json::from_slice(&text).with_context(|| format!("reading {}", run_json.display()))
    }

    /// Whether every role says that it is ready.
    pub(crate) async fn is_ready(&self) -> bool {
        for admin in self.admin.values() {
            let ready = reqwest::get(format!("{admin}/readyz")).await;
            if !ready.is_ok_and(|answer| answer.status().is_success()) {
                return false;
            }
        }
        !self.admin.is_empty()
    }

    /// Checkpoints that the consumers have made so far, from their metrics.
    pub(crate) async fn checkpoints(&self) -> u64 {
        let mut total = 0;
        for (_, admin) in self
            .admin
            .iter()
            .filter(|(name, _)| name.starts_with("consumer"))
        {
            let Ok(answer) = reqwest::get(format!("{admin}/metrics")).await else {
                continue;
            };
            total += sum_of::<u64>(CHECKPOINTS, &answer.text().await.unwrap_or_default());
        }
        total
    }

    /// Where the live stream is.
    pub(crate) fn stream_url(&self) -> String {
        format!("{}/api/v1/stream", self.http.replacen("http", "ws", 1))
    }

    /// Pids of the processes whose name begins with `role`: `gateway-0`, `gateway-1`.
    pub(crate) fn pids_of(&self, role: &str) -> Vec<u32> {
        self.pids
            .iter()
            .filter(|(name, _)| name.starts_with(role))
            .map(|(_, pid)| *pid)
            .collect()
    }
}

/// The consumers' count of checkpoints.
const CHECKPOINTS: &str = "footfall_consumer_checkpoint_seconds_count";

/// Sum of a metric over its labels in Prometheus' text format.
pub(crate) fn sum_of<T: FromStr + Sum>(metric: &str, text: &str) -> T {
    let lines = text.lines().filter_map(|line| line.strip_prefix(metric));
    let values = lines.filter_map(|rest| rest.rsplit_once(' ')?.1.parse::<T>().ok());
    values.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels() {
        let text =
            "# TYPE a_count counter\na_count{fold=\"x\"} 3\na_count{fold=\"y\"} 4\nb_count 9\n";
        assert_eq!(sum_of::<u64>("a_count", text), 7);
        let seconds = "a_seconds_sum{fold=\"x\"} 0.25\na_seconds_sum{fold=\"y\"} 1\n";
        assert!((sum_of::<f64>("a_seconds_sum", seconds) - 1.25).abs() < 1e-9);
    }

    #[test]
    fn the_file_of_the_contract_is_read() {
        let target: Target = serde_json::from_str(
            r#"{"http":"http://127.0.0.1:8080","mqtt":"127.0.0.1:1883","mqtts":null,"broker":null,"kafka":"127.0.0.1:19092",
                "postgres":"postgres://u@h/d","redis":"redis://h","admin":{"gateway-0":"http://127.0.0.1:9101"},
                "pids":{"kafka":1,"gateway-0":4,"gateway-1":5}}"#,
        )
        .unwrap();
        assert_eq!(target.stream_url(), "ws://127.0.0.1:8080/api/v1/stream");
        assert_eq!(target.pids_of("gateway"), [4, 5]);
    }
}
