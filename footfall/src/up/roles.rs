//! The running system: every child kept, `run.json` kept true, and the order in which all of it ends.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::future::join_all;
use stack::{Identity, Stack};
use tokio_util::sync::CancellationToken;

use super::board::Board;
use super::plan::{Addresses, Plan, reachable};
use super::supervise::{Ward, keep, keep_server};
use crate::run_file::RunFile;
use crate::{http, output};

/// How long the roles may take to be ready before we say which of them is not.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Keeps everything running until shutdown, then ends the simulator first and the roles after it. A keeper that gives up ends
/// all of it.
pub(super) async fn run(
    plan: &Plan,
    addresses: &Addresses,
    stack: &Stack,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let board = Board::new(stack.folder().clone(), run_file(addresses, stack)?)?;
    let devices = Ward {
        folder: stack.folder(),
        board: &board,
        shutdown,
    };
    let roles_shutdown = CancellationToken::new();
    let roles = Ward {
        shutdown: &roles_shutdown,
        ..devices
    };
    let simulated = async {
        let outcome = match &plan.simulator {
            Some(simulator) => or_all_end(keep(simulator, devices), shutdown).await,
            None => Ok(()),
        };
        // A simulator that finished its work leaves the others running.
        shutdown.cancelled().await;
        roles_shutdown.cancel();
        outcome
    };
    let kept = plan
        .roles
        .iter()
        .map(|role| or_all_end(keep(role, roles), shutdown));
    let served = stack
        .servers()
        .iter()
        .map(|server| or_all_end(keep_server(server, roles), shutdown));
    let (simulated, kept, served, ()) = tokio::join!(
        simulated,
        join_all(kept),
        join_all(served),
        announce(&board, shutdown)
    );
    kept.into_iter().chain(served).chain([simulated]).collect()
}

/// A keeper whose error shuts everything down.
async fn or_all_end(
    keeper: impl Future<Output = anyhow::Result<()>>,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let outcome = keeper.await;
    if outcome.is_err() {
        shutdown.cancel();
    }
    outcome
}

fn run_file(addresses: &Addresses, stack: &Stack) -> anyhow::Result<RunFile> {
    let http_all: Vec<String> = addresses
        .http
        .iter()
        .map(|address| format!("http://{}", reachable(*address)))
        .collect();
    let mqtt_all: Vec<String> = addresses
        .mqtt
        .iter()
        .map(|address| reachable(*address).to_string())
        .collect();
    let admin = addresses
        .admin
        .iter()
        .map(|(name, address)| (name.clone(), format!("http://{address}")));
    let servers = stack.servers().iter();
    let pids: BTreeMap<String, u32> = servers
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
        admin: admin.collect(),
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
