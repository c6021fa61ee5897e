//! `footfall status`: one line per process of a running `up`: pid, health, and how far the consumers are behind.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use futures_util::future::join_all;
use stack::leftover::recorded;
use stack::{Folder, Identity};

use crate::exit::WRONG;
use crate::run_file::RunFile;
use crate::{http, lag, output};

/// How long Kafka and Postgres may take to say how far the groups are.
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
    let alive: Vec<(String, Identity)> = recorded(&folder)?
        .into_iter()
        .filter(|(_, identity)| identity.is_alive())
        .collect();
    let names = names(&run);
    let asked = names.iter().map(|name| health(name, &run, &alive));
    let (lag, health) = tokio::join!(lag(&run, args.topic_prefix), join_all(asked));
    let mut lines = Vec::new();
    for (name, (is_well, health)) in names.into_iter().zip(health) {
        let lag = if name.starts_with("consumer-") {
            lag.clone()
        } else {
            String::new()
        };
        lines.push(Line {
            pid: run.pids.get(&name).copied(),
            name,
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

/// Every process that should be there, servers first: the three that everything uses, those with a pid now and those with an
/// admin server.
fn names(run: &RunFile) -> Vec<String> {
    let servers = stack::server::NAMES.map(str::to_owned);
    let known = run.pids.keys().chain(run.admin.keys());
    let mut names: Vec<String> = known.cloned().chain(servers).collect();
    names.sort_by_key(|name| (!stack::server::NAMES.contains(&name.as_str()), name.clone()));
    names.dedup();
    names
}

/// Whether one process is well, in words. A pid alone says little: a server that hangs has one too.
async fn health(name: &str, run: &RunFile, alive: &[(String, Identity)]) -> (bool, String) {
    let pid = run.pids.get(name).copied();
    let is_alive = alive
        .iter()
        .any(|(alive, identity)| alive == name && Some(identity.pid) == pid);
    let server = match name {
        "kafka" => Some(&run.kafka),
        "postgres" => Some(&run.postgres),
        "redis" => Some(&run.redis),
        _ => None,
    };
    match (server, run.admin.get(name)) {
        // Somebody else's server has no pid here.
        (server, _) if !is_alive && (server.is_none() || pid.is_some()) => {
            (false, "not running".to_owned())
        }
        (Some(server), _) => match stack::server::probe(name, server).await {
            Ok(()) => (true, "answers".to_owned()),
            Err(reason) => (false, format!("does not answer: {reason}")),
        },
        (None, Some(admin)) => ask(admin).await,
        (None, None) => (true, "running".to_owned()),
    }
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

/// The lag of all folds together; the consumers share it.
async fn lag(run: &RunFile, topic_prefix: String) -> String {
    match tokio::time::timeout(LAG_WITHIN, lag::line(run, topic_prefix)).await {
        Ok(Ok(line)) => line,
        Ok(Err(error)) => format!("lag unknown: {error:#}"),
        Err(_) => "lag unknown: Kafka or Postgres does not answer".to_owned(),
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
