//! What can go wrong with a stack, said so that the reader knows what to do next.

use std::path::{Path, PathBuf};

use chassis::port::Holder;

/// Why a stack, or one of its servers, could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// A program that we need is not installed.
    #[error("{program} was not found: install it with `{install}`")]
    ProgramMissing {
        /// What was looked for.
        program: String,
        /// The command that installs it.
        install: String,
    },
    /// A program is there, but older than what we can use.
    #[error(
        "{program} {found} is too old, at least {needed} is needed: install it with `{install}`"
    )]
    ProgramTooOld {
        /// The program's name.
        program: String,
        /// The version that was found.
        found: String,
        /// The oldest version that would do.
        needed: String,
        /// The command that installs a newer one.
        install: String,
    },
    /// Someone else listens where a server of ours should.
    #[error("port {port} for {server} is taken by {holder}: choose another one with `{flag} PORT`")]
    PortTaken {
        /// The port that was asked for.
        port: u16,
        /// Who should have listened there.
        server: String,
        /// Who does.
        holder: Holder,
        /// The flag that moves our server elsewhere.
        flag: String,
    },
    /// Another live process owns the folder.
    #[error("{} is in use by another running stack: `footfall down` ends it, `--dir` chooses another folder", .dir.display())]
    FolderInUse {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder holds something that no stack has put there.
    #[error("{} holds files and is not a stack's folder (no `{marker}` in it), so nothing is put into it: expected a new or empty folder with `--dir`", .dir.display())]
    NotOurFolder {
        /// The folder.
        dir: PathBuf,
        /// The file that would have proved it ours.
        marker: &'static str,
    },
    /// A server ended while we waited for it.
    #[error("{server} ended while it was starting ({status}); {} ends with:\n{tail}", .log.display())]
    Died {
        /// The server's name.
        server: String,
        /// How it ended.
        status: String,
        /// Its log file.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// A server runs or is said to run, but does not answer.
    #[error("{server} at {address} was not usable within {seconds} s: {reason}")]
    NotUsable {
        /// The server's name.
        server: String,
        /// Where it should answer.
        address: String,
        /// How long we waited.
        seconds: u64,
        /// What the last attempt said.
        reason: String,
    },
    /// A helper program (initdb, Kafka's format tool) failed.
    #[error("{what} failed ({status}): {output}")]
    Tool {
        /// What was run.
        what: String,
        /// How it ended.
        status: String,
        /// What it printed.
        output: String,
    },
    /// A topic could not be made.
    #[error("topic {topic} could not be created: {reason}")]
    Topic {
        /// The topic's name.
        topic: String,
        /// What Kafka said.
        reason: String,
    },
    /// Kafka's client refused.
    #[error("{what}")]
    Kafka {
        /// What was being done.
        what: String,
        /// What the client said.
        #[source]
        source: rdkafka::error::KafkaError,
    },
    /// Postgres refused.
    #[error("{what}")]
    Postgres {
        /// What was being done.
        what: String,
        /// What the client said.
        #[source]
        source: sqlx::Error,
    },
    /// The file system refused.
    #[error("{what} {}", .path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A process could not be started or signalled.
    #[error("{what}")]
    Process {
        /// What was being done.
        what: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Shorthand for the crate.
pub type Result<T, E = StackError> = std::result::Result<T, E>;

/// Names the file in an IO error, which the system's own message leaves out.
pub(crate) trait AtPath<T> {
    fn at(self, what: &'static str, path: &Path) -> Result<T>;
}

impl<T> AtPath<T> for std::io::Result<T> {
    fn at(self, what: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| StackError::Io {
            what,
            path: path.to_owned(),
            source,
        })
    }
}

impl StackError {
    /// Whether the way out is to install, choose or correct something, rather than to look for a fault.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::ProgramMissing { .. }
                | Self::ProgramTooOld { .. }
                | Self::PortTaken { .. }
                | Self::FolderInUse { .. }
                | Self::NotOurFolder { .. }
        )
    }
}
