//! Children that outlived their owner: read from the pid files, ended in order by the next owner of the folder.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use crate::error::{AtPath, Result};
use crate::folder::Folder;
use crate::identity::Identity;

/// Ends what an earlier owner of the folder left running, in the order given, and forgets the rest. The caller holds the
/// folder's lock, so no living owner is robbed.
///
/// # Errors
/// When the pid files cannot be read.
pub async fn end_leftovers(folder: &Folder, patience: Duration) -> Result<Vec<String>> {
    let mut ended = Vec::new();
    for (name, identity) in recorded(folder)? {
        if identity.is_alive() {
            let polite = if name == crate::postgres::NAME {
                Signal::INT
            } else {
                Signal::TERM
            };
            identity.signal(Signal::CONT);
            identity.end(polite, patience).await;
            ended.push(format!("{name} (process {})", identity.pid));
        }
        let path = folder.pid_file(&name);
        if path.exists() {
            fs::remove_file(&path).at("removing", &path)?;
        }
    }
    Ok(ended)
}

/// The children that pid files name, roles before the servers they use.
///
/// # Errors
/// When the folder of pid files cannot be read.
pub fn recorded(folder: &Folder) -> Result<Vec<(String, Identity)>> {
    let dir = folder.pids();
    let mut found = Vec::new();
    if !dir.is_dir() {
        return Ok(found);
    }
    for entry in fs::read_dir(&dir).at("reading", &dir)? {
        let path = entry.at("reading", &dir)?.path();
        if let Some(recorded) = read_record(&path) {
            found.push(recorded);
        }
    }
    found.sort_by_key(|(name, _)| (crate::server::NAMES.contains(&name.as_str()), name.clone()));
    Ok(found)
}

/// `None` for a file cut short by a power failure: it names nobody that could still run.
fn read_record(path: &Path) -> Option<(String, Identity)> {
    if path.extension()? != "json" {
        return None;
    }
    let name = path.file_stem()?.to_str()?.to_owned();
    let identity = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    Some((name, identity))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[tokio::test]
    async fn a_leftover_is_ended_but_a_foreign_process_with_its_pid_is_not() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::at(temp.path()).unwrap();
        folder.lock().unwrap();
        let mut innocent = Command::new("sleep").arg("60").spawn().unwrap();
        let mut leftover = Command::new("sleep").arg("60").spawn().unwrap();
        let record = |name: &str, identity: &Identity| {
            fs::write(folder.pid_file(name), serde_json::to_vec(identity).unwrap()).unwrap();
        };
        record("gateway-0", &Identity::of(leftover.id()).unwrap());
        record(
            "api-0",
            &Identity {
                pid: innocent.id(),
                birth: "an-earlier-boot-1".to_owned(),
            },
        );
        let ended = end_leftovers(&folder, Duration::from_secs(5))
            .await
            .unwrap();
        assert_eq!(ended, [format!("gateway-0 (process {})", leftover.id())]);
        assert!(
            innocent.try_wait().unwrap().is_none(),
            "a foreign process was ended"
        );
        leftover.wait().unwrap();
        innocent.kill().unwrap();
        innocent.wait().unwrap();
        assert!(recorded(&folder).unwrap().is_empty());
    }
}
