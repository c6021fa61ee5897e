//! A role with another clock than everybody else's, by `faketime`.

use std::ffi::OsString;
use std::path::PathBuf;

use stack::Launch;

use super::{Unavailable, run};

/// Where Debian keeps the library of its package `faketime`; the folder's name depends on the processor.
const LIBRARY: &str = "faketime/libfaketime.so.1";

/// A clock that is wrong by a fixed amount.
#[derive(Clone, Debug)]
pub struct Clock {
    library: PathBuf,
    /// As `faketime` takes it: `-1h`, `+3600`.
    offset: String,
}

impl Clock {
    /// A clock that differs by `offset`, such as `-1h` or `+1d`.
    ///
    /// # Errors
    /// [`Unavailable`] where `faketime` is not installed.
    pub fn shifted(offset: &str) -> Result<Self, Unavailable> {
        let what = "another clock for one process";
        run(what, "faketime", &["--version"]).map_err(|_| {
            Unavailable::new(what, "apt-get install faketime brings what is missing")
        })?;
        let folders = std::fs::read_dir("/usr/lib")
            .into_iter()
            .flatten()
            .flatten();
        let library = folders
            .map(|folder| folder.path().join(LIBRARY))
            .find(|library| library.is_file())
            .ok_or_else(|| Unavailable::new(what, format!("no /usr/lib/*/{LIBRARY}")))?;
        Ok(Self {
            library,
            offset: offset.to_owned(),
        })
    }

    /// What the process's environment needs. The monotonic clock stays true, as it does when somebody sets a machine's clock.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, OsString); 3] {
        [
            ("LD_PRELOAD", self.library.clone().into()),
            ("FAKETIME", self.offset.clone().into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ]
    }

    /// The same launch under this clock.
    #[must_use]
    pub fn apply(&self, launch: Launch) -> Launch {
        let variables = self.environment().into_iter();
        variables.fold(launch, |launch, (name, value)| launch.env(name, value))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn seconds(environment: &[(&'static str, OsString)]) -> i64 {
        let mut date = Command::new("date");
        date.arg("+%s")
            .envs(environment.iter().map(|(name, value)| (name, value)));
        let output = date.output().unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    }

    #[test]
    fn a_shifted_clock_is_an_hour_behind() {
        let clock = match Clock::shifted("-1h") {
            Ok(clock) => clock,
            Err(why) => return eprintln!("SKIPPED: {why}"),
        };
        let behind = seconds(&[]) - seconds(&clock.environment());
        assert!((3590..=3610).contains(&behind), "{behind} s");
    }
}
