//! What a stack is made of: which servers to start, where, and which to use as they are.

use std::path::PathBuf;

use crate::kafka;

/// Default port of Kafka's broker listener; the controller listens on a free port of its own.
pub const KAFKA_PORT: u16 = 19092;
/// Default port of Postgres.
pub const POSTGRES_PORT: u16 = 15432;
/// Default port of Redis.
pub const REDIS_PORT: u16 = 16379;

/// Everything [`crate::Stack::start`] needs to know.
#[derive(Debug, Clone)]
pub struct StackConfig {
    /// Folder of data, logs and pid files; created when missing.
    pub dir: PathBuf,
    /// Wipe the folder before anything starts.
    pub fresh: bool,
    /// Where Kafka comes from.
    pub kafka: KafkaSource,
    /// Where Postgres comes from.
    pub postgres: Source,
    /// Where Redis comes from.
    pub redis: Source,
    /// Whether the data must outlive a power cut.
    pub durability: Durability,
    /// Folder with Kafka's jars.
    pub kafka_jars: PathBuf,
}

/// Where Postgres or Redis comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Start one on loopback at this port; 0 takes any free one.
    Local {
        /// TCP port on 127.0.0.1.
        port: u16,
    },
    /// Use the server behind this URL and start nothing.
    External(String),
}

/// Where Kafka comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KafkaSource {
    /// Start Apache Kafka on loopback at this port; 0 takes any free one.
    Local {
        /// TCP port on 127.0.0.1.
        port: u16,
    },
    /// librdkafka's cluster inside this process. It keeps nothing.
    Mock,
    /// Use the cluster behind these bootstrap servers and start nothing.
    External(String),
}

/// How much the servers do so that data outlives more than a killed process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// As installed by default: what Postgres confirmed outlives a power cut.
    Full,
    /// For tests: survives a SIGKILL of any process, not a power cut; smaller and quicker to start.
    ProcessCrash,
}

impl StackConfig {
    /// The default of `footfall up`: three real servers at the documented ports, data kept in `dir`.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            fresh: false,
            kafka: KafkaSource::Local { port: KAFKA_PORT },
            postgres: Source::Local {
                port: POSTGRES_PORT,
            },
            redis: Source::Local { port: REDIS_PORT },
            durability: Durability::Full,
            kafka_jars: kafka::default_jars(),
        }
    }

    /// The default of tests: three real servers at free ports, started as cheaply as they can be.
    #[must_use]
    pub fn for_tests(dir: impl Into<PathBuf>) -> Self {
        Self {
            kafka: KafkaSource::Local { port: 0 },
            postgres: Source::Local { port: 0 },
            redis: Source::Local { port: 0 },
            durability: Durability::ProcessCrash,
            ..Self::new(dir)
        }
    }
}
