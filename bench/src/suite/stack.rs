//! The stack that the suite measures: a `footfall up` of its own, at free ports.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::time::sleep;

use super::Args;
use crate::target::Target;

/// A running stack. Dropping it without [`Stack::stop`] kills `footfall up`; its children end with it.
#[derive(Debug)]
pub(super) struct Stack {
    program: PathBuf,
    dir: PathBuf,
    up: Child,
}

/// How long servers and roles may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How long they may take to end; `up` promises 15 s.
const END_WITHIN: Duration = Duration::from_secs(30);

impl Stack {
    /// Starts it and waits until every role is ready.
    pub(super) async fn start(program: &Path, args: &Args) -> anyhow::Result<Self> {
        let log = args.dir.with_extension("log");
        let output = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        let free = "127.0.0.1:0";
        let mut command = Command::new(program);
        command
            .args([
                "up",
                "--fresh",
                "--simulate",
                "none",
                "--http",
                free,
                "--mqtt",
                free,
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
            .arg(&args.dir);
        if let Some(partitions) = args.partitions {
            command.args(["--partitions", &format!("sensor-movements={partitions}")]);
        }
        let up = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let mut stack = Self {
            program: program.to_owned(),
            dir: args.dir.clone(),
            up,
        };
        stack.wait_until_ready(&log).await?;
        Ok(stack)
    }

    /// Where everything is now.
    pub(super) fn target(&self) -> anyhow::Result<Target> {
        Target::read(&self.run_json())
    }

    fn run_json(&self) -> PathBuf {
        self.dir.join("run.json")
    }

    async fn wait_until_ready(&mut self, log: &Path) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            sleep(Duration::from_millis(200)).await;
            if let Some(status) = self.up.try_wait()? {
                bail!("footfall up ended with {status}, see {}", log.display());
            }
            if self.run_json().exists() && self.target()?.is_ready().await {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!(
                    "footfall up is not ready after {} s, see {}",
                    READY_WITHIN.as_secs(),
                    log.display()
                );
            }
        }
    }

    /// Ends everything in order.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        let down = Command::new(&self.program)
            .arg("down")
            .arg("--dir")
            .arg(&self.dir)
            .stdout(Stdio::null())
            .status()?;
        let deadline = Instant::now() + END_WITHIN;
        while self.up.try_wait()?.is_none() {
            if Instant::now() > deadline {
                bail!("footfall up did not end within {} s", END_WITHIN.as_secs());
            }
            sleep(Duration::from_millis(100)).await;
        }
        if down.success() {
            Ok(())
        } else {
            bail!("footfall down: {down}")
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if matches!(self.up.try_wait(), Ok(None)) {
            self.up.kill().ok();
            self.up.wait().ok();
        }
    }
}
