//! `footfall up`, `down` and `status` as a person or a script uses them: the real binary, real servers, real signals.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test may panic like the test itself"
)]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};
use stack::{Identity, Signal};

mod command;
use command::{footfall, output, text};

/// `up` promises to have ended everything by then.
const ENDS_WITHIN: Duration = Duration::from_secs(15);

/// Generous: the machine may be busy with other tests.
const STARTS_WITHIN: Duration = Duration::from_secs(120);

/// A running `up` with servers at free ports. Ended with its children when dropped.
struct Up {
    workdir: tempfile::TempDir,
    child: Child,
}

impl Up {
    const SERVERS_ONLY: [&str; 8] = [
        "--gateways",
        "0",
        "--consumers",
        "0",
        "--apis",
        "0",
        "--simulate",
        "none",
    ];

    fn start(workdir: tempfile::TempDir, args: &[&str]) -> Self {
        let ports = [
            "--kafka-port",
            "0",
            "--postgres-port",
            "0",
            "--redis-port",
            "0",
        ];
        let log = std::fs::File::create(workdir.path().join("up.log")).unwrap();
        let child = footfall(workdir.path(), &["up"])
            .args(ports)
            .args(args)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut up = Self { workdir, child };
        up.wait_for("the start", STARTS_WITHIN, |up| {
            up.said().contains("\nready ")
        });
        up
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.workdir.path().join("up.log")).unwrap()
    }

    fn run_json(&self) -> Option<serde_json::Value> {
        let text = std::fs::read(self.workdir.path().join(".footfall/run.json")).ok()?;
        Some(serde_json::from_slice(&text).unwrap())
    }

    fn pids(&self) -> BTreeMap<String, u32> {
        serde_json::from_value(self.run_json().unwrap()["pids"].clone()).unwrap()
    }

    fn postgres_url(&self) -> String {
        self.run_json().unwrap()["postgres"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    fn wait_for(&mut self, what: &str, within: Duration, mut is_so: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + within;
        while !is_so(self) {
            assert!(
                Instant::now() < deadline,
                "waited in vain for {what}; up said:\n{}",
                self.said()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn signal(&self, signal: Signal) {
        assert!(Identity::of(self.child.id()).unwrap().signal(signal));
    }

    /// Waits for the end and for the last of the children, and gives the status.
    fn end(mut self) -> (Option<i32>, tempfile::TempDir) {
        self.wait_for("the end", ENDS_WITHIN, |up| {
            up.child.try_wait().unwrap().is_some()
        });
        let status = self.child.wait().unwrap();
        assert_eq!(processes_in(self.workdir.path()), Vec::<String>::new());
        (
            status.code(),
            std::mem::replace(&mut self.workdir, tempfile::tempdir().unwrap()),
        )
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // Already ended in a test that went well. Otherwise the kernel ends the children after it.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Processes whose working folder lies in `dir`.
fn processes_in(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap();
    let inside = |path: &std::path::PathBuf| {
        std::fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd.starts_with(dir))
    };
    let describe = |path: std::path::PathBuf| {
        let command = std::fs::read_to_string(path.join("cmdline")).unwrap_or_default();
        format!("{}: {}", path.display(), command.replace('\0', " "))
    };
    entries
        .map(|entry| entry.unwrap().path())
        .filter(inside)
        .map(describe)
        .collect()
}

fn execute(url: &str, statement: &'static str) -> Result<(), sqlx::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::query(statement).execute(&mut connection).await?;
        connection.close().await
    })
}

/// Every server answers, and one that is frozen does not, though it has a pid.
fn check_status(up: &mut Up) {
    let dir = up.workdir.path().to_owned();
    up.wait_for("servers that answer", STARTS_WITHIN, |_| {
        output(&dir, &["status"]).status.code() == Some(0)
    });
    let status = output(&dir, &["status"]);
    for name in ["kafka", "postgres", "redis"] {
        assert!(text(&status).contains(name), "{}", text(&status));
    }

    let redis = Identity::of(up.pids()["redis"]).unwrap();
    assert!(redis.signal(Signal::STOP));
    let status = output(up.workdir.path(), &["status"]);
    assert_eq!(status.status.code(), Some(1), "{}", text(&status));
    assert!(
        text(&status).contains("FAIL  redis"),
        "a frozen server has a pid too: {}",
        text(&status)
    );
    assert!(redis.signal(Signal::CONT));
}

#[test]
fn what_dies_is_started_again_and_ctrl_c_ends_everything_and_keeps_the_data() {
    let mut up = Up::start(tempfile::tempdir().unwrap(), &Up::SERVERS_ONLY);
    let run_json = up.workdir.path().join(".footfall/run.json");
    let mode = std::fs::metadata(&run_json).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "run.json holds a password");
    let is_outside = up.workdir.path().join(".footfall/postgres/elsewhere");
    assert_eq!(
        is_outside.is_file(),
        up.said().contains("postgres   data in /var/lib/footfall/"),
        "{}",
        up.said()
    );
    let before = up.pids();
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        ["kafka", "postgres", "redis"]
    );
    execute(
        &up.postgres_url(),
        "create table note as select 1 as number",
    )
    .unwrap();

    for pid in before.values() {
        assert!(Identity::of(*pid).unwrap().signal(Signal::KILL));
    }
    up.wait_for("other pids in run.json", STARTS_WITHIN, |up| {
        let now = up.pids();
        before
            .iter()
            .all(|(name, pid)| now.get(name).is_some_and(|now| now != pid))
    });
    let url = up.postgres_url();
    up.wait_for("a Postgres that answers", STARTS_WITHIN, |_| {
        execute(&url, "select number from note").is_ok()
    });

    check_status(&mut up);

    up.signal(Signal::INT);
    let (code, workdir) = up.end();
    assert_eq!(code, Some(0));
    assert!(!run_json.exists());
    let status = output(workdir.path(), &["status"]);
    assert_eq!(
        status.status.code(),
        Some(1),
        "nothing runs, and status says so by its code"
    );

    let up = Up::start(workdir, &Up::SERVERS_ONLY);
    execute(&up.postgres_url(), "select number from note").unwrap();
    up.signal(Signal::TERM);
    let (code, workdir) = up.end();
    assert_eq!(code, Some(0));

    let fresh = [&Up::SERVERS_ONLY[..], &["--fresh"]].concat();
    let up = Up::start(workdir, &fresh);
    assert!(
        execute(&up.postgres_url(), "select number from note").is_err(),
        "--fresh starts over"
    );
    up.signal(Signal::INT);
    up.end();
}

#[test]
fn a_killed_up_takes_its_children_along_and_down_ends_a_living_one() {
    let args = [&Up::SERVERS_ONLY[..], &["--kafka", "mock", "--fresh"]].concat();
    let mut up = Up::start(tempfile::tempdir().unwrap(), &args);
    assert!(
        up.said().contains("MOCK CLUSTER: every record is lost"),
        "{}",
        up.said()
    );
    let children: Vec<Identity> = up
        .pids()
        .values()
        .map(|pid| Identity::of(*pid).unwrap())
        .collect();
    up.signal(Signal::KILL);
    up.child.wait().unwrap();
    up.wait_for("the end of the orphans", ENDS_WITHIN, |_| {
        children.iter().all(|child| !child.is_alive())
    });
    let (_, workdir) = up.end();
    let refused = output(workdir.path(), &["up", "--kafka", "mock"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused).contains("expected --fresh to wipe them"),
        "{}",
        text(&refused)
    );
    let down = output(workdir.path(), &["down"]);
    assert!(down.status.success(), "{}", text(&down));

    let up = Up::start(workdir, &args);
    let refused = footfall(up.workdir.path(), &["up"])
        .args(&args)
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(
        text(&refused).contains("in use by another running stack"),
        "{}",
        text(&refused)
    );
    let down = output(up.workdir.path(), &["down"]);
    assert!(
        down.status.success() && text(&down).contains("nothing runs in .footfall any more"),
        "{}",
        text(&down)
    );
    let (code, workdir) = up.end();
    assert_eq!(code, Some(0), "down asks for an orderly end");
    let down = output(workdir.path(), &["down"]);
    assert!(
        down.status.success() && text(&down).contains("nothing runs"),
        "{}",
        text(&down)
    );
}

#[test]
fn tables_that_were_made_from_another_kafka_are_refused_before_any_role_starts() {
    let servers = ["--gateways", "0", "--apis", "0", "--simulate", "none"];
    let mock = [&servers[..], &["--kafka", "mock", "--fresh"]].concat();
    let mut up = Up::start(tempfile::tempdir().unwrap(), &mock);
    let url = up.postgres_url();
    up.wait_for("the note of a consumer", STARTS_WITHIN, |_| {
        execute(&url, "select 1 / count(*) from log_origin").is_ok()
    });
    up.signal(Signal::INT);
    let (code, workdir) = up.end();
    assert_eq!(code, Some(0));

    let ports = ["--kafka-port", "0", "--postgres-port", "0"];
    let refused = footfall(workdir.path(), &["up", "--redis-port", "0"])
        .args(ports)
        .args(servers)
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(
        text(&refused).contains("belongs to another Kafka (cluster mockCluster"),
        "{}",
        text(&refused)
    );
    assert_eq!(processes_in(workdir.path()), Vec::<String>::new());
}
