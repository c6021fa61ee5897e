//! Kafka: the log. Apache Kafka in `KRaft` mode, broker and controller in one Java process, started straight from its jars.
//!
//! Settings and flags are those that were measured (usable in about 2 s, 170 MB): no `flush` settings, because what
//! Kafka acknowledged outlives a SIGKILL in the page cache; short group timers, so that a killed consumer is replaced soon.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rand::RngExt;
use rand::distr::Alphanumeric;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::config::Durability;
use crate::error::{AtPath, Result, StackError};
use crate::folder::Folder;
use crate::launch::Launch;
use crate::program;
use crate::quiet::{self, Quiet};

/// The server's name in logs, pid files and `run.json`.
pub(crate) const NAME: &str = "kafka";

/// The version of the jars; `scripts/kafka-jars.sh` fetches the same.
const VERSION: &str = "4.3.1";

/// Oldest Java that Kafka 4 runs on.
const JAVA_MIN: u32 = 17;

/// The jar without which the folder is not Kafka's.
const BROKER_JAR: &str = "kafka_2.13-4.3.1.jar";

/// How long one metadata request may take.
const ATTEMPT: Duration = Duration::from_secs(2);

/// What slf4j-simple prints: the broker's own milestones, who joins and leaves consumer groups, and of the rest what is odd. All
/// of it is 1,400 lines a start.
const LOGGING: [&str; 5] = [
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka=info",
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.coordinator=info",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
];

/// A Kafka broker of ours.
#[derive(Debug, Clone)]
pub(crate) struct Kafka {
    pub(crate) port: u16,
    controller_port: u16,
    durability: Durability,
    java: PathBuf,
    jars: PathBuf,
}

impl Kafka {
    /// Writes the settings and formats the log folder if that was never done.
    pub(crate) fn prepare(
        folder: &Folder,
        ports: Ports,
        durability: Durability,
        jars: &Path,
    ) -> Result<Self> {
        let kafka = Self {
            port: ports.broker,
            controller_port: ports.controller,
            durability,
            java: program::java(JAVA_MIN)?,
            jars: jars.to_owned(),
        };
        if !jars.join(BROKER_JAR).is_file() {
            return Err(StackError::ProgramMissing {
                program: format!("Kafka {VERSION} ({BROKER_JAR} in {})", jars.display()),
                install: "make setup".to_owned(),
            });
        }
        let home = folder.data(NAME);
        let log_dir = home.join("log");
        fs::create_dir_all(&log_dir).at("creating", &log_dir)?;
        let settings = home.join("server.properties");
        fs::write(&settings, kafka.properties()).at("writing", &settings)?;
        if !log_dir.join("meta.properties").is_file() {
            kafka.format(&home)?;
        }
        Ok(kafka)
    }

    /// Where clients connect.
    pub(crate) fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The broker's session is short, because after a SIGKILL the controller waits for the old one to end before it lets the broker
    /// in again: 13 s until usable were measured with the default of 9 s. `log` is relative to the working folder, so no path can break the file's syntax.
    fn properties(&self) -> String {
        let Self {
            port,
            controller_port,
            ..
        } = self;
        format!(
            "\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=log
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.consumer.min.session.timeout.ms=1
group.consumer.min.heartbeat.interval.ms=1
group.consumer.session.timeout.ms=6000
group.consumer.heartbeat.interval.ms=1000
group.consumer.assignment.interval.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=20000000
"
        )
    }

    /// Gives the log folder its cluster id. The tool prints to both streams.
    fn format(&self, home: &Path) -> Result<()> {
        let output = Command::new(&self.java)
            .args([
                "-Xmx128m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-cp",
            ])
            .arg(self.jars.join("*"))
            .args(["kafka.tools.StorageTool", "format", "--ignore-formatted"])
            .args([
                "--cluster-id",
                &cluster_id(),
                "--config",
                "server.properties",
            ])
            .current_dir(home)
            .output()
            .map_err(|source| StackError::Process {
                what: format!("starting {}", self.java.display()),
                source,
            })?;
        if output.status.success() {
            return Ok(());
        }
        let said = [output.stdout, output.stderr].concat();
        Err(StackError::Tool {
            what: "formatting Kafka's log folder".to_owned(),
            status: output.status.to_string(),
            output: String::from_utf8_lossy(&said).trim().to_owned(),
        })
    }

    pub(crate) fn launch(&self, folder: &Folder) -> Launch {
        let heap = match self.durability {
            Durability::Full => vec!["-Xms64m", "-Xmx512m", "-XX:+UseSerialGC"],
            // The second compiler needs a minute of load to pay for itself; tests do not last that long.
            Durability::ProcessCrash => vec![
                "-Xms64m",
                "-Xmx256m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
            ],
        };
        Launch::new(NAME, &self.java, folder.data(NAME))
            .args(heap)
            .args(LOGGING)
            .args(["-Djava.awt.headless=true", "-cp"])
            .args([self.jars.join("*").into_os_string()])
            .args(["kafka.Kafka", "server.properties"])
    }
}

/// The two ports of one broker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    /// Where clients connect.
    pub(crate) broker: u16,
    /// Where the broker talks to itself as controller.
    pub(crate) controller: u16,
}

/// Asks the cluster for its metadata. Blocking, because the client is; runs on the blocking pool.
pub(crate) async fn probe(bootstrap: &str) -> Result<(), String> {
    let bootstrap = bootstrap.to_owned();
    tokio::task::spawn_blocking(move || {
        let client: BaseConsumer<Quiet> =
            quiet::client(&bootstrap).map_err(|error| error.to_string())?;
        let metadata = client
            .fetch_metadata(None, ATTEMPT)
            .map_err(|error| error.to_string())?;
        match metadata.brokers().len() {
            0 => Err("it answers, but knows of no broker".to_owned()),
            _ => Ok(()),
        }
    })
    .await
    .unwrap_or_else(|panic| Err(panic.to_string()))
}

/// `~/.cache/footfall/kafka-4.3.1`, or below `$XDG_CACHE_HOME`.
pub(crate) fn default_jars() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache")))
        .unwrap_or_else(std::env::temp_dir);
    cache.join("footfall").join(format!("kafka-{VERSION}"))
}

/// 16 random bytes in URL-safe base64 are 22 letters, of which the last holds two bits only. Letters and digits alone, because a
/// leading `-` would look like an option.
fn cluster_id() -> String {
    let letters = rand::rng()
        .sample_iter(Alphanumeric)
        .take(21)
        .map(char::from);
    letters.chain(['A']).collect()
}
