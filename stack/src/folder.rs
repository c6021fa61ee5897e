//! The stack's folder: what lies where, who may use it, and how its logs stay bounded.
//!
//! ```text
//! .footfall/
//!   lock            held by the living owner; its presence also marks the folder as ours
//!   run.json        addresses and pids (written by `footfall up`)
//!   pids/NAME.json  pid and birth of each child
//!   logs/NAME.log   what each child printed, NAME.log.1 before that
//!   kafka/ postgres/ redis/   the servers' data
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::{AtPath, Result, StackError};

/// A log larger than this is moved aside when its process starts.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How much of a log's end is read for an error message.
const LOG_TAIL_BYTES: u64 = 4096;

/// The marker file, see the module's drawing.
const LOCK: &str = "lock";

/// What a stack puts into its folder besides the lock. Nothing else is ever removed.
const CONTENT: [&str; 9] = [
    "run.json",
    "run.partial",
    "postgres.password",
    "postgres.partial",
    "pids",
    "logs",
    "kafka",
    "postgres",
    "redis",
];

/// Paths inside one stack's folder. Absolute, so that children with other working folders agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    root: PathBuf,
}

/// The right to use a folder, held as long as the value lives. The kernel takes it back when the process dies.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl Folder {
    /// The folder at `path`, which need not exist yet.
    ///
    /// # Errors
    /// When the working folder of this process cannot be read.
    pub fn at(path: &Path) -> Result<Self> {
        let root = std::path::absolute(path).at("resolving", path)?;
        Ok(Self { root })
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Addresses and pids of a running `footfall up`.
    #[must_use]
    pub fn run_json(&self) -> PathBuf {
        self.root.join("run.json")
    }

    /// Where `name` logs to.
    #[must_use]
    pub fn log(&self, name: &str) -> PathBuf {
        self.root.join("logs").join(format!("{name}.log"))
    }

    /// Where the pids of children are written down.
    #[must_use]
    pub fn pids(&self) -> PathBuf {
        self.root.join("pids")
    }

    /// Where `name`'s pid is written down.
    #[must_use]
    pub fn pid_file(&self, name: &str) -> PathBuf {
        self.pids().join(format!("{name}.json"))
    }

    /// The data folder of a server.
    #[must_use]
    pub fn data(&self, server: &str) -> PathBuf {
        self.root.join(server)
    }

    /// Takes the folder for this process: a new or empty one, or one that a stack has made. The lock comes first, so that
    /// whatever else lies in a folder of ours came after the proof that it is ours.
    ///
    /// # Errors
    /// [`StackError::FolderInUse`] while another process holds it, [`StackError::NotOurFolder`] for one with other content.
    pub fn lock(&self) -> Result<FolderLock> {
        self.check_ours()?;
        fs::create_dir_all(&self.root).at("creating", &self.root)?;
        let path = self.root.join(LOCK);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .at("opening", &path)?;
        let held = self.hold(file)?;
        self.make_rooms()?;
        Ok(held)
    }

    /// Takes a folder that a stack has made, and creates nothing. `None` for any other folder, or none at all.
    ///
    /// # Errors
    /// [`StackError::FolderInUse`] while another process holds it.
    pub fn lock_existing(&self) -> Result<Option<FolderLock>> {
        let path = self.root.join(LOCK);
        if !path.is_file() {
            return Ok(None);
        }
        let file = OpenOptions::new()
            .write(true)
            .open(&path)
            .at("opening", &path)?;
        self.hold(file).map(Some)
    }

    fn hold(&self, file: File) -> Result<FolderLock> {
        match file.try_lock() {
            Ok(()) => Ok(FolderLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StackError::FolderInUse {
                dir: self.root.clone(),
            }),
            Err(TryLockError::Error(source)) => Err(source).at("locking", &self.root.join(LOCK)),
        }
    }

    /// The folders that any process of the stack may write into.
    fn make_rooms(&self) -> Result<()> {
        for dir in [self.root.join("logs"), self.pids()] {
            fs::create_dir_all(&dir).at("creating", &dir)?;
        }
        Ok(())
    }

    /// Whether a living process holds the folder.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        File::open(self.root.join(LOCK))
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Removes what a stack has put into the folder, except the lock that the caller has taken. What else lies there stays.
    ///
    /// # Errors
    /// When something in it cannot be removed.
    pub(crate) fn wipe(&self, _held: &FolderLock) -> Result<()> {
        for name in CONTENT {
            let path = self.root.join(name);
            let removed = if path.is_dir() && !path.is_symlink() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            match removed {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                removed => removed.at("removing", &path)?,
            }
        }
        self.make_rooms()
    }

    /// Whether a stack has made the folder.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.root.join(LOCK).is_file()
    }

    /// Refuses a folder with content that no stack made: once the marker is in it, `--fresh` may remove what it finds there.
    fn check_ours(&self) -> Result<()> {
        let is_empty = match fs::read_dir(&self.root) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == ErrorKind::NotFound => true,
            Err(error) => return Err(error).at("reading", &self.root),
        };
        if is_empty || self.is_ours() {
            return Ok(());
        }
        Err(StackError::NotOurFolder {
            dir: self.root.clone(),
            marker: LOCK,
        })
    }

    /// Opens `name`'s log for appending, moving one that has grown large aside.
    ///
    /// # Errors
    /// When the file cannot be moved or opened.
    pub fn open_log(&self, name: &str) -> Result<File> {
        let path = self.log(name);
        if fs::metadata(&path).is_ok_and(|meta| meta.len() > LOG_BYTES_MAX) {
            fs::rename(&path, path.with_extension("log.1")).at("rotating", &path)?;
        }
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .at("opening", &path)
    }

    /// The last lines of `name`'s log, for an error message.
    #[must_use]
    pub fn log_tail(&self, name: &str, lines: usize) -> String {
        let read = || -> std::io::Result<String> {
            let mut file = File::open(self.log(name))?;
            let from = file.metadata()?.len().saturating_sub(LOG_TAIL_BYTES);
            file.seek(SeekFrom::Start(from))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let text = read().unwrap_or_default();
        let all: Vec<&str> = text.lines().collect();
        let last = all[all.len().saturating_sub(lines)..].join("\n");
        if last.is_empty() {
            "(the log is empty)".to_owned()
        } else {
            last
        }
    }
}

/// Writes a file that only its owner may read, in one step: readers see the old content or the new one.
///
/// # Errors
/// When the file cannot be written or renamed.
pub fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    let partial = path.with_extension("partial");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&partial)
        .at("creating", &partial)?;
    file.write_all(content).at("writing", &partial)?;
    fs::rename(&partial, path).at("renaming", &partial)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner_at_a_time() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::at(&temp.path().join("a")).unwrap();
        assert!(!folder.is_locked());
        let held = folder.lock().unwrap();
        assert!(folder.is_locked());
        assert!(matches!(folder.lock(), Err(StackError::FolderInUse { .. })));
        drop(held);
        assert!(!folder.is_locked());
        folder.lock().unwrap();
    }

    #[test]
    fn a_folder_with_content_that_no_stack_made_is_not_taken() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::at(temp.path()).unwrap();
        let thesis = temp.path().join("thesis.txt");
        fs::write(&thesis, "years of work").unwrap();
        assert!(matches!(
            folder.lock(),
            Err(StackError::NotOurFolder { .. })
        ));
        assert!(folder.lock_existing().unwrap().is_none());
        let names: Vec<_> = fs::read_dir(temp.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(names, [thesis], "something was put into it");
    }

    #[test]
    fn a_wipe_leaves_what_a_person_has_put_into_a_folder_of_ours() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::at(temp.path()).unwrap();
        let held = folder.lock().unwrap();
        let thesis = temp.path().join("thesis.txt");
        fs::write(&thesis, "years of work").unwrap();
        fs::write(folder.run_json(), "{}").unwrap();
        folder.wipe(&held).unwrap();
        assert!(thesis.is_file() && !folder.run_json().exists());
    }

    #[test]
    fn a_wipe_leaves_the_lock_and_nothing_else() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::at(temp.path()).unwrap();
        let held = folder.lock().unwrap();
        fs::create_dir_all(folder.data("kafka")).unwrap();
        fs::write(folder.run_json(), "{}").unwrap();
        folder.wipe(&held).unwrap();
        assert!(!folder.data("kafka").exists() && !folder.run_json().exists());
        assert!(folder.is_locked() && folder.pids().is_dir());
    }

    #[test]
    fn a_large_log_is_moved_aside_when_its_process_starts() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::at(temp.path()).unwrap();
        let _held = folder.lock().unwrap();
        folder
            .open_log("kafka")
            .unwrap()
            .set_len(LOG_BYTES_MAX + 1)
            .unwrap();
        let log = folder.open_log("kafka").unwrap();
        assert_eq!(log.metadata().unwrap().len(), 0);
        assert!(temp.path().join("logs/kafka.log.1").is_file());
    }

    #[test]
    fn the_tail_of_a_log_is_its_last_lines() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::at(temp.path()).unwrap();
        let _held = folder.lock().unwrap();
        assert_eq!(folder.log_tail("redis", 2), "(the log is empty)");
        folder
            .open_log("redis")
            .unwrap()
            .write_all(b"one\ntwo\nthree\n")
            .unwrap();
        assert_eq!(folder.log_tail("redis", 2), "two\nthree");
    }

    #[test]
    fn a_private_file_is_readable_by_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("run.json");
        write_private(&path, b"{}").unwrap();
        write_private(&path, b"{\"a\":1}").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"{\"a\":1}");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}
