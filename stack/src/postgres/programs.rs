//! Which installed Postgres is used.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{MAJOR_MIN, NAME, PACKAGE};
use crate::error::{Result, StackError};
use crate::program;

/// Where Debian keeps the server's programs, by major version and off the PATH.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The folder of `postgres` and `initdb`: of the very version that made the cluster, else the newest.
pub(super) fn programs(cluster: &Path) -> Result<PathBuf> {
    let wanted = fs::read_to_string(cluster.join("PG_VERSION"))
        .ok()
        .and_then(|version| version.trim().parse::<u32>().ok());
    let candidates = candidates();
    let found = match wanted {
        Some(wanted) => candidates.iter().find(|(major, _)| *major == wanted),
        None => candidates.first(),
    };
    match found {
        Some((major, dir)) if *major >= MAJOR_MIN => Ok(dir.clone()),
        Some((major, _)) => Err(StackError::ProgramTooOld {
            program: NAME.to_owned(),
            found: major.to_string(),
            needed: MAJOR_MIN.to_string(),
            install: program::install_command(PACKAGE),
        }),
        None => Err(match wanted {
            Some(wanted) => program::missing(
                &format!("postgres {wanted}, which made {},", cluster.display()),
                &format!("{PACKAGE}-{wanted}"),
            ),
            None => program::missing("postgres (the server, with initdb)", PACKAGE),
        }),
    }
}

/// Installed servers, newest first: Debian's versioned folders and the PATH.
fn candidates() -> Vec<(u32, PathBuf)> {
    let debian = fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let on_path = program::on_path("initdb").and_then(|path| path.parent().map(Path::to_owned));
    let mut found: Vec<(u32, PathBuf)> = debian
        .chain(on_path)
        .filter(|dir| dir.join("initdb").is_file() && dir.join("postgres").is_file())
        .filter_map(|dir| Some((major_of(&dir)?, dir)))
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found
}

/// From `postgres (PostgreSQL) 15.12 (Debian …)`.
fn major_of(dir: &Path) -> Option<u32> {
    let output = Command::new(dir.join("postgres"))
        .arg("--version")
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.split_ascii_whitespace().nth(2)?;
    version
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installed_server_is_found_with_its_version() {
        let (major, dir) = candidates().into_iter().next().unwrap();
        assert!(major >= MAJOR_MIN && dir.join("initdb").is_file());
    }
}
