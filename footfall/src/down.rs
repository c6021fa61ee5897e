//! `footfall down`: ends what runs in a folder. First `footfall up` itself, because it would start its children again; it ends
//! them in order. Whatever is still there then (it was killed, or is stuck) is ended by pid and time of birth.
//!
//! A folder that no stack has made is left exactly as it is.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use stack::folder::FolderLock;
use stack::leftover::end_leftovers;
use stack::{Folder, Signal};

use crate::run_file::RunFile;
use crate::{output, up};

/// `up` promises to end within 15 s.
const UP_PATIENCE: Duration = Duration::from_secs(20);

/// How long anything that it left may take.
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(6);

/// Arguments of `down`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of the stack
    #[arg(long, env = "FOOTFALL_DIR", default_value = ".footfall")]
    pub(crate) dir: PathBuf,
}

/// Runs the subcommand.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let folder = Folder::at(&args.dir)?;
    let shown = args.dir.display();
    if !folder.is_ours() {
        output::say(&format!("nothing runs in {shown}"));
        return Ok(ExitCode::SUCCESS);
    }
    let mut has_ended = false;
    if let Some(run) = RunFile::read(&folder)? {
        let up = run.supervisor;
        if up.is_alive() {
            output::say(&format!(
                "ending footfall up (process {}) in {shown}",
                up.pid
            ));
            has_ended = true;
            if !up.end(Signal::TERM, UP_PATIENCE).await {
                output::complain(&format!(
                    "footfall up did not end within {UP_PATIENCE:?}, it was killed"
                ));
            }
        }
    }
    let _lock = take(&folder).await?;
    for name in end_leftovers(&folder, LEFTOVER_PATIENCE).await? {
        output::say(&format!("ended {name}"));
        has_ended = true;
    }
    RunFile::remove(&folder)?;
    output::say(&if has_ended {
        let places = up::places(&folder, &args.dir);
        format!("nothing runs in {shown} any more; its data is kept in {places}")
    } else {
        format!("nothing runs in {shown}")
    });
    Ok(ExitCode::SUCCESS)
}

/// Takes the folder once its owner is gone. An owner without a `run.json` is still starting, or is a test.
async fn take(folder: &Folder) -> anyhow::Result<Option<FolderLock>> {
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        match folder.lock_existing() {
            Ok(lock) => return Ok(lock),
            Err(error) if Instant::now() >= deadline => {
                if RunFile::read(folder)?.is_none() {
                    bail!(
                        "{} is being started by another process: end that one",
                        folder.root().display()
                    );
                }
                return Err(error).context("taking the folder over");
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
