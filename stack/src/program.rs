//! Finding the programs we need, and saying how to get the ones that are missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::error::{Result, StackError};

/// A user account of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
}

/// Finds `name` on the PATH; `package` is what Debian and Ubuntu call the package that brings it.
pub(crate) fn find(name: &str, package: &str) -> Result<PathBuf> {
    on_path(name).ok_or_else(|| missing(name, package))
}

/// The error for a program that is not installed.
pub(crate) fn missing(name: &str, package: &str) -> StackError {
    StackError::ProgramMissing {
        program: name.to_owned(),
        install: install_command(package),
    }
}

/// The command that installs a Debian package, as this user would type it.
pub(crate) fn install_command(package: &str) -> String {
    let sudo = if is_root() { "" } else { "sudo " };
    if Path::new("/etc/debian_version").exists() {
        format!("{sudo}apt-get install {package}")
    } else {
        format!("your package manager's equivalent of Debian's `{package}`")
    }
}

/// The first file called `name` in the folders of PATH.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|candidate| candidate.is_file())
}

/// Where Debian and its kin keep every Java, whichever of them the PATH means.
const JAVAS: &str = "/usr/lib/jvm";

/// A Java of at least this major version: `$JAVA_HOME`'s, the PATH's, else any that is installed.
pub(crate) fn java(major_min: u32) -> Result<PathBuf> {
    let home = std::env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin/java"));
    let installed = fs::read_dir(JAVAS).into_iter().flatten();
    let installed = installed.filter_map(|entry| Some(entry.ok()?.path().join("bin/java")));
    let mut newest_too_old = None;
    for java in home.into_iter().chain(on_path("java")).chain(installed) {
        match java.is_file().then(|| java_major(&java)) {
            None => {}
            Some(Some(major)) if major < major_min => {
                newest_too_old = newest_too_old.max(Some(major));
            }
            // One that does not say what it is gets its chance; if it is too old, its own words end up in Kafka's log.
            Some(_) => return Ok(java),
        }
    }
    // The distribution's own: the newest ones have dropped 17, and none that we support has an older one.
    let package = "default-jre-headless";
    Err(match newest_too_old {
        None => missing("java", package),
        Some(found) => StackError::ProgramTooOld {
            program: "java".to_owned(),
            found: found.to_string(),
            needed: major_min.to_string(),
            install: install_command(package),
        },
    })
}

/// The major version of a Java, from the `release` file beside its programs: starting it to ask would cost 50 ms.
fn java_major(java: &Path) -> Option<u32> {
    let home = fs::canonicalize(java).ok()?.parent()?.parent()?.to_owned();
    release_major(&fs::read_to_string(home.join("release")).ok()?)
}

/// `JAVA_VERSION="17.0.15"`; before Java 9 it was `"1.8.0_292"`.
fn release_major(release: &str) -> Option<u32> {
    let version = release
        .lines()
        .find_map(|line| line.strip_prefix("JAVA_VERSION=\""))?;
    version
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

/// util-linux's `setpriv`; not on macOS.
pub(crate) fn setpriv() -> Option<&'static Path> {
    static FOUND: LazyLock<Option<PathBuf>> = LazyLock::new(|| on_path("setpriv"));
    FOUND.as_deref()
}

/// Whether we run as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Looks an account up in `/etc/passwd`.
pub(crate) fn account(name: &str) -> Option<Account> {
    parse_account(&fs::read_to_string("/etc/passwd").ok()?, name)
}

fn parse_account(passwd: &str, name: &str) -> Option<Account> {
    let fields: Vec<&str> = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.first() == Some(&name))?;
    Some(Account {
        uid: fields.get(2)?.parse().ok()?,
        gid: fields.get(3)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_the_command_that_installs_it() {
        let message = find("no-such-server", "no-such-package")
            .unwrap_err()
            .to_string();
        assert!(
            message.starts_with("no-such-server was not found: install it with `"),
            "{message}"
        );
        assert!(message.contains("no-such-package"), "{message}");
    }

    #[test]
    fn a_java_that_is_too_old_is_not_taken() {
        assert_eq!(
            release_major("IMPLEMENTOR=\"Debian\"\nJAVA_VERSION=\"17.0.15\"\n"),
            Some(17)
        );
        assert_eq!(release_major("JAVA_VERSION=\"1.8.0_292\""), Some(1));
        let java = java(17).unwrap();
        assert!(
            java_major(&java).is_none_or(|major| major >= 17),
            "{}",
            java.display()
        );
        let message = super::java(999).unwrap_err().to_string();
        assert!(message.contains("at least 999 is needed"), "{message}");
        assert!(message.contains("default-jre-headless"), "{message}");
    }

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\npostgres-old:x:9:9::/:/bin/sh\npostgres:x:101:104:,,,:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(
            parse_account(passwd, "postgres"),
            Some(Account { uid: 101, gid: 104 })
        );
        assert_eq!(parse_account(passwd, "redis"), None);
    }
}
