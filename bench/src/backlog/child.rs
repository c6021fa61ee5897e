//! The consumer that is measured: a child process on a topic of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use crate::target::Target;

/// How a consumer is started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How<'a> {
    pub(crate) program: &'a Path,
    /// What its topic and its group begin with.
    pub(crate) prefix: &'a str,
    pub(crate) workers: u16,
    /// Where it serves its metrics, if it shall.
    pub(crate) admin_port: Option<u16>,
}

/// A running consumer; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Consumer {
    child: Mutex<Child>,
    pid: u32,
    log: PathBuf,
}

/// How long it may take to leave.
const LEAVE_WITHIN: Duration = Duration::from_secs(20);

impl Consumer {
    pub(crate) fn start(target: &Target, how: How<'_>) -> anyhow::Result<Self> {
        let How {
            program, prefix, ..
        } = how;
        let admin = how
            .admin_port
            .map_or("off".to_owned(), |port| format!("127.0.0.1:{port}"));
        let log = std::env::temp_dir().join(format!("{prefix}consumer.log"));
        let output = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        let child = Command::new(program)
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
                &how.workers.to_string(),
                "--admin-bind",
                &admin,
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

    pub(crate) const fn pid(&self) -> u32 {
        self.pid
    }

    /// Where it logs.
    pub(crate) fn log(&self) -> String {
        self.log.display().to_string()
    }

    /// Fails when it has ended.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let mut child = self.child.lock().expect("no holder of this lock panics");
        match child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the consumer ended with {status}, see {}", self.log()),
        }
    }

    /// Ends it in order.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        kill_process(pid_of(self.pid)?, Signal::TERM)?;
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

impl Consumer {
    /// Ends it by SIGKILL, in the middle of whatever it does.
    pub(crate) fn kill(self) {
        let log = self.log.clone();
        drop(self);
        std::fs::remove_file(log).ok();
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

/// A pid as signals want it.
pub(crate) fn pid_of(pid: u32) -> anyhow::Result<Pid> {
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
    raw.context("a pid")
}

/// The program that is measured: the one that was named, or the one beside us.
pub(crate) fn program(named: Option<&PathBuf>) -> anyhow::Result<PathBuf> {
    named.cloned().map_or_else(beside_us, Ok)
}

/// `footfall` in the folder of our own program.
fn beside_us() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("footfall");
    if !program.is_file() {
        bail!(
            "{} is missing: build it, or name it with --program",
            program.display()
        );
    }
    Ok(program)
}
