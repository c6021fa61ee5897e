//! `footfall status`: one line per process of a running `up`: pid, health, and how far the consumers are behind.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use chassis::kafka::KafkaArgs;
use stack::leftover::recorded;
use stack::{Folder, Identity};

use crate::exit::WRONG;
use crate::run_file::RunFile;
use crate::{groups, http, output};

/// How long Kafka may take to say how far the groups are.
const LAG_WITHIN: Duration = Duration::from_secs(10);

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of the stack
    #[arg(long, env = "FOOTFALL_DIR", default_value = ".footfall")]
    dir: PathBuf,
    /// The topic prefix that `up` was started with
    #[arg(
        long,
        env = "FOOTFALL_TOPIC_PREFIX",
        default_value = "",
        value_name = "TEXT"
    )]
    topic_prefix: String,
}

/// How one process is.
struct Line {
    name: String,
    pid: Option<u32>,
    is_well: bool,
    health: String,
    lag: String,
}

/// Runs the subcommand.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let folder = Folder::at(&args.dir)?;
    let Some(run) = RunFile::read(&folder)?.filter(|run| run.supervisor.is_alive()) else {
        output::say(&format!("nothing runs in {}", args.dir.display()));
        return Ok(ExitCode::from(WRONG));
    };
    let lag = lag(&run, args.topic_prefix).await;
    let alive: Vec<(String, Identity)> = recorded(&folder)?
        .into_iter()
        .filter(|(_, identity)| identity.is_alive())
        .collect();
    let mut lines = Vec::new();
    for name in names(&run) {
        let pid = run.pids.get(&name).copied();
        let is_alive = alive
            .iter()
            .any(|(alive, identity)| *alive == name && Some(identity.pid) == pid);
        let (is_well, health) = match run.admin.get(&name) {
            _ if !is_alive => (false, "not running".to_owned()),
            Some(admin) => ask(admin).await,
            None => (true, "running".to_owned()),
        };
        let lag = if name.starts_with("consumer-") {
            lag.clone()
        } else {
            String::new()
        };
        lines.push(Line {
            name,
            pid,
            is_well,
            health,
            lag,
        });
    }
    let is_well = lines.iter().all(|line| line.is_well);
    print(&lines);
    Ok(if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(WRONG)
    })
}

/// Every process that should be there: those with a pid now and those with an admin server, servers first.
fn names(run: &RunFile) -> Vec<String> {
    let mut names: Vec<String> = run.pids.keys().chain(run.admin.keys()).cloned().collect();
    names.sort_by_key(|name| (!stack::server::NAMES.contains(&name.as_str()), name.clone()));
    names.dedup();
    names
}

/// `/readyz`; what is wrong is in the answer's lines that do not begin with `ok`.
async fn ask(admin: &str) -> (bool, String) {
    match http::get(&format!("{admin}/readyz")).await {
        Ok(answer) if answer.is_success => (true, "ready".to_owned()),
        Ok(answer) => {
            let wrong = answer.text.lines().filter(|line| !line.starts_with("ok"));
            (
                false,
                format!("not ready: {}", wrong.collect::<Vec<_>>().join("; ")),
            )
        }
        Err(error) => (false, format!("does not answer: {error}")),
    }
}

/// The lag of all groups together; the consumers share it.
async fn lag(run: &RunFile, topic_prefix: String) -> String {
    let kafka = KafkaArgs {
        kafka: run.kafka.clone(),
        topic_prefix,
    };
    let asked = tokio::task::spawn_blocking(move || groups::groups(&kafka));
    match tokio::time::timeout(LAG_WITHIN, asked).await {
        Ok(Ok(Ok(groups))) => {
            let behind = groups.iter().map(|group| {
                let records: i64 = group.lag.iter().map(|lag| lag.records).sum();
                format!("{} {records}", group.name)
            });
            let behind: Vec<String> = behind.collect();
            if behind.is_empty() {
                "lag unknown, no group has committed".to_owned()
            } else {
                format!("lag {}", behind.join(", "))
            }
        }
        Ok(Ok(Err(error))) => format!("lag unknown: {error:#}"),
        Ok(Err(panic)) => format!("lag unknown: {panic}"),
        Err(_) => "lag unknown: Kafka does not answer".to_owned(),
    }
}

fn print(lines: &[Line]) {
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| {
            let pid = line.pid.map_or("-".to_owned(), |pid| pid.to_string());
            let mark = if line.is_well { "ok" } else { "FAIL" };
            vec![
                mark.to_owned(),
                line.name.clone(),
                pid,
                line.health.clone(),
                line.lag.clone(),
            ]
        })
        .collect();
    for line in output::table(&rows) {
        output::say(&line);
    }
}
