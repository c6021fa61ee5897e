//! The board on which children note their pids; every change is in `run.json` before anything else happens.

use std::sync::{Mutex, PoisonError};

use stack::Folder;

use crate::run_file::RunFile;

/// What is known of the running children.
#[derive(Debug)]
pub(crate) struct Board {
    folder: Folder,
    file: Mutex<RunFile>,
}

impl Board {
    /// A board in `folder`, written at once.
    pub(crate) fn new(folder: Folder, file: RunFile) -> anyhow::Result<Self> {
        file.write(&folder)?;
        Ok(Self {
            folder,
            file: Mutex::new(file),
        })
    }

    /// Notes that `name` runs as `pid`.
    pub(crate) fn started(&self, name: &str, pid: u32) -> anyhow::Result<()> {
        self.change(|file| {
            file.pids.insert(name.to_owned(), pid);
        })
    }

    /// Notes that `name` does not run.
    pub(crate) fn ended(&self, name: &str) -> anyhow::Result<()> {
        self.change(|file| {
            file.pids.remove(name);
        })
    }

    /// The present state.
    pub(crate) fn read(&self) -> RunFile {
        self.file
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn change(&self, change: impl FnOnce(&mut RunFile)) -> anyhow::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut file);
        file.write(&self.folder)
    }
}
