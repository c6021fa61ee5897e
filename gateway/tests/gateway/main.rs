//! The gateway as devices and Kafka see it: real sockets, librdkafka's mock cluster, no knowledge of the inside.

#![expect(clippy::unwrap_used, reason = "these are tests, helpers included")]

mod device;
mod hostile;
mod kafka;
mod outage;
mod publish;
mod reject;
mod session;
mod shutdown;

use std::time::{Duration, Instant};

use chassis::clock::Clock;
use clap::Parser;
use gateway::{Config, Gateway};
use tokio_util::sync::CancellationToken;

use kafka::Kafka;

/// The runtime of a test: the test itself blocks on Kafka now and then, so the gateway has threads of its own.
macro_rules! gateway_test {
    ($(#[$meta:meta])* async fn $name:ident() $body:block) => {
        $(#[$meta])*
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() $body
    };
}
pub(crate) use gateway_test;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    config: Config,
}

/// Addresses are free ones of this machine, unless `flags` says otherwise.
pub(crate) fn config(kafka: &Kafka, flags: &[&str]) -> Config {
    let servers = kafka.servers();
    let mut line = vec![
        "gateway",
        "--kafka",
        &servers,
        "--admin-bind",
        "127.0.0.1:0",
    ];
    if !flags.contains(&"--mqtt-bind") {
        line.extend(["--mqtt-bind", "127.0.0.1:0"]);
    }
    line.extend(flags);
    Command::parse_from(line).config
}

pub(crate) async fn start(kafka: &Kafka, flags: &[&str]) -> Gateway {
    start_until(kafka, flags, CancellationToken::new()).await
}

pub(crate) async fn start_until(
    kafka: &Kafka,
    flags: &[&str],
    shutdown: CancellationToken,
) -> Gateway {
    Gateway::start(config(kafka, flags), Clock::System, shutdown)
        .await
        .unwrap()
        .expect("it was not shut down")
}

/// The value of a counter or gauge of this process, 0 when it never moved.
pub(crate) fn metric(line_start: &str) -> f64 {
    let text = chassis::telemetry::metrics().render();
    text.lines()
        .filter_map(|line| line.strip_prefix(line_start)?.trim().parse::<f64>().ok())
        .sum()
}

/// Waits until `condition` holds.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(15), "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
