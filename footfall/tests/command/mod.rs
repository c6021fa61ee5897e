//! The binary as a person or a script calls it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The binary in an environment of its own: what the tester has set must not matter.
pub(crate) fn footfall(workdir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_footfall"));
    command.args(args).current_dir(workdir);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FOOTFALL_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

pub(crate) fn output(workdir: &Path, args: &[&str]) -> Output {
    footfall(workdir, args).output().unwrap()
}

pub(crate) fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
