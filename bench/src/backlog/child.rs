//! The consumer that is measured: a child process on a topic of its own.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use super::Backlog;
use crate::target::Target;

/// A running consumer; killed when it is dropped.
#[derive(Debug)]
pub(super) struct Consumer {
    child: Mutex<Child>,
    pid: u32,
    log: PathBuf,
}

/// How long it may take to leave.
const LEAVE_WITHIN: Duration = Duration::from_secs(20);

impl Consumer {
    pub(super) fn start(target: &Target, backlog: &Backlog, prefix: &str) -> anyhow::Result<Self> {
        let program = match &backlog.program {
            Some(program) => program.clone(),
            None => beside_us()?,
        };
        let log = std::env::temp_dir().join(format!("{prefix}consumer.log"));
        let output = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        let child = Command::new(&program)
            .arg("consumer")
            .args([
                "--kafka",
                &target.kafka,
                "--topic-prefix",
                prefix,
                "--folds",
                "movement",
            ])
            .args([
                "--workers",
                &backlog.workers.to_string(),
                "--admin-bind",
                "off",
            ])
            // In the environment: a command line is readable by everybody.
            .env("FOOTFALL_POSTGRES", &target.postgres)
            .env("FOOTFALL_REDIS", &target.redis)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        Ok(Self {
            pid: child.id(),
            child: Mutex::new(child),
            log,
        })
    }

    pub(super) const fn pid(&self) -> u32 {
        self.pid
    }

    /// Where it logs.
    pub(super) fn log(&self) -> String {
        self.log.display().to_string()
    }

    /// Fails when it has ended.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let mut child = self.child.lock().expect("no holder of this lock panics");
        match child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the consumer ended with {status}, see {}", self.log()),
        }
    }

    /// Ends it in order.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.pid)
            .ok()
            .and_then(Pid::from_raw)
            .context("a pid")?;
        kill_process(pid, Signal::TERM)?;
        let deadline = Instant::now() + LEAVE_WITHIN;
        while self.check().is_ok() {
            if Instant::now() > deadline {
                bail!(
                    "the consumer did not leave within {} s, see {}",
                    LEAVE_WITHIN.as_secs(),
                    self.log()
                );
            }
            sleep(Duration::from_millis(20)).await;
        }
        std::fs::remove_file(&self.log).ok();
        Ok(())
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let child = self.child.get_mut().expect("no holder of this lock panics");
        if matches!(child.try_wait(), Ok(None)) {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// `footfall` in the folder of our own program.
pub(crate) fn beside_us() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("footfall");
    if !program.is_file() {
        bail!(
            "{} is missing: build it, or name it with --program",
            program.display()
        );
    }
    Ok(program)
}
