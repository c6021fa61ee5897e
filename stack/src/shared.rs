//! One stack for all tests of a test binary, started by the first that asks.
//!
//! It is never stopped by hand: the kernel tells the servers to end when the test binary does. Its folder cannot be removed then any
//! more, so the next test binary removes those whose owner is dead.

use std::fs;
use std::path::Path;

use tokio::sync::OnceCell;

use crate::config::StackConfig;
use crate::error::Result;
use crate::folder::Folder;
use crate::leftover::recorded;
use crate::stack::Stack;

/// Begins the name of every shared folder.
const PREFIX: &str = "footfall-test-";

static SHARED: OnceCell<Stack> = OnceCell::const_new();

/// The stack that all tests of this process share. A test that stops servers or empties Redis starts a stack of its own.
///
/// # Errors
/// When the servers cannot be started.
pub async fn stack() -> Result<&'static Stack> {
    SHARED
        .get_or_try_init(|| async {
            let temp = std::env::temp_dir();
            sweep(&temp);
            let dir = temp.join(format!("{PREFIX}{}", std::process::id()));
            Stack::start(StackConfig {
                fresh: true,
                ..StackConfig::for_tests(dir)
            })
            .await
        })
        .await
}

/// Removes the folders of test binaries that have ended. Servers that are still on their way out keep theirs for the
/// next sweep; so does anything that cannot be removed, because a full disk is noticed and a failed test run is not worth it.
fn sweep(temp: &Path) {
    let ended = fs::read_dir(temp)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()))
        })
        .filter(|path| is_abandoned(path));
    for path in ended {
        if let Err(error) = fs::remove_dir_all(&path) {
            tracing::debug!("{} stays for now: {error}", path.display());
        }
    }
}

fn is_abandoned(path: &Path) -> bool {
    let Ok(folder) = Folder::at(path) else {
        return false;
    };
    let children = recorded(&folder).unwrap_or_default();
    !folder.is_locked() && children.iter().all(|(_, identity)| !identity.is_alive())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_takes_abandoned_folders_and_nothing_else() {
        let temp = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let folder = Folder::at(&temp.path().join(name)).unwrap();
            let lock = folder.lock().unwrap();
            (folder, lock)
        };
        let (abandoned, lock) = make("footfall-test-1");
        drop(lock);
        let (used, _held) = make("footfall-test-2");
        let (foreign, lock) = make("another");
        drop(lock);
        sweep(temp.path());
        assert!(!abandoned.root().exists());
        assert!(used.root().exists() && foreign.root().exists());
    }
}
