//! What the scripts decide on machines that this one is not, with stubs for the programs they ask.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test may panic like the test itself"
)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// What the scripts use besides the stubs.
const TOOLS: [&str; 9] = [
    "bash", "env", "dirname", "sed", "head", "cat", "id", "sort", "cut",
];

/// A folder of programs that is a whole PATH.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for tool in TOOLS {
            let place = ["/usr/bin", "/bin"].map(|dir| Path::new(dir).join(tool));
            let real = place.iter().find(|path| path.exists()).unwrap();
            std::os::unix::fs::symlink(real, dir.path().join(tool)).unwrap();
        }
        Self(dir)
    }

    fn stub(self, name: &str, script: &str) -> Self {
        let path = self.0.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn chromium(&self, args: &[&str]) -> std::process::Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/chromium.sh");
        Command::new(script)
            .args(args)
            .env_clear()
            .env("PATH", self.0.path())
            .output()
            .unwrap()
    }

    fn says_yes(&self, arg: &str) -> bool {
        self.chromium(&[arg]).status.success()
    }
}

#[test]
fn a_package_that_only_asks_for_a_snap_is_no_chromium() {
    let debian = Machine::new().stub("apt-cache", "echo 'Version: 126.0.6478.56-1~deb12u1'");
    assert!(debian.says_yes("--packaged"));
    let ubuntu = Machine::new().stub("apt-cache", "echo 'Version: 2:1snap1-0ubuntu2'");
    assert!(!ubuntu.says_yes("--packaged"));
    let none = Machine::new().stub("apt-cache", "echo 'N: No packages found' >&2; exit 100");
    assert!(!none.says_yes("--packaged"));
}

#[test]
fn a_stub_on_the_path_is_passed_over_for_a_browser_that_starts() {
    let stub = "echo 'requires the chromium snap to be installed' >&2; exit 1";
    let ubuntu = Machine::new()
        .stub("chromium", stub)
        .stub("google-chrome", "echo 126");
    assert!(ubuntu.says_yes("--check"));
    let path = ubuntu.chromium(&[]).stdout;
    let path = String::from_utf8(path).unwrap();
    assert!(path.trim_end().ends_with("/google-chrome"), "{path}");
}
