//! What to start as a child, as whom, and with which signal it is ended in order.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;

use crate::program::{self, Account};

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
    pub(crate) fn command(&self) -> Command {
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

/// The name that `setpriv --pdeathsig` understands.
fn signal_name(signal: Signal) -> &'static str {
    if signal == Signal::INT { "INT" } else { "TERM" }
}
