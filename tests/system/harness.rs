//! A running system: started by the command that people use, observed and hurt from outside.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

const FOOTFALL: &str = env!("CARGO_BIN_EXE_footfall");

/// How many more systems may run now: mostly they wait, and two are done in half the time.
static PLACES: Semaphore = Semaphore::const_new(2);

/// A running system in a folder of its own.
pub(crate) struct System {
    up: Child,
    dir: TempDir,
    _place: SemaphorePermit<'static>,
}

impl System {
    /// Starts `footfall up` without a simulator and waits until every process is ready.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let place = runtime.block_on(PLACES.acquire()).unwrap();
        let dir = tempfile::Builder::new()
            .prefix("footfall-system-")
            .tempdir()
            .unwrap();
        let log = std::fs::File::create(dir.path().join("up.log")).unwrap();
        let up = Command::new(FOOTFALL)
            .args([
                "up",
                "--simulate",
                "none",
                "--http",
                "127.0.0.1:0",
                "--mqtt",
                "127.0.0.1:0",
            ])
            .args([
                "--kafka-port",
                "0",
                "--postgres-port",
                "0",
                "--redis-port",
                "0",
            ])
            .arg("--dir")
            .arg(dir.path().join("data"))
            .args(flags)
            // Ticks close visits and settle panes: a test need not wait for the usual ten seconds.
            .env("FOOTFALL_TICK_INTERVAL", "2s")
            // Metrics of the consumers move with their reports.
            .env("FOOTFALL_STATS_INTERVAL", "1s")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut system = Self {
            up,
            dir,
            _place: place,
        };
        system.wait(
            "the system is ready",
            Duration::from_secs(90),
            System::all_ready,
        );
        system
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn all_ready(&mut self) -> Result<(), String> {
        if let Some(status) = self.up.try_wait().unwrap() {
            let log = std::fs::read_to_string(self.dir.path().join("up.log")).unwrap_or_default();
            panic!("`footfall up` ended with {status}:\n{log}");
        }
        let run = self.run_json().ok_or("no run.json yet")?;
        let admins = run["admin"].as_object().cloned().unwrap_or_default();
        if admins.len() < 3 {
            return Err(format!("only {} processes yet", admins.len()));
        }
        for (name, url) in admins {
            let url = url
                .as_str()
                .ok_or_else(|| format!("{name} has no admin address yet"))?;
            let (status, body) =
                http_get(&format!("{url}/readyz")).map_err(|error| format!("{name}: {error}"))?;
            if status != 200 {
                return Err(format!("{name} is not ready: {body}"));
            }
        }
        Ok(())
    }

    /// `run.json`, once it is there.
    pub(crate) fn run_json(&self) -> Option<Value> {
        let text = std::fs::read_to_string(self.data().join("run.json")).ok()?;
        serde_json::from_str(&text).ok()
    }

    fn address(&self, name: &str) -> String {
        self.run_json().unwrap()[name].as_str().unwrap().to_owned()
    }

    pub(crate) fn postgres(&self) -> String {
        self.address("postgres")
    }

    pub(crate) fn redis(&self) -> String {
        self.address("redis")
    }

    pub(crate) fn mqtt(&self) -> String {
        self.address("mqtt")
    }

    /// The sum of a process's metric over all series whose labels contain `labels`.
    pub(crate) fn metric(&self, process: &str, name: &str, labels: &str) -> Option<f64> {
        let run = self.run_json()?;
        let admin = run["admin"][process].as_str()?;
        let (_, metrics) = http_get(&format!("{admin}/metrics")).ok()?;
        let values = metrics.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let found = series.strip_prefix(name)?;
            let is_it = (found.is_empty() || found.starts_with('{')) && found.contains(labels);
            is_it.then(|| value.parse::<f64>().ok()).flatten()
        });
        values.reduce(|sum, value| sum + value)
    }

    /// Process id of a child of `up`.
    pub(crate) fn pid(&self, name: &str) -> Option<i64> {
        self.run_json()?["pids"][name].as_i64()
    }

    /// Sends a signal to a child of `up`.
    pub(crate) fn signal(&self, name: &str, signal: &str) {
        let pid = self
            .pid(name)
            .unwrap_or_else(|| panic!("{name} is not in run.json"));
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &pid.to_string()])
            .status()
            .unwrap();
        assert!(sent.success(), "kill -{signal} {name} ({pid})");
    }

    /// Kills a child of `up` and waits until another process has taken its place.
    pub(crate) fn kill(&mut self, name: &str) {
        let before = self.pid(name);
        self.signal(name, "KILL");
        let restarted = |system: &mut Self| match system.pid(name) {
            pid if pid.is_some() && pid != before => Ok(()),
            pid => Err(format!("{name} has pid {pid:?}")),
        };
        self.wait(
            &format!("{name} is started again"),
            Duration::from_secs(30),
            restarted,
        );
    }

    fn kafka_properties(&self) -> PathBuf {
        self.data().join("kafka/server.properties")
    }

    /// Changes settings of Kafka, which it reads at its next start; gives them as they were.
    pub(crate) fn change_kafka(&self, settings: &[(&str, &str)]) -> String {
        let before = std::fs::read_to_string(self.kafka_properties()).unwrap();
        let names = |line: &&str| {
            let name = line.split('=').next();
            settings.iter().all(|(changed, _)| name != Some(changed))
        };
        let mut lines: Vec<String> = before.lines().filter(names).map(str::to_owned).collect();
        lines.extend(
            settings
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        );
        self.restore_kafka(&lines.join("\n"));
        before
    }

    /// Gives Kafka the settings of [`Self::change_kafka`] back.
    pub(crate) fn restore_kafka(&self, settings: &str) {
        std::fs::write(self.kafka_properties(), settings).unwrap();
    }

    /// `GET /api/v1{path}` of the first api.
    pub(crate) fn get(&self, path: &str) -> Result<Value, String> {
        let url = format!("{}/api/v1{path}", self.address("http"));
        let (status, body) = http_get(&url)?;
        if status != 200 {
            return Err(format!("{path}: {status} {body}"));
        }
        serde_json::from_str(&body).map_err(|error| format!("{path}: {error}"))
    }

    /// Starts the simulator against this system. Its truth goes to `truth`.
    pub(crate) fn simulate(&self, truth: &Path, flags: &[String]) -> Fleet {
        let child = Command::new(FOOTFALL)
            .args(["simulate", "--mqtt", &self.mqtt(), "--truth"])
            .arg(truth)
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.dir.path().join("simulate.log")).unwrap())
            .spawn()
            .unwrap();
        Fleet(child)
    }

    /// A path in the system's folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Waits until `check` says yes.
    pub(crate) fn wait(
        &mut self,
        what: &str,
        patience: Duration,
        check: impl Fn(&mut Self) -> Result<(), String>,
    ) {
        let deadline = Instant::now() + patience;
        loop {
            match check(self) {
                Ok(()) => return,
                Err(why) if Instant::now() > deadline => {
                    let logs = self.keep_logs();
                    panic!("not within {patience:?}: {what}: {why} ({logs})");
                }
                Err(_) => std::thread::sleep(Duration::from_millis(200)),
            }
        }
    }

    /// Leaves the logs where a person can read them, and says where.
    fn keep_logs(&self) -> String {
        let kept = std::env::temp_dir().join("footfall-system-failed");
        let copy = "rm -rf \"$1\" && mkdir -p \"$1\" && cp -r \"$0\"/*.log \"$0\"/data/logs \"$0\"/data/run.json \"$1\"/";
        let copied = Command::new("sh")
            .args(["-c", copy])
            .arg(self.dir.path())
            .arg(&kept)
            .status();
        match copied {
            Ok(status) if status.success() => format!("logs are kept in {}", kept.display()),
            other => format!("the logs could not be kept: {other:?}"),
        }
    }

    /// Ends the system with Ctrl-C and checks that no process is left.
    pub(crate) fn stop(mut self) {
        let pids: Vec<i64> = self.run_json().unwrap()["pids"]
            .as_object()
            .unwrap()
            .values()
            .filter_map(Value::as_i64)
            .collect();
        let started = Instant::now();
        let sent = Command::new("kill")
            .args(["-INT", &self.up.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
        let ended = |system: &mut Self| match system.up.try_wait().unwrap() {
            Some(_) => Ok(()),
            None => Err("still running".to_owned()),
        };
        self.wait("`footfall up` ends", Duration::from_secs(20), ended);
        assert!(
            started.elapsed() < Duration::from_secs(16),
            "ended after {:?}",
            started.elapsed()
        );
        for pid in pids {
            assert!(
                !Path::new(&format!("/proc/{pid}")).exists(),
                "process {pid} is left"
            );
        }
    }
}

impl Drop for System {
    fn drop(&mut self) {
        // After a failed assertion: end it politely, or its servers outlive the test.
        if self.up.try_wait().unwrap().is_none() {
            let pid = self.up.id().to_string();
            if Command::new("kill").args(["-TERM", &pid]).status().is_ok() {
                self.up.wait().unwrap();
            }
        }
    }
}

/// A simulator at work.
pub(crate) struct Fleet(Child);

impl Fleet {
    /// Waits until everything was acknowledged.
    pub(crate) fn finish(mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                assert!(status.success(), "the simulator ended with {status}");
                return;
            }
            assert!(
                Instant::now() < deadline,
                "the simulator is not done within {patience:?}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Whether it is still at work.
    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if self.is_running() {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }
}

/// A request of its own connection, on a runtime of its own.
pub(crate) fn http_get(url: &str) -> Result<(u16, String), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        let response = client
            .get(url)
            .send()
            .await
            .map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        Ok((
            status,
            response.text().await.map_err(|error| error.to_string())?,
        ))
    })
}
