//! The flags of `footfall up`, and what they say once they are checked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chassis::address;
use chassis::config::{ConfigError, duration};
use chassis::kafka::check_prefix;
use stack::{KafkaSource, Source, StackConfig, Topic};

use super::choice::{Kafka, Mode, Partitions, Server, Simulate};

/// Most processes of one role on one machine.
const REPLICAS_MAX: i64 = 32;

/// Arguments of `up`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Folder for data, logs and run.json
    #[arg(long, env = "FOOTFALL_DIR", default_value = ".footfall")]
    pub(crate) dir: PathBuf,
    /// Wipe the folder first
    #[arg(long, env = "FOOTFALL_FRESH")]
    pub(crate) fresh: bool,
    /// What the simulator plays
    #[arg(long, env = "FOOTFALL_SIMULATE", default_value = "campus")]
    pub(crate) simulate: Simulate,
    /// Events per second of the simulator; without it, the plan's own rate
    #[arg(long, env = "FOOTFALL_RATE", value_name = "N")]
    pub(crate) rate: Option<u32>,
    /// On the first start in a folder, begin with so much of the simulated past, such as 30m
    #[arg(long, env = "FOOTFALL_HISTORY", value_parser = duration, value_name = "DURATION")]
    pub(crate) history: Option<Duration>,
    /// How many gateways; each further one listens at the next free port
    #[arg(long, env = "FOOTFALL_GATEWAYS", default_value_t = 1, value_name = "N",
          value_parser = clap::value_parser!(u16).range(0..=REPLICAS_MAX))]
    pub(crate) gateways: u16,
    /// How many consumers
    #[arg(long, env = "FOOTFALL_CONSUMERS", default_value_t = 1, value_name = "N",
          value_parser = clap::value_parser!(u16).range(0..=REPLICAS_MAX))]
    pub(crate) consumers: u16,
    /// How many apis; each further one listens at the next free port
    #[arg(long, env = "FOOTFALL_APIS", default_value_t = 1, value_name = "N",
          value_parser = clap::value_parser!(u16).range(0..=REPLICAS_MAX))]
    pub(crate) apis: u16,
    /// How devices reach the gateway: it listens for them
    #[arg(long, env = "FOOTFALL_MODE", default_value = "listen")]
    pub(crate) mode: Mode,
    /// `real` starts Apache Kafka, `mock` a stand-in that keeps nothing, anything else is the
    /// bootstrap servers of a Kafka to use
    #[arg(
        long,
        env = "FOOTFALL_KAFKA",
        default_value = "real",
        value_name = "real|mock|HOST:PORT,…"
    )]
    pub(crate) kafka: Kafka,
    /// `real` starts Postgres, a URL names one to use
    #[arg(
        long,
        env = "FOOTFALL_POSTGRES",
        default_value = "real",
        value_name = "real|URL",
        hide_env_values = true
    )]
    pub(crate) postgres: Server,
    /// `real` starts Redis, a URL names one to use
    #[arg(
        long,
        env = "FOOTFALL_REDIS",
        default_value = "real",
        value_name = "real|URL",
        hide_env_values = true
    )]
    pub(crate) redis: Server,
    /// Where the first api serves the dashboard; port 0 takes any free one
    #[arg(
        long,
        env = "FOOTFALL_HTTP",
        default_value = "127.0.0.1:8080",
        value_parser = address::listen,
        value_name = "ADDRESS"
    )]
    pub(crate) http: SocketAddr,
    /// Where the first gateway listens for MQTT; port 0 takes any free one
    #[arg(
        long,
        env = "FOOTFALL_MQTT",
        default_value = "127.0.0.1:1883",
        value_parser = address::listen,
        value_name = "ADDRESS"
    )]
    pub(crate) mqtt: SocketAddr,
    /// Port of our Kafka; 0 takes any free one
    #[arg(long, env = "FOOTFALL_KAFKA_PORT", default_value_t = stack::config::KAFKA_PORT, value_name = "PORT")]
    pub(crate) kafka_port: u16,
    /// Port of our Postgres; 0 takes any free one
    #[arg(long, env = "FOOTFALL_POSTGRES_PORT", default_value_t = stack::config::POSTGRES_PORT, value_name = "PORT")]
    pub(crate) postgres_port: u16,
    /// Port of our Redis; 0 takes any free one
    #[arg(long, env = "FOOTFALL_REDIS_PORT", default_value_t = stack::config::REDIS_PORT, value_name = "PORT")]
    pub(crate) redis_port: u16,
    /// Folder with Kafka's jars [default: ~/.cache/footfall/kafka-4.3.1]
    #[arg(long, env = "FOOTFALL_KAFKA_JARS", value_name = "DIR")]
    pub(crate) kafka_jars: Option<PathBuf>,
    /// Partitions of topics that are made now, if not the defaults
    #[arg(
        long,
        env = "FOOTFALL_PARTITIONS",
        value_delimiter = ',',
        value_name = "TOPIC=N,…"
    )]
    pub(crate) partitions: Vec<Partitions>,
    /// Put before the name of every topic and group
    #[arg(
        long,
        env = "FOOTFALL_TOPIC_PREFIX",
        default_value = "",
        value_name = "TEXT"
    )]
    pub(crate) topic_prefix: String,
}

impl Args {
    /// The servers to start or to use.
    pub(crate) fn stack(&self) -> StackConfig {
        let defaults = StackConfig::new(&self.dir);
        let source = |server: &Server, port| match server {
            Server::Real => Source::Local { port },
            Server::External(url) => Source::External(url.clone()),
        };
        StackConfig {
            fresh: self.fresh,
            kafka: match &self.kafka {
                Kafka::Real => KafkaSource::Local {
                    port: self.kafka_port,
                },
                Kafka::Mock => KafkaSource::Mock,
                Kafka::External(servers) => KafkaSource::External(servers.clone()),
            },
            postgres: source(&self.postgres, self.postgres_port),
            redis: source(&self.redis, self.redis_port),
            kafka_jars: self.kafka_jars.clone().unwrap_or(defaults.kafka_jars),
            ..defaults
        }
    }

    /// The topics to make, with their names in full.
    pub(crate) fn topics(&self) -> Result<Vec<Topic>, ConfigError> {
        let mut topics = Topic::defaults();
        for wanted in &self.partitions {
            let topic = topics.iter_mut().find(|topic| topic.name == wanted.topic);
            let topic = topic.ok_or_else(|| {
                ConfigError::new(
                    "--partitions",
                    &wanted.topic,
                    "the name of a topic, as `footfall topics` lists them",
                )
            })?;
            topic.partitions = wanted.count;
        }
        Ok(topics
            .iter()
            .map(|topic| topic.prefixed(&self.topic_prefix))
            .collect())
    }

    /// Finds what cannot work before anything is started.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_prefix(&self.topic_prefix)?;
        self.topics()?;
        let is_simulated = self.simulate != Simulate::None;
        if is_simulated && self.gateways == 0 {
            return Err(ConfigError::new(
                "--gateways",
                0,
                "at least 1 for the simulator, or --simulate none",
            ));
        }
        if self.rate == Some(0) {
            return Err(ConfigError::new(
                "--rate",
                0,
                "at least 1 event per second, or --simulate none",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parse(line: &[&str]) -> Result<Args, String> {
        let line = std::iter::once("up").chain(line.iter().copied());
        Line::try_parse_from(line)
            .map(|line| line.args)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn kafka_is_real_or_mock_or_somebody_elses() {
        let kafka = |value| parse(&["--kafka", value]).map(|args| args.kafka);
        assert_eq!(kafka("real"), Ok(Kafka::Real));
        assert_eq!(kafka("mock"), Ok(Kafka::Mock));
        assert_eq!(
            kafka("a:9092,b:9092"),
            Ok(Kafka::External("a:9092,b:9092".to_owned()))
        );
        for wrong in ["reall", "host", "host:", ":9092", "a:9092,", "a:0"] {
            let message = kafka(wrong).unwrap_err();
            assert!(
                message.contains("--kafka") && message.contains("expected real, mock or"),
                "{message}"
            );
        }
    }

    #[test]
    fn an_address_is_a_port_or_an_ip_and_a_port() {
        let mqtt = |value| parse(&["--mqtt", value]).map(|args| args.mqtt.to_string());
        for text in ["1884", "localhost:1884", "127.0.0.1:1884"] {
            assert_eq!(mqtt(text).unwrap(), "127.0.0.1:1884");
        }
        let message = mqtt("nonsense").unwrap_err();
        assert!(
            message.contains("'nonsense' for '--mqtt <ADDRESS>': expected an address such as"),
            "{message}"
        );
        let prefix = parse(&["--topic-prefix", "a b"]).unwrap().check();
        assert!(prefix.unwrap_err().to_string().contains("is \"a b\""));
    }

    #[test]
    fn servers_are_real_or_a_url() {
        assert_eq!(
            parse(&["--redis", "redis://h"]).unwrap().redis,
            Server::External("redis://h".to_owned())
        );
        assert!(
            parse(&["--postgres", "127.0.0.1:5432"])
                .unwrap_err()
                .contains("expected real or a URL")
        );
    }

    #[test]
    fn partitions_of_known_topics_may_be_chosen() {
        let args = parse(&[
            "--partitions",
            "sensor-movements=24,alerts=3",
            "--topic-prefix",
            "a-",
        ])
        .unwrap();
        let topics = args.topics().unwrap();
        let count = |name: &str| {
            topics
                .iter()
                .find(|topic| topic.name == name)
                .unwrap()
                .partitions
        };
        assert_eq!(
            (
                count("a-sensor-movements"),
                count("a-alerts"),
                count("a-tag-reads")
            ),
            (24, 3, 6)
        );
        let unknown = parse(&["--partitions", "movements=24"]).unwrap();
        assert!(
            unknown
                .check()
                .unwrap_err()
                .to_string()
                .contains("--partitions is \"movements\"")
        );
        for wrong in ["alerts", "alerts=", "alerts=0", "alerts=1001"] {
            assert!(
                parse(&["--partitions", wrong])
                    .unwrap_err()
                    .contains("from 1 to 1000"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_simulator_needs_a_gateway_and_a_rate() {
        let check = |line: &[&str]| {
            parse(line)
                .unwrap()
                .check()
                .map_err(|error| error.to_string())
        };
        assert_eq!(check(&[]), Ok(()));
        assert!(
            check(&["--gateways", "0"])
                .unwrap_err()
                .starts_with("--gateways is \"0\"")
        );
        assert_eq!(check(&["--gateways", "0", "--simulate", "none"]), Ok(()));
        assert!(
            check(&["--rate", "0"])
                .unwrap_err()
                .starts_with("--rate is \"0\"")
        );
    }
}
