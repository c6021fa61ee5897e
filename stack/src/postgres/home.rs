//! Where the cluster lives and who owns it.

use std::fs::{self, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{NAME, PACKAGE};
use crate::error::{AtPath, Result, StackError};
use crate::folder::Folder;
use crate::program::{self, Account};

/// Where clusters live that root's folders hide from the `postgres` account.
const FALLBACK: &str = "/var/lib/footfall";

/// The note in the stack's folder that says where the cluster is instead.
const ELSEWHERE: &str = "elsewhere";

/// The account the server runs as: ours, unless we are root.
pub(super) fn account() -> Result<Option<Account>> {
    if !program::is_root() {
        return Ok(None);
    }
    program::account("postgres").map(Some).ok_or_else(|| {
        program::missing(
            "the `postgres` account (Postgres refuses to run as root)",
            PACKAGE,
        )
    })
}

/// Where the cluster lives: in the stack's folder if the server's account can reach it.
pub(super) fn home(folder: &Folder, account: Option<Account>) -> Result<PathBuf> {
    let inside = folder.data(NAME);
    make_home(&inside, account)?;
    let Some(account) = account else {
        return Ok(inside);
    };
    if let Some(outside) = elsewhere(folder) {
        return Ok(outside);
    }
    if can_reach(&inside, account)? {
        return Ok(inside);
    }
    let mut hasher = DefaultHasher::new();
    folder.root().hash(&mut hasher);
    let outside = Path::new(FALLBACK)
        .join(format!("{:016x}", hasher.finish()))
        .join(NAME);
    tracing::info!(
        "the postgres account cannot reach {}, keeping the cluster in {}",
        inside.display(),
        outside.display()
    );
    if outside.exists() {
        // Of a folder at this place that was removed by hand: its log is gone, so its tables must not come back.
        fs::remove_dir_all(&outside).at("removing", &outside)?;
    }
    fs::create_dir_all(&outside).at("creating", &outside)?;
    make_home(&outside, Some(account))?;
    // A note for the reader, and what tells a wipe that there is more to wipe.
    let note = inside.join(ELSEWHERE);
    fs::write(&note, outside.as_os_str().as_encoded_bytes()).at("writing", &note)?;
    Ok(outside)
}

/// Removes a cluster that lives outside of the folder, as part of wiping the folder.
pub(crate) fn wipe_outside(folder: &Folder) -> Result<()> {
    match elsewhere(folder) {
        Some(outside) => {
            // Its parent belongs to this stack alone, see `home`.
            let ours = outside.parent().unwrap_or(&outside);
            fs::remove_dir_all(ours).at("removing", ours)
        }
        None => Ok(()),
    }
}

/// Where Postgres keeps the data of a stack if that is not in its folder.
#[must_use]
pub fn data_outside(folder: &Folder) -> Option<PathBuf> {
    elsewhere(folder)
}

/// Where the note says that the cluster is; only ever below our own place, whatever the note says.
fn elsewhere(folder: &Folder) -> Option<PathBuf> {
    let noted = PathBuf::from(fs::read_to_string(folder.data(NAME).join(ELSEWHERE)).ok()?);
    (noted.starts_with(FALLBACK) && noted.is_dir()).then_some(noted)
}

fn make_home(path: &Path, account: Option<Account>) -> Result<()> {
    fs::create_dir_all(path).at("creating", path)?;
    fs::set_permissions(path, Permissions::from_mode(0o700)).at("protecting", path)?;
    give(path, account)
}

pub(super) fn give(path: &Path, account: Option<Account>) -> Result<()> {
    match account {
        Some(Account { uid, gid }) => {
            chown(path, Some(uid), Some(gid)).at("giving to the postgres account", path)
        }
        None => Ok(()),
    }
}

/// Asks the system itself, by trying it as that account: modes and mounts on the way are not ours to interpret.
fn can_reach(path: &Path, account: Account) -> Result<bool> {
    let status = Command::new("/bin/sh")
        .args(["-c", "cd \"$1\" && test -w .", "sh"])
        .arg(path)
        .current_dir("/")
        .uid(account.uid)
        .gid(account.gid)
        .stderr(Stdio::null())
        .status();
    status
        .map(|status| status.success())
        .map_err(|source| StackError::Process {
            what: "trying a folder as the postgres account".to_owned(),
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_the_account_cannot_reach_has_its_cluster_elsewhere_and_a_wipe_takes_both() {
        let temp = tempfile::tempdir().unwrap();
        fs::set_permissions(temp.path(), Permissions::from_mode(0o700)).unwrap();
        let folder = Folder::at(&temp.path().join("stack")).unwrap();
        let inside = folder.data(NAME);
        let Some(account) = account().unwrap() else {
            // Not root: the server is ours, and so is every folder it needs.
            assert_eq!(home(&folder, None).unwrap(), inside);
            return;
        };
        let outside = home(&folder, Some(account)).unwrap();
        assert!(outside.starts_with(FALLBACK), "{}", outside.display());
        assert!(can_reach(&outside, account).unwrap());
        assert_eq!(data_outside(&folder).as_ref(), Some(&outside));
        assert_eq!(
            home(&folder, Some(account)).unwrap(),
            outside,
            "found again by its note"
        );

        fs::write(outside.join("cluster"), "of a folder that was removed").unwrap();
        fs::remove_dir_all(folder.root()).unwrap();
        assert_eq!(home(&folder, Some(account)).unwrap(), outside);
        assert!(!outside.join("cluster").exists());
        wipe_outside(&folder).unwrap();
        assert!(!outside.parent().unwrap().exists());

        fs::set_permissions(temp.path(), Permissions::from_mode(0o755)).unwrap();
        assert_eq!(home(&folder, Some(account)).unwrap(), inside);
        assert_eq!(data_outside(&folder), None);
    }
}
