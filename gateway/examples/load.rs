//! What the gateway costs: `load kafka` is a mock cluster, `load gateway` a gateway that prints its CPU time when it ends,
//! `load devices` an open-loop fleet that prints its latencies. Three processes, so that each is counted for itself.
//!
//! ```text
//! load kafka &                                   # prints its bootstrap servers
//! load gateway --kafka 127.0.0.1:PORT &          # SIGTERM ends it
//! load devices --connections 8 --rate 20000 --seconds 30
//! ```

#![expect(
    clippy::unwrap_used,
    reason = "a tool for measurements, which stops at the first surprise"
)]
#![expect(clippy::print_stdout, reason = "its results are for people")]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and times of a short run"
)]

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Parser};
use rdkafka::mocking::MockCluster;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::TaskTracker;

#[derive(Parser)]
enum Command {
    /// A mock Kafka of one broker, until it is killed.
    Kafka {
        #[arg(long, default_value_t = 6)]
        partitions: i32,
    },
    /// A gateway, until SIGTERM.
    Gateway(Box<Serve>),
    /// Devices that publish at a fixed rate, whatever the answers.
    Devices(Devices),
}

#[derive(Args)]
struct Serve {
    #[command(flatten)]
    config: gateway::Config,
    /// Threads of the runtime; 0 is one that does everything.
    #[arg(long, default_value_t = 0)]
    threads: usize,
}

#[derive(Args, Clone)]
struct Devices {
    #[arg(long, default_value = "127.0.0.1:1883")]
    address: SocketAddr,
    #[arg(long, default_value_t = 8)]
    connections: u32,
    /// Topics, spread over the connections.
    #[arg(long, default_value_t = 1000)]
    sensors: u32,
    /// Events per second, all connections together.
    #[arg(long, default_value_t = 20_000)]
    rate: u32,
    #[arg(long, default_value_t = 20)]
    seconds: u32,
}

fn main() {
    match Command::parse() {
        Command::Kafka { partitions } => kafka(partitions),
        Command::Gateway(settings) => serve(*settings),
        Command::Devices(devices) => load(&devices),
    }
}

fn kafka(partitions: i32) {
    let cluster = MockCluster::new(1).unwrap();
    cluster
        .create_topic("sensor-movements", partitions, 1)
        .unwrap();
    cluster.create_topic("dead-letters", 1, 1).unwrap();
    println!("{}", cluster.bootstrap_servers());
    loop {
        std::thread::park();
    }
}

fn serve(settings: Serve) {
    let Serve { config, threads } = settings;
    let mut builder = if threads == 0 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let runtime = builder
        .worker_threads(threads.max(1))
        .enable_all()
        .build()
        .unwrap();
    let outcome = runtime.block_on(async {
        let tracker = TaskTracker::new();
        let shutdown = chassis::shutdown::on_signal(&tracker).unwrap();
        gateway::run(config, shutdown).await
    });
    let events = chassis::telemetry::metrics().render();
    let events = events
        .lines()
        .find_map(|line| {
            line.strip_prefix("footfall_gateway_events_total ")?
                .parse()
                .ok()
        })
        .unwrap_or(0.0_f64);
    let cpu = cpu_seconds();
    println!(
        "{events} events, {cpu:.2} CPU-s, {:.2} CPU-s per million, {outcome:?}",
        cpu / events * 1e6
    );
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let ticks: f64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<f64>().unwrap())
        .sum();
    ticks / 100.0
}

fn load(devices: &Devices) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut latencies = runtime.block_on(async {
        let mut connections = JoinSet::new();
        for connection in 0..devices.connections {
            connections.spawn(connection_load(devices.clone(), connection));
        }
        connections.join_all().await.concat()
    });
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize] as f64 / 1e3;
    println!(
        "{} publishes, all acknowledged; p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms; own CPU {:.2} s",
        latencies.len(),
        at(0.5),
        at(0.99),
        at(1.0),
        cpu_seconds()
    );
}

/// Publishes what is due every millisecond; gives the µs from when each publish was due to its PUBACK.
async fn connection_load(devices: Devices, connection: u32) -> Vec<u32> {
    let stream = TcpStream::connect(devices.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let id = format!("load-{connection}");
    let mut hello = vec![0x10, 12 + id.len() as u8, 0, 4];
    hello.extend_from_slice(b"MQTT\x04\x02\x00\x3c");
    hello.extend_from_slice(&[0, id.len() as u8]);
    hello.extend_from_slice(id.as_bytes());
    writer.write_all(&hello).await.unwrap();
    let mut accepted = [0; 4];
    reader.read_exact(&mut accepted).await.unwrap();
    let period = Duration::from_secs(1) * devices.connections / devices.rate;
    let total = devices.rate / devices.connections * devices.seconds;
    // Connections begin one after the other, as devices do.
    let begin =
        Instant::now() + Duration::from_millis(200) + period * connection / devices.connections;
    let due = move |n: u32| begin + period * n;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut sent = 0;
        while sent < total {
            sleep_until(due(sent)).await;
            let mut bytes = Vec::new();
            while sent < total && due(sent) <= Instant::now() {
                put_publish(&mut bytes, &devices, connection, sent);
                sent += 1;
            }
            writer.write_all(&bytes).await.unwrap();
            sleep(Duration::from_millis(1)).await;
        }
        std::future::pending::<()>().await;
    });
    let mut latencies = Vec::with_capacity(total as usize);
    let mut acknowledgements = vec![0; 64 * 1024];
    let mut kept = 0;
    while latencies.len() < total as usize {
        kept += reader.read(&mut acknowledgements[kept..]).await.unwrap();
        for _ in 0..kept / 4 {
            let waited = due(latencies.len() as u32).elapsed();
            latencies.push(waited.as_micros() as u32);
        }
        acknowledgements.copy_within(kept / 4 * 4..kept, 0);
        kept %= 4;
    }
    latencies
}

fn put_publish(bytes: &mut Vec<u8>, devices: &Devices, connection: u32, n: u32) {
    let sensor = (n * devices.connections + connection) % devices.sensors;
    let topic = format!("footfall/main/sensor-{sensor}/positions");
    let payload = format!(
        r#"{{"traveler_id":"t-{}","traveler_type":"person","x":{}.25,"y":-{}.5,"timestamp":"2026-11-21T15:00:{:02}.{:03}Z","event_id":"{connection:08x}-0000-4000-8000-{n:012x}"}}"#,
        n % 20_000,
        n % 40,
        n % 17,
        n / 1000 % 60,
        n % 1000
    );
    let length = 2 + topic.len() + 2 + payload.len();
    bytes.extend_from_slice(&[0x32, (length % 128) as u8 | 0x80, (length / 128) as u8]);
    bytes.extend_from_slice(&(topic.len() as u16).to_be_bytes());
    bytes.extend_from_slice(topic.as_bytes());
    bytes.extend_from_slice(&((n % 65_535) as u16 + 1).to_be_bytes());
    bytes.extend_from_slice(payload.as_bytes());
}
