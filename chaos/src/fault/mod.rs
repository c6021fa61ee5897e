//! The tools that break things: one file per kind.
//!
//! Each undoes what it did when it is dropped or told to, and says so when this machine does not let it work, because a fault that was not injected must never look like one that was survived.

mod disk;
mod flood;
pub mod kafka;
mod namespace;
pub mod postgres;
pub mod redis;

use std::process::Command;

use thiserror::Error;

pub use disk::SmallDisk;
pub use flood::{Flood, flood};
pub use namespace::{Entrance, Namespace, Way};

/// A fault that cannot be injected on this machine. The row that needs it is skipped, loudly, with this sentence.
#[derive(Debug, Error)]
#[error("{what} cannot be done here: {reason}")]
pub struct Unavailable {
    what: String,
    reason: String,
}

impl Unavailable {
    pub(crate) fn new(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            reason: reason.into(),
        }
    }
}

/// Runs a program of the system; its complaint is the reason.
fn run(what: &str, program: &str, args: &[&str]) -> Result<(), Unavailable> {
    let output = Command::new(program)
        .args(args)
        .output()
        .map_err(|error| Unavailable::new(what, format!("{program}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    // The first line says it; some programs say it once for every file.
    let said = String::from_utf8_lossy(&output.stderr);
    let reason = said.lines().next().unwrap_or_default();
    Err(Unavailable::new(what, format!("{program}: {reason}")))
}
