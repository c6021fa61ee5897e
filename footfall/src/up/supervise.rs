//! Keeps children running: one that ends is started again, sooner if it ran for a while, later if it keeps ending.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use stack::{Folder, Launch, Process, Server};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::board::Board;

/// How often children are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The first pause before a child is started again, doubled each time up to the last.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// A child that ran this long is healthy; its next end is a new story.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// The status of a usage or configuration error, which no restart can heal.
const EXIT_USAGE: i32 = 2;

/// When a child is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restart {
    /// Whenever it ends: it has no reason to.
    Always,
    /// Unless it ended with success: it may have finished its work.
    OnFailure,
}

/// A child and how it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// What is started.
    pub(crate) launch: Launch,
    /// Arguments that it gets the first time only.
    pub(crate) first_args: Vec<String>,
    /// When it is started again.
    pub(crate) restart: Restart,
    /// How long it may take to end in order.
    pub(crate) patience: Duration,
}

/// What every keeper needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ward<'a> {
    pub(crate) folder: &'a Folder,
    pub(crate) board: &'a Board,
    pub(crate) shutdown: &'a CancellationToken,
}

/// Runs a child until shutdown, then stops it in order.
///
/// # Errors
/// When it says that its configuration is wrong, or when `run.json` cannot be written.
pub(crate) async fn keep(kept: &Kept, ward: Ward<'_>) -> anyhow::Result<()> {
    let name = kept.launch.name.as_str();
    let mut backoff = Backoff::default();
    let mut launch = kept.launch.clone().args(kept.first_args.clone());
    loop {
        let began = Instant::now();
        let mut process = Process::start(&launch, ward.folder)?;
        ward.board.started(name, process.pid())?;
        let status = tokio::select! {
            status = ended(|| process.exited()) => status,
            () = ward.shutdown.cancelled() => {
                if process.stop(kept.patience).await {
                    warn!(process.name = name, "{name} had to be killed");
                }
                return ward.board.ended(name);
            }
        };
        ward.board.ended(name)?;
        if status.code() == Some(EXIT_USAGE) {
            let tail = ward.folder.log_tail(name, 5);
            return Err(crate::exit::usage(format!(
                "{name} refuses its configuration:\n{tail}"
            )));
        }
        if kept.restart == Restart::OnFailure && status.success() {
            info!(process.name = name, "{name} has finished");
            return Ok(());
        }
        let pause = backoff.next(began.elapsed());
        warn!(
            process.name = name,
            "{name} ended ({status}), starting it again in {pause:?}"
        );
        if pause_is_cut(pause, ward.shutdown).await {
            return Ok(());
        }
        launch.clone_from(&kept.launch);
    }
}

/// Starts a server of the stack again whenever it ends, until shutdown. Stopping it is the stack's part.
///
/// # Errors
/// When `run.json` cannot be written.
pub(crate) async fn keep_server(server: &Server, ward: Ward<'_>) -> anyhow::Result<()> {
    let name = server.name();
    let mut backoff = Backoff::default();
    let mut began = Instant::now();
    loop {
        let status = tokio::select! {
            status = ended(|| server.died()) => status,
            () = ward.shutdown.cancelled() => return Ok(()),
        };
        ward.board.ended(name)?;
        warn!(
            process.name = name,
            "{name} ended ({status}), starting it again"
        );
        loop {
            if pause_is_cut(backoff.next(began.elapsed()), ward.shutdown).await {
                return Ok(());
            }
            began = Instant::now();
            let outcome = tokio::select! {
                outcome = server.start() => outcome,
                noted = note_pids(server, ward.board) => return noted,
                () = ward.shutdown.cancelled() => return Ok(()),
            };
            match outcome {
                Ok(()) => {
                    if let Some(pid) = server.pid() {
                        ward.board.started(name, pid)?;
                    }
                    // Without a pid it has ended again already, which the next look finds.
                    break;
                }
                Err(error) => {
                    error!(process.name = name, "{name} does not start: {error}");
                    server.stop().await;
                }
            }
        }
    }
}

/// Notes the pid of a server that is starting, which it may be for a while. Ends with an error only.
async fn note_pids(server: &Server, board: &Board) -> anyhow::Result<()> {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let mut noted = None;
    loop {
        looks.tick().await;
        let pid = server.pid();
        if let Some(pid) = pid.filter(|_| pid != noted) {
            board.started(server.name(), pid)?;
            noted = Some(pid);
        }
    }
}

async fn ended(mut look: impl FnMut() -> Option<ExitStatus>) -> ExitStatus {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        looks.tick().await;
        if let Some(status) = look() {
            return status;
        }
    }
}

async fn pause_is_cut(pause: Duration, shutdown: &CancellationToken) -> bool {
    tokio::time::timeout(pause, shutdown.cancelled())
        .await
        .is_ok()
}

/// The pauses between restarts.
#[derive(Debug, Default)]
struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after a run of this length.
    fn next(&mut self, ran: Duration) -> Duration {
        if ran >= HEALTHY_AFTER {
            self.failures = 0;
        }
        let pause = PAUSE_FIRST
            .saturating_mul(2_u32.saturating_pow(self.failures))
            .min(PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        pause
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use stack::Identity;

    use super::*;
    use crate::run_file::RunFile;

    struct Site {
        _temp: tempfile::TempDir,
        folder: Folder,
        board: Board,
        shutdown: CancellationToken,
    }

    impl Site {
        fn new() -> Self {
            let temp = tempfile::tempdir().unwrap();
            let folder = Folder::at(temp.path()).unwrap();
            folder.lock().unwrap();
            let file = RunFile {
                http: String::new(),
                mqtt: String::new(),
                mqtts: None,
                broker: None,
                kafka: String::new(),
                postgres: String::new(),
                redis: String::new(),
                admin: BTreeMap::new(),
                pids: BTreeMap::new(),
                http_all: Vec::new(),
                mqtt_all: Vec::new(),
                supervisor: Identity::of(std::process::id()).unwrap(),
            };
            let board = Board::new(folder.clone(), file).unwrap();
            Self {
                _temp: temp,
                folder,
                board,
                shutdown: CancellationToken::new(),
            }
        }

        fn ward(&self) -> Ward<'_> {
            Ward {
                folder: &self.folder,
                board: &self.board,
                shutdown: &self.shutdown,
            }
        }

        fn shell(script: &str, restart: Restart) -> Kept {
            Kept {
                launch: Launch::new("child", "/bin/sh", "/").args(["-c", script, "sh"]),
                first_args: Vec::new(),
                restart,
                patience: Duration::from_secs(5),
            }
        }

        /// The pid in `run.json`, once it is another one than `before`.
        async fn next_pid(&self, before: Option<u32>) -> u32 {
            let deadline = Instant::now() + Duration::from_secs(10);
            loop {
                let file = RunFile::read(&self.folder).unwrap().unwrap();
                if let Some(pid) = file.pids.get("child").filter(|pid| Some(**pid) != before) {
                    return *pid;
                }
                assert!(
                    Instant::now() < deadline,
                    "no other child than {before:?} was started"
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    #[tokio::test]
    async fn a_killed_child_is_started_again_and_run_json_says_so() {
        let site = Site::new();
        let child = Site::shell("exec sleep 60", Restart::Always);
        let script = async {
            let first = site.next_pid(None).await;
            assert!(Identity::of(first).unwrap().signal(stack::Signal::KILL));
            let second = site.next_pid(Some(first)).await;
            site.shutdown.cancel();
            second
        };
        let (outcome, second) = tokio::join!(keep(&child, site.ward()), script);
        outcome.unwrap();
        assert!(
            Identity::of(second).is_none(),
            "the child outlived the shutdown"
        );
        assert!(
            RunFile::read(&site.folder)
                .unwrap()
                .unwrap()
                .pids
                .is_empty()
        );
    }

    #[tokio::test]
    async fn a_child_that_finished_its_work_is_left_alone_if_it_may() {
        let site = Site::new();
        keep(&Site::shell("exit 0", Restart::OnFailure), site.ward())
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_child_that_refuses_its_configuration_ends_everything_with_its_own_words() {
        let site = Site::new();
        let child = Site::shell(
            "echo '--workers is \"0\", expected 1 to 64'; exit 2",
            Restart::Always,
        );
        let error = keep(&child, site.ward()).await.unwrap_err();
        assert!(error.to_string().contains("expected 1 to 64"), "{error}");
    }

    #[tokio::test]
    async fn the_first_start_alone_gets_the_first_arguments() {
        let site = Site::new();
        let mut child = Site::shell("echo \"got $*.\"; test -z \"$1\"", Restart::OnFailure);
        child.first_args = vec!["--history".to_owned()];
        keep(&child, site.ward()).await.unwrap();
        assert_eq!(site.folder.log_tail("child", 5), "got --history.\ngot .");
    }

    #[test]
    fn pauses_double_up_to_a_cap_and_begin_anew_after_a_healthy_run() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u128> = (0..8)
            .map(|_| backoff.next(Duration::ZERO).as_millis())
            .collect();
        assert_eq!(pauses, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(backoff.next(HEALTHY_AFTER), PAUSE_FIRST);
    }
}
