//! `footfall up`: the whole system on this machine. Servers first, then topics and tables, then one process per role and the
//! simulator; all of them kept running until a signal, then ended in order: each before what it uses.

mod args;
mod board;
mod choice;
mod plan;
mod registry;
mod roles;
mod supervise;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use chassis::kafka::KafkaArgs;
use chassis::telemetry::LogArgs;
use chassis::url::without_password;
use domain::topic::SENSOR_MOVEMENTS;
use sqlx::{Connection, PgConnection};
use stack::{Folder, Stack, StackError, Topic};
use tokio_util::sync::CancellationToken;

pub(crate) use args::Args;
use choice::Kafka;
use plan::{Addresses, Plan, Start};

use crate::run_file::RunFile;
use crate::{exit, kafka_offsets, migrate, output, same_kafka};

/// Runs the subcommand.
pub(crate) async fn run(
    args: Args,
    log: &LogArgs,
    shutdown: CancellationToken,
) -> anyhow::Result<ExitCode> {
    args.check()?;
    check_mock(&args)?;
    let topics = args.topics()?;
    let addresses = Addresses::claim(&args)?;
    let program = std::env::current_exe().context("finding our own program")?;
    let workdir = std::env::current_dir().context("finding our working folder")?;
    let stack = tokio::select! {
        started = Box::pin(start_stack(&args)) => started?,
        () = shutdown.cancelled() => return Ok(ExitCode::SUCCESS),
    };
    let start = Start {
        args: &args,
        log,
        stack: &stack,
        program: &program,
        workdir: &workdir,
    };
    let outcome = tokio::select! {
        prepared = Box::pin(prepare(start, &topics)) => match prepared {
            Ok(is_first) => {
                let plan = Plan::new(&start, &addresses, is_first);
                Box::pin(roles::run(&plan, &addresses, &stack, &shutdown)).await
            }
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
        places(&folder, &args.dir)
    ));
    Ok(ExitCode::SUCCESS)
}

/// The folder of a stack, and where else it keeps data.
pub(crate) fn places(folder: &Folder, dir: &Path) -> String {
    match stack::data_outside(folder) {
        Some(outside) => format!("{} and {}", dir.display(), outside.display()),
        None => dir.display().to_string(),
    }
}

/// A log that begins empty does not go with tables that were made from another one.
fn check_mock(args: &Args) -> anyhow::Result<()> {
    let is_mock = args.kafka == Kafka::Mock;
    if is_mock && !args.fresh && args.dir.join("postgres").exists() {
        return Err(exit::usage(format!(
            "--kafka is \"mock\", whose log begins empty, but {} holds tables made from another log: \
             expected --fresh to wipe them, or another --dir",
            args.dir.display()
        )));
    }
    Ok(())
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
    if let Some(outside) = stack::data_outside(stack.folder()) {
        output::say(&format!(
            "postgres   data in {}, because its account cannot reach {}",
            outside.display(),
            args.dir.display()
        ));
    }
    Ok(stack)
}

/// A consumer would refuse another Kafka, and we do so before anything is started or made.
async fn check_origin(kafka: &KafkaArgs, postgres_url: &str) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(postgres_url).await?;
    let advice = "`--fresh` begins anew, `--dir` chooses another folder";
    same_kafka::check(kafka, &mut connection, advice).await?;
    Ok(connection.close().await?)
}

/// Topics, tables and the registry. Says whether the log of movements is still empty.
async fn prepare(start: Start<'_>, topics: &[Topic]) -> anyhow::Result<bool> {
    let Start { args, stack, .. } = start;
    let kafka = KafkaArgs {
        kafka: stack.kafka.clone(),
        topic_prefix: args.topic_prefix.clone(),
    };
    let applied = migrate::migrate(&stack.postgres_url).await?;
    if applied > 0 {
        output::say(&format!("postgres   {applied} migrations applied"));
    }
    check_origin(&kafka, &stack.postgres_url).await?;
    stack.create_topics(topics).await?;
    registry::register(&stack.postgres_url, args.simulate).await?;
    let topics = tokio::task::spawn_blocking(move || {
        let movements = kafka.topic(SENSOR_MOVEMENTS);
        let topics = kafka_offsets::topics(&kafka)?;
        anyhow::Ok(topics.into_iter().find(|topic| topic.name == movements))
    });
    Ok(topics
        .await??
        .is_none_or(|movements| movements.records() == 0))
}
