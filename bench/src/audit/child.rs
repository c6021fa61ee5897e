//! The audit that is measured: a child process, and what it alone used.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use serde::Deserialize;
use sqlx::PgPool;
use tokio::time::sleep;

use crate::backlog::child::pid_of;
use crate::corner::Corner;
use crate::process::{cpu_seconds, own_peak_bytes};
use crate::window::{Begun, Window};

/// The name under which the audit is accounted.
pub(super) const AUDIT: &str = "audit";

/// How often its memory is looked at. The kernel keeps the peak, so only the last moment before the end is missed.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What `footfall audit --json` says.
#[derive(Debug, Deserialize)]
struct Verdict {
    equal: bool,
    records: u64,
    folds: Vec<Fold>,
}

#[derive(Debug, Deserialize)]
struct Fold {
    partitions: Vec<Partition>,
}

#[derive(Debug, Deserialize)]
struct Partition {
    postgres: Option<Side>,
}

#[derive(Debug, Deserialize)]
struct Side {
    store_values: u64,
}

impl Verdict {
    /// Rows of Postgres that were compared.
    fn rows(&self) -> u64 {
        let partitions = self.folds.iter().flat_map(|fold| &fold.partitions);
        let sides = partitions.filter_map(|partition| partition.postgres.as_ref());
        sides.map(|side| side.store_values).sum()
    }
}

/// What an audit used from its first instruction to its last.
#[derive(Debug)]
pub(super) struct Audited {
    pub(super) records: u64,
    /// Rows of Postgres that it compared.
    pub(super) rows: u64,
    pub(super) took: Duration,
    pub(super) cpu_seconds: f64,
    pub(super) peak_bytes: u64,
    pub(super) window: Window,
}

/// A child that is ended when nobody waits for it any more.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            self.0.kill().ok();
            self.0.wait().ok();
        }
    }
}

/// Runs an audit of the corner's movements; fails unless it says that everything is equal.
pub(super) async fn run(program: &Path, corner: &Corner, pool: &PgPool) -> anyhow::Result<Audited> {
    let answer = std::env::temp_dir().join(format!("{}audit.json", corner.prefix));
    let began = Instant::now();
    let mut running = Running(start(program, corner, &answer)?);
    let pid = running.0.id();
    let begun = Begun::now(&corner.target, &[(AUDIT, pid)], pool).await?;
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let mut peak = 0;
    // Its CPU time can be read until it is waited for in earnest.
    while waitid(WaitId::Pid(pid_of(pid)?), options)?.is_none() {
        peak = own_peak_bytes(pid).unwrap_or(0).max(peak);
        sleep(LOOK_EVERY).await;
    }
    let took = began.elapsed();
    let used = cpu_seconds(&BTreeMap::from([(AUDIT.to_owned(), pid)]))[AUDIT];
    let mut window = begun.end(&corner.target, pool).await?;
    // The window began a little after the audit, and ended when its memory was gone.
    window.cpu.insert(AUDIT.to_owned(), used);
    window.peak_bytes.insert(AUDIT.to_owned(), peak);
    let status = running.0.wait()?;
    let text = std::fs::read_to_string(&answer)?;
    let verdict: Option<Verdict> = serde_json::from_str(&text).ok();
    match verdict {
        Some(verdict) if verdict.equal => {
            std::fs::remove_file(&answer).ok();
            std::fs::remove_file(log_of(&answer)).ok();
            Ok(Audited {
                records: verdict.records,
                rows: verdict.rows(),
                took,
                cpu_seconds: used,
                peak_bytes: peak,
                window,
            })
        }
        Some(_) => bail!(
            "the audit says that something differs, see {}",
            answer.display()
        ),
        None => bail!(
            "the audit ended with {status}, see {}",
            log_of(&answer).display()
        ),
    }
}

/// Where the audit logs, and says what stood in its way.
fn log_of(answer: &Path) -> PathBuf {
    answer.with_extension("log")
}

fn start(program: &Path, corner: &Corner, answer: &Path) -> anyhow::Result<Child> {
    let create =
        |path: &Path| File::create(path).with_context(|| format!("creating {}", path.display()));
    Command::new(program)
        .args(["audit", "--json", "--folds", "movement"])
        .args(["--kafka", &corner.target.kafka])
        .args(["--topic-prefix", &corner.prefix])
        // In the environment: a command line is readable by everybody.
        .env("FOOTFALL_POSTGRES", &corner.target.postgres)
        .env("FOOTFALL_REDIS", &corner.target.redis)
        .stdin(Stdio::null())
        .stdout(create(answer)?)
        // Apart from the report: a warning may stand there although all is well.
        .stderr(create(&log_of(answer))?)
        .spawn()
        .with_context(|| format!("starting {}", program.display()))
}
