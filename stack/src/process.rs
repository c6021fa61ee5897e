//! A child process that cannot get lost: started in a process group of its own, with its pid and birth on disk, told by the
//! kernel to end when we are killed, stopped politely and then with SIGKILL.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::error::{AtPath, Result, StackError};
use crate::folder::{Folder, write_private};
use crate::identity::Identity;
use crate::launch::Launch;
use crate::nursery;

/// How often a child that should end is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long a dropped child may take to end politely. Dropping is the way out of failed starts and panicking tests.
const DROP_PATIENCE: Duration = Duration::from_secs(5);

/// A running child.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    identity: Identity,
    pid_file: PathBuf,
    stop_with: Signal,
    exit: Option<ExitStatus>,
}

impl Process {
    /// Starts a child of the stack in `folder`, its output appended to its log.
    ///
    /// # Errors
    /// When the log cannot be opened or the program cannot be started.
    pub fn start(launch: &Launch, folder: &Folder) -> Result<Self> {
        let log = folder.open_log(&launch.name)?;
        let err = log.try_clone().at("opening", &folder.log(&launch.name))?;
        let mut command = launch.command();
        command.stdin(Stdio::null()).stdout(log).stderr(err);
        let mut child = nursery::spawn(command).map_err(|source| StackError::Process {
            what: format!("starting {} ({})", launch.name, launch.program.display()),
            source,
        })?;
        let pid = child.id();
        // A child that ended within this moment has no birth any more, and nobody will ever look for it.
        let identity = Identity::of(pid).unwrap_or(Identity {
            pid,
            birth: String::new(),
        });
        let pid_file = folder.pid_file(&launch.name);
        let recorded = serde_json::to_vec(&identity).expect("a pid and a string are JSON");
        if let Err(error) = write_private(&pid_file, &recorded) {
            // Without the record a later start could not find the child, so it must not live.
            child
                .kill()
                .and_then(|()| child.wait())
                .at("ending the child of", &pid_file)?;
            return Err(error);
        }
        tracing::debug!(
            process.name = launch.name,
            process.pid = pid,
            "started {}",
            launch.name
        );
        Ok(Self {
            name: launch.name.clone(),
            child,
            identity,
            pid_file,
            stop_with: launch.stop_with,
            exit: None,
        })
    }

    /// Its pid.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.identity.pid
    }

    /// How it ended, if it did. Reaps the child, so that no zombie stays.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        if self.exit.is_none() {
            // An error means that the child was reaped elsewhere, which nothing here does.
            self.exit = self.child.try_wait().ok().flatten();
            if self.exit.is_some() {
                self.forget();
            }
        }
        self.exit
    }

    /// Sends a signal; does nothing once it has ended.
    pub fn signal(&mut self, signal: Signal) {
        if self.exited().is_none() {
            // Not yet reaped, so the pid cannot have been given to another process.
            self.identity.signal(signal);
        }
    }

    /// Stops it in order, with SIGKILL once `patience` is over. Returns whether SIGKILL was needed.
    pub async fn stop(mut self, patience: Duration) -> bool {
        self.signal(Signal::CONT);
        self.signal(self.stop_with);
        let deadline = Instant::now() + patience;
        while self.exited().is_none() && Instant::now() < deadline {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let is_stubborn = self.exit.is_none();
        if is_stubborn {
            tracing::warn!(
                process.name = self.name,
                "{} did not end within {patience:?}, killing it",
                self.name
            );
            self.kill().await;
        }
        is_stubborn
    }

    /// Ends it with SIGKILL and waits until it is gone.
    pub async fn kill(&mut self) {
        self.signal(Signal::KILL);
        while self.exited().is_none() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.kill_group();
    }

    /// Children of the child share its process group, and must not outlive it after a SIGKILL.
    fn kill_group(&self) {
        if let Some(group) = i32::try_from(self.identity.pid)
            .ok()
            .and_then(Pid::from_raw)
        {
            // Fails when nobody is left in the group, which is what we want.
            rustix::process::kill_process_group(group, Signal::KILL).ok();
        }
    }

    fn forget(&self) {
        if let Err(error) = fs::remove_file(&self.pid_file)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!("{} stays: {error}", self.pid_file.display());
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.exited().is_some() {
            return;
        }
        self.signal(Signal::CONT);
        self.signal(self.stop_with);
        let deadline = Instant::now() + DROP_PATIENCE;
        while self.exited().is_none() {
            if Instant::now() >= deadline {
                self.signal(Signal::KILL);
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.kill_group();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leftover::recorded;

    fn folder() -> (tempfile::TempDir, Folder) {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::at(temp.path()).unwrap();
        folder.lock().unwrap();
        (temp, folder)
    }

    fn shell(name: &str, script: &str) -> Launch {
        Launch::new(name, "/bin/sh", "/").args(["-c", script])
    }

    async fn wait_for_log(folder: &Folder, name: &str, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !folder.log_tail(name, 10).contains(text) {
            assert!(Instant::now() < deadline, "{name} did not print {text}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    #[tokio::test]
    async fn a_child_is_recorded_while_it_runs_and_its_output_is_kept() {
        let (_temp, folder) = folder();
        let child = Process::start(&shell("echo", "echo hello; exec sleep 60"), &folder).unwrap();
        wait_for_log(&folder, "echo", "hello").await;
        let names = recorded(&folder).unwrap();
        assert_eq!(names.len(), 1);
        assert_eq!((names[0].0.as_str(), names[0].1.pid), ("echo", child.pid()));
        assert!(
            !child.stop(Duration::from_secs(5)).await,
            "sleep ends on SIGTERM"
        );
        assert!(recorded(&folder).unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_stubborn_child_is_killed_together_with_its_own_children() {
        let (_temp, folder) = folder();
        let script = "trap '' TERM; sleep 61 & echo child $!; while :; do wait; done";
        let child = Process::start(&shell("stubborn", script), &folder).unwrap();
        wait_for_log(&folder, "stubborn", "child ").await;
        let printed = folder.log_tail("stubborn", 1);
        let grandchild: u32 = printed.trim_start_matches("child ").parse().unwrap();
        assert!(Identity::of(grandchild).is_some());
        assert!(child.stop(Duration::from_millis(200)).await);
        let deadline = Instant::now() + Duration::from_secs(5);
        while Identity::of(grandchild).is_some() {
            assert!(
                Instant::now() < deadline,
                "the grandchild outlived the kill"
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    #[tokio::test]
    async fn a_child_started_from_a_thread_that_ends_lives_on() {
        let (_temp, folder) = folder();
        let starter = folder.clone();
        let mut child = std::thread::spawn(move || {
            Process::start(&shell("long", "exec sleep 60"), &starter).unwrap()
        })
        .join()
        .unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(child.exited().is_none());
    }
}
