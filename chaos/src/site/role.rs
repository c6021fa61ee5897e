//! One role: which program, at which ports, with which settings, and its process while it runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use stack::{Launch, Process, Stack};

/// A role of a site.
#[derive(Debug)]
pub(super) struct Role {
    pub(super) kind: String,
    pub(super) program: PathBuf,
    pub(super) admin: u16,
    pub(super) listen: Option<u16>,
    /// What it is told instead of, or besides, the usual.
    pub(super) env: BTreeMap<String, String>,
    pub(super) process: Option<Process>,
}

impl Role {
    /// How it is started as `name` on top of `stack`.
    pub(super) fn launch(&self, name: &str, stack: &Stack, dir: &Path) -> Launch {
        let mut launch = Launch::new(name, &self.program, dir)
            .args([&self.kind])
            .env("FOOTFALL_KAFKA", &stack.kafka)
            .env("FOOTFALL_POSTGRES", &stack.postgres_url)
            .env("FOOTFALL_REDIS", &stack.redis_url)
            .env("FOOTFALL_ADMIN_BIND", format!("127.0.0.1:{}", self.admin))
            // Idle partitions move on quickly, so that a repetition is over quickly.
            .env("FOOTFALL_TICK_INTERVAL", "2s")
            .env("FOOTFALL_STATS_INTERVAL", "1s")
            .env("NO_COLOR", "1");
        if let Some(port) = self.listen {
            let variable = match self.kind.as_str() {
                "gateway" => "FOOTFALL_MQTT_BIND",
                _ => "FOOTFALL_HTTP_BIND",
            };
            launch = launch.env(variable, format!("127.0.0.1:{port}"));
        }
        for (variable, value) in &self.env {
            launch = launch.env(variable, value);
        }
        launch
    }
}
