//! `footfall up`: the whole system on this machine. Servers first, then topics and tables, then one process per role and the
//! simulator; all of them kept running until a signal, then ended in order: roles before the servers they use.

mod args;
mod board;
mod plan;
mod supervise;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use chassis::telemetry::LogArgs;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use stack::server::without_password;
use stack::{Identity, Stack, StackError};
use tokio_util::sync::CancellationToken;

pub(crate) use args::Args;
use board::Board;
use plan::{Plan, reachable};
use supervise::{Ward, keep, keep_server};

use crate::run_file::RunFile;
use crate::{http, migrate, output};

/// How long the roles may take to be ready before we say which of them is not.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Runs the subcommand.
pub(crate) async fn run(
    args: Args,
    log: &LogArgs,
    shutdown: CancellationToken,
) -> anyhow::Result<ExitCode> {
    args.check()?;
    let topics = args.topics()?;
    let program = std::env::current_exe().context("finding our own program")?;
    let started = tokio::select! {
        started = Box::pin(start_stack(&args)) => started?,
        () = shutdown.cancelled() => return Ok(ExitCode::SUCCESS),
    };
    let stack = started;
    let prepared = async {
        stack.create_topics(&topics).await?;
        let applied = migrate::migrate(&stack.postgres_url).await?;
        if applied > 0 {
            output::say(&format!("postgres   {applied} migrations applied"));
        }
        anyhow::Ok(())
    };
    let outcome = tokio::select! {
        prepared = Box::pin(prepared) => match prepared {
            Ok(()) => Box::pin(run_roles(&args, log, &stack, &program, &shutdown)).await,
            Err(error) => Err(error),
        },
        () = shutdown.cancelled() => Ok(()),
    };
    let folder = stack.folder().clone();
    stack.stop().await;
    RunFile::remove(&folder)?;
    outcome?;
    output::say(&format!(
        "everything has ended; data and logs are in {}",
        args.dir.display()
    ));
    Ok(ExitCode::SUCCESS)
}

async fn start_stack(args: &Args) -> Result<Stack, StackError> {
    output::say(&format!("footfall   starting in {}", args.dir.display()));
    let stack = Stack::start(args.stack()).await?;
    if stack.is_mock() {
        output::say(
            "kafka      MOCK CLUSTER: every record is lost when this ends; for trying out, never for data",
        );
    }
    let servers = [
        ("kafka", stack.kafka.clone()),
        ("postgres", without_password(&stack.postgres_url)),
        ("redis", without_password(&stack.redis_url)),
    ];
    for (name, address) in servers {
        let origin = match stack.server(name).and_then(stack::Server::pid) {
            Some(pid) => format!("process {pid}"),
            None if name == "kafka" && stack.is_mock() => "inside this process".to_owned(),
            None => "not ours, used as it is".to_owned(),
        };
        output::say(&format!("{name:<10} {address} ({origin})"));
    }
    Ok(stack)
}

/// Starts the roles and keeps everything running until shutdown. The first keeper that gives up ends the others.
async fn run_roles(
    args: &Args,
    log: &LogArgs,
    stack: &Stack,
    program: &Path,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let plan = Plan::new(args, log, stack, program)?;
    let board = Board::new(stack.folder().clone(), run_file(&plan, stack)?)?;
    let ward = Ward {
        folder: stack.folder(),
        board: &board,
        shutdown,
    };
    let mut keepers: Vec<BoxFuture<'_, anyhow::Result<()>>> = Vec::new();
    for server in stack.servers() {
        keepers.push(keep_server(server, ward).boxed());
    }
    for (launch, restart) in &plan.children {
        keepers.push(keep(launch, *restart, ward).boxed());
    }
    keepers.push(announce(&board, shutdown).map(Ok).boxed());
    let keepers = keepers.into_iter().map(|keeper| async {
        let outcome = keeper.await;
        if outcome.is_err() {
            shutdown.cancel();
        }
        outcome
    });
    // Without children (all counts 0) there is still the stack to keep.
    let (outcomes, ()) = tokio::join!(join_all(keepers), shutdown.cancelled());
    outcomes.into_iter().collect()
}

fn run_file(plan: &Plan, stack: &Stack) -> anyhow::Result<RunFile> {
    let http = |address| format!("http://{}", reachable(address));
    let mqtt = |address| reachable(address).to_string();
    let http_all: Vec<String> = plan.http.iter().copied().map(http).collect();
    let mqtt_all: Vec<String> = plan.mqtt.iter().copied().map(mqtt).collect();
    let pids: BTreeMap<String, u32> = stack
        .servers()
        .iter()
        .filter_map(|server| Some((server.name().to_owned(), server.pid()?)))
        .collect();
    Ok(RunFile {
        http: http_all.first().cloned().unwrap_or_default(),
        mqtt: mqtt_all.first().cloned().unwrap_or_default(),
        mqtts: None,
        broker: None,
        kafka: stack.kafka.clone(),
        postgres: stack.postgres_url.clone(),
        redis: stack.redis_url.clone(),
        admin: plan.admin.clone(),
        pids,
        http_all,
        mqtt_all,
        supervisor: Identity::of(std::process::id()).context("reading our own time of birth")?,
    })
}

/// Says where everything is once it is ready, or what is not.
async fn announce(board: &Board, shutdown: &CancellationToken) {
    let run = board.read();
    let deadline = Instant::now() + READY_WITHIN;
    let waiting = loop {
        let waiting = not_ready(&run).await;
        if waiting.is_empty() || Instant::now() >= deadline {
            break waiting;
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
            () = shutdown.cancelled() => return,
        }
    };
    for address in &run.mqtt_all {
        output::say(&format!(
            "mqtt       {address}, topics footfall/SITE/DEVICE/KIND"
        ));
    }
    for address in &run.http_all {
        output::say(&format!("dashboard  {address}"));
    }
    for reason in &waiting {
        output::complain(&format!(
            "not ready after {} s: {reason}",
            READY_WITHIN.as_secs()
        ));
    }
    if waiting.is_empty() {
        output::say("ready      Ctrl-C ends everything, `footfall status` shows how it is");
    }
}

/// Which roles are not ready, and what they say about it.
async fn not_ready(run: &RunFile) -> Vec<String> {
    let asked = run.admin.iter().map(|(name, admin)| async move {
        match http::get(&format!("{admin}/readyz")).await {
            Ok(answer) if answer.is_success => None,
            Ok(answer) => Some(format!(
                "{name}: {}",
                answer.text.trim().replace('\n', "; ")
            )),
            Err(error) => Some(format!("{name}: {error}")),
        }
    });
    join_all(asked).await.into_iter().flatten().collect()
}
