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
    fn an_account_is_found_by_its_whole_name() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\npostgres-old:x:9:9::/:/bin/sh\npostgres:x:101:104:,,,:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(
            parse_account(passwd, "postgres"),
            Some(Account { uid: 101, gid: 104 })
        );
        assert_eq!(parse_account(passwd, "redis"), None);
    }
}
