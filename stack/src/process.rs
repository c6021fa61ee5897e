//! A child process that cannot get lost: started in a process group of its own, with its pid and birth on disk, told by the
//! kernel to end when we are killed, stopped politely and then with SIGKILL.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::error::{AtPath, Result, StackError};
use crate::folder::{Folder, write_private};
use crate::identity::Identity;
use crate::nursery;
use crate::program::{self, Account};

/// How often a child that should end is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long a dropped child may take to end politely. Dropping is the way out of failed starts and panicking tests.
const DROP_PATIENCE: Duration = Duration::from_secs(5);

/// What to start and how to end it.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Names the log and the pid file.
    pub name: String,
    /// The program, by its path.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables added to our own environment.
    pub env: Vec<(String, OsString)>,
    /// Variables of our environment it must not see.
    pub env_removed: Vec<&'static str>,
    /// Its working folder.
    pub workdir: PathBuf,
    /// The account it runs as, if not ours.
    pub account: Option<Account>,
    /// The signal that asks it to end in order.
    pub stop_with: Signal,
}

impl Launch {
    /// A launch with our own environment and account, ended by SIGTERM.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        program: impl Into<PathBuf>,
        workdir: impl Into<PathBuf>,
    ) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            env_removed: Vec::new(),
            workdir: workdir.into(),
            account: None,
            stop_with: Signal::TERM,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: Into<OsString>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// The command behind the launch. Where there is `setpriv` (util-linux), it asks the kernel for the stop signal in case
    /// our process dies and then *becomes* the program, so pid and parent stay as they are. It comes after the change of
    /// account, because that change clears the request.
    fn command(&self) -> Command {
        let mut command = match program::setpriv() {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command
                    .args(["--pdeathsig", signal_name(self.stop_with), "--"])
                    .arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        command
            .args(&self.args)
            .current_dir(&self.workdir)
            .process_group(0);
        for name in &self.env_removed {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(account) = &self.account {
            command.uid(account.uid).gid(account.gid);
        }
        command
    }
}

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

/// The name that `setpriv --pdeathsig` understands.
fn signal_name(signal: Signal) -> &'static str {
    if signal == Signal::INT { "INT" } else { "TERM" }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[tokio::test]
    async fn a_leftover_is_ended_but_a_foreign_process_with_its_pid_is_not() {
        let (_temp, folder) = folder();
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
