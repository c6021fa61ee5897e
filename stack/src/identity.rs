//! Which process a pid means. Pids are used again, so a pid alone must never be signalled: an [`Identity`] is the pid together
//! with the moment of birth, and every signal checks both.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

/// How often a process that should end is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A process, told apart from a later one with the same pid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The pid.
    pub pid: u32,
    /// When it was born, in the system's own words: boot and clock tick on Linux, a date elsewhere.
    pub birth: String,
}

impl Identity {
    /// Who has this pid now; `None` when nobody has, or a zombie that only waits to be reaped.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let birth = if Path::new("/proc/self/stat").exists() {
            birth_from_proc(pid)?
        } else {
            birth_from_ps(pid)?
        };
        Some(Self { pid, birth })
    }

    /// Whether exactly this process still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Signals exactly this process; `false` when it no longer runs.
    pub fn signal(&self, signal: Signal) -> bool {
        self.is_alive()
            && i32::try_from(self.pid)
                .ok()
                .and_then(Pid::from_raw)
                .is_some_and(|pid| rustix::process::kill_process(pid, signal).is_ok())
    }

    /// Ends the process: `polite` first, SIGKILL once `patience` is over. Returns whether the polite way was enough.
    pub async fn end(&self, polite: Signal, patience: Duration) -> bool {
        if !self.signal(polite) {
            return true;
        }
        let deadline = Instant::now() + patience;
        while self.is_alive() {
            if Instant::now() >= deadline {
                // The result does not matter: either it dies now or it died a moment ago.
                self.signal(Signal::KILL);
                while self.is_alive() && Instant::now() < deadline + patience {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                return false;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        true
    }
}

/// Fields 3 (state) and 22 (start time, ticks since boot) of `/proc/PID/stat`. The second field is the program's name in
/// parentheses and may itself hold spaces and parentheses, so counting begins after the last one.
fn birth_from_proc(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    let ticks = fields.nth(18)?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Some(format!(
        "{}-{ticks}",
        boot.split('-').next().unwrap_or_default().trim()
    ))
}

/// Systems without `/proc` (macOS).
fn birth_from_ps(pid: u32) -> Option<String> {
    let output = Command::new("ps")
        .args(["-o", "stat=,lstart=", "-p", &pid.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (state, birth) = text.trim().split_once(char::is_whitespace)?;
    (!state.starts_with('Z')).then(|| birth.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_process_is_recognised_and_another_birth_is_not() {
        let own = Identity::of(std::process::id()).unwrap();
        assert!(own.is_alive());
        let earlier = Identity {
            birth: "other-1".to_owned(),
            ..own
        };
        assert!(!earlier.is_alive());
        assert!(
            !earlier.signal(Signal::KILL),
            "a foreign process must not be signalled"
        );
    }

    #[test]
    fn a_zombie_counts_as_dead() {
        let mut child = Command::new("true").spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        while Identity::of(child.id()).is_some() {
            assert!(Instant::now() < deadline, "`true` did not end");
            std::thread::sleep(LOOK_EVERY);
        }
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn a_process_that_ignores_the_polite_signal_is_killed() {
        let mut child = Command::new("sh")
            .args([
                "-c",
                "trap '' TERM; echo ready; while :; do sleep 0.05; done",
            ])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(
            &mut std::io::BufReader::new(child.stdout.take().unwrap()),
            &mut line,
        )
        .unwrap();
        let identity = Identity::of(child.id()).unwrap();
        assert!(!identity.end(Signal::TERM, Duration::from_millis(200)).await);
        assert!(!identity.is_alive());
        child.wait().unwrap();
    }
}
