//! What can be set, and the check that everything set can be used, before anything is connected.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chassis::address;
use chassis::admin::AdminArgs;
use chassis::config::{ConfigError, duration, within};
use chassis::kafka::KafkaArgs;
use clap::{Args, ValueEnum};
use thiserror::Error;

use crate::route::{RouteTable, RoutesError};
use crate::session::Limits;

/// The configuration of a gateway.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// See [`ListenArgs`].
    #[command(flatten)]
    pub listen: ListenArgs,
    /// See [`LimitArgs`].
    #[command(flatten)]
    pub limit: LimitArgs,
    /// See [`RouteArgs`].
    #[command(flatten)]
    pub route: RouteArgs,
    /// See [`ProduceArgs`].
    #[command(flatten)]
    pub produce: ProduceArgs,
    /// Where Kafka is.
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// Where the admin server listens.
    #[command(flatten)]
    pub admin: AdminArgs,
}

/// Where devices connect.
#[derive(Args, Clone, Debug)]
pub struct ListenArgs {
    /// Address of the MQTT listener; port 0 takes any free one
    #[arg(long, env = "FOOTFALL_MQTT_BIND", default_value = "127.0.0.1:1883")]
    pub mqtt_bind: String,
    /// How long a connection may take to send its CONNECT
    #[arg(long, env = "FOOTFALL_CONNECT_TIMEOUT", default_value = "5s", value_parser = duration)]
    pub connect_timeout: Duration,
    /// How long a packet that was begun may take to arrive
    #[arg(long, env = "FOOTFALL_PACKET_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub packet_timeout: Duration,
    /// How long a shutdown may take: Kafka flushed, every owed acknowledgement sent
    #[arg(long, env = "FOOTFALL_SHUTDOWN_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub shutdown_timeout: Duration,
    /// Threads that serve connections; one is the cheapest, because several wake each other for every packet
    #[arg(long, env = "FOOTFALL_GATEWAY_THREADS", default_value_t = 1)]
    pub gateway_threads: usize,
}

/// What a device may ask of the gateway.
#[derive(Args, Clone, Debug)]
pub struct LimitArgs {
    /// Connections at once; further ones are closed at once
    #[arg(long, env = "FOOTFALL_CONNECTIONS_MAX", default_value_t = 10_000)]
    pub connections_max: usize,
    /// Length of a message in bytes; a longer one goes to dead letters
    #[arg(long, env = "FOOTFALL_PAYLOAD_BYTES_MAX", default_value_t = 256 * 1024)]
    pub payload_bytes_max: usize,
    /// Length of a topic in bytes
    #[arg(long, env = "FOOTFALL_TOPIC_BYTES_MAX", default_value_t = 512)]
    pub topic_bytes_max: usize,
    /// Publishes of one connection that may wait for their acknowledgement (MQTT 5 receive maximum)
    #[arg(long, env = "FOOTFALL_RECEIVE_MAXIMUM", default_value_t = 4096)]
    pub receive_maximum: u16,
    /// Topic aliases that an MQTT 5 client may use
    #[arg(long, env = "FOOTFALL_TOPIC_ALIAS_MAXIMUM", default_value_t = 64)]
    pub topic_alias_maximum: u16,
    /// Memory for records that Kafka has not confirmed, in bytes, for the whole gateway; when it is full, nothing is read
    #[arg(long, env = "FOOTFALL_INFLIGHT_BYTES_MAX", default_value_t = 32 * 1024 * 1024)]
    pub inflight_bytes_max: u32,
}

/// How topics find their decoders.
#[derive(Args, Clone, Debug)]
pub struct RouteArgs {
    /// Route table
    #[arg(long, env = "FOOTFALL_ROUTES", value_name = "FILE")]
    pub routes: Option<PathBuf>,
    /// Whether `footfall/{site}/{device}/{kind}` is routed when nothing in the table matches
    #[arg(long, env = "FOOTFALL_NATIVE_ROUTE", default_value_t = true, action = clap::ArgAction::Set)]
    pub native_route: bool,
}

/// How records are produced.
#[derive(Args, Clone, Debug)]
pub struct ProduceArgs {
    /// How long records wait for others that travel with them
    #[arg(long, env = "FOOTFALL_LINGER", default_value = "20ms", value_parser = duration)]
    pub linger: Duration,
    /// Compression of batches
    #[arg(long, env = "FOOTFALL_COMPRESSION", default_value = "lz4")]
    pub compression: Compression,
    /// How often a tick is written to every partition, so that idle ones move on
    #[arg(long, env = "FOOTFALL_TICK_INTERVAL", default_value = "10s", value_parser = duration)]
    pub tick_interval: Duration,
}

/// Compression of record batches.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// None.
    None,
    /// LZ4: a tenth of a CPU-second for a million records, half the bytes.
    Lz4,
    /// Snappy.
    Snappy,
    /// Gzip.
    Gzip,
}

impl Compression {
    /// The name that Kafka clients use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Snappy => "snappy",
            Self::Gzip => "gzip",
        }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum CheckError {
    /// A setting.
    #[error(transparent)]
    Setting(#[from] ConfigError),
    /// The route table.
    #[error("--routes: {0}")]
    Routes(#[from] RoutesError),
}

/// A configuration that was checked.
#[derive(Clone, Debug)]
pub struct Checked {
    pub(crate) config: Config,
    pub(crate) mqtt_bind: SocketAddr,
    pub(crate) limits: Limits,
    /// The routes, the built-in one included.
    pub routes: RouteTable,
}

/// Room in a packet for everything but payload and topic: header, packet id, MQTT 5 properties.
const PACKET_EXTRA_BYTES: usize = 4096;

impl Config {
    /// Checks everything that can be checked without connecting, and reads the route table.
    ///
    /// # Errors
    /// [`CheckError`], which names the setting, its value and what was expected.
    pub fn check(&self) -> Result<Checked, CheckError> {
        let mqtt_bind = address::listen(&self.listen.mqtt_bind).map_err(|_| {
            let expected = "an address such as 127.0.0.1:1883, or a port to listen at on loopback";
            ConfigError::new("--mqtt-bind", &self.listen.mqtt_bind, expected)
        })?;
        self.kafka.check()?;
        self.check_durations()?;
        let threads = self.listen.gateway_threads;
        within("--gateway-threads", threads, 1..=64, "1 to 64")?;
        let limits = self.limit.check()?;
        let routes = self.route.load()?;
        Ok(Checked {
            config: self.clone(),
            mqtt_bind,
            limits,
            routes,
        })
    }

    fn check_durations(&self) -> Result<(), ConfigError> {
        let Self {
            listen, produce, ..
        } = self;
        for (flag, value) in [
            ("--connect-timeout", listen.connect_timeout),
            ("--packet-timeout", listen.packet_timeout),
            ("--shutdown-timeout", listen.shutdown_timeout),
            ("--tick-interval", produce.tick_interval),
        ] {
            let range = Duration::from_millis(100)..=Duration::from_mins(5);
            within(flag, value, range, "100ms to 5m")?;
        }
        let range = Duration::ZERO..=Duration::from_secs(1);
        within("--linger", produce.linger, range, "0ms to 1s")
    }
}

impl RouteArgs {
    /// The routes in the order in which they are tried.
    ///
    /// # Errors
    /// [`CheckError`] when the file cannot be used, or nothing would be routed.
    pub fn load(&self) -> Result<RouteTable, CheckError> {
        match &self.routes {
            Some(file) => Ok(RouteTable::load(file, self.native_route)?),
            None if self.native_route => Ok(RouteTable::native()),
            None => {
                let expected = "true, or a route table with --routes";
                Err(ConfigError::new("--native-route", "false", expected).into())
            }
        }
    }
}

impl LimitArgs {
    fn check(&self) -> Result<Limits, ConfigError> {
        let Self {
            connections_max,
            payload_bytes_max,
            topic_bytes_max,
            receive_maximum,
            inflight_bytes_max,
            ..
        } = *self;
        let range = 1..=1_000_000;
        within("--connections-max", connections_max, range, "1 to 1000000")?;
        // Kafka takes a megabyte a record by default, and a record is hardly longer than its message.
        let range = 1024..=786_432;
        within(
            "--payload-bytes-max",
            payload_bytes_max,
            range,
            "1024 to 786432",
        )?;
        let range = 16..=65_535;
        within("--topic-bytes-max", topic_bytes_max, range, "16 to 65535")?;
        within(
            "--receive-maximum",
            receive_maximum,
            1..=65_535,
            "1 to 65535",
        )?;
        let range = 4 * 1024 * 1024..=u32::MAX / 2;
        let expected = "4194304 to 2147483647";
        within("--inflight-bytes-max", inflight_bytes_max, range, expected)?;
        let packet_bytes_max = payload_bytes_max + topic_bytes_max + PACKET_EXTRA_BYTES;
        Ok(Limits {
            receive_maximum,
            topic_alias_maximum: self.topic_alias_maximum,
            topic_bytes_max,
            packet_bytes_max: u32::try_from(packet_bytes_max)
                .expect("the sum of checked limits is below a megabyte"),
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use rstest::rstest;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        config: Config,
    }

    fn config(flags: &[&str]) -> Config {
        Command::try_parse_from(std::iter::once(&"gateway").chain(flags))
            .unwrap()
            .config
    }

    #[test]
    fn the_defaults_can_be_used() {
        let checked = config(&[]).check().unwrap();
        assert_eq!(checked.routes, RouteTable::native());
        assert_eq!(checked.mqtt_bind.port(), 1883);
    }

    #[rstest]
    #[case(&["--mqtt-bind", "host"], "--mqtt-bind is \"host\", expected an address such as 127.0.0.1:1883, or a port to listen at on loopback")]
    #[case(&["--topic-prefix", "a/b"], "--topic-prefix is \"a/b\", expected at most 200 letters, digits, dots, dashes and underscores")]
    #[case(&["--connect-timeout", "1h"], "--connect-timeout is \"3600s\", expected 100ms to 5m")]
    #[case(&["--gateway-threads", "0"], "--gateway-threads is \"0\", expected 1 to 64")]
    #[case(&["--linger", "2s"], "--linger is \"2s\", expected 0ms to 1s")]
    #[case(&["--receive-maximum", "0"], "--receive-maximum is \"0\", expected 1 to 65535")]
    #[case(&["--payload-bytes-max", "10"], "--payload-bytes-max is \"10\", expected 1024 to 786432")]
    #[case(&["--kafka", ""], "--kafka is \"\", expected host:port such as 127.0.0.1:9092, or several separated by commas")]
    #[case(&["--native-route", "false"], "--native-route is \"false\", expected true, or a route table with --routes")]
    #[case(&["--routes", "/nowhere"], "--routes: cannot read /nowhere")]
    fn an_error_names_the_setting_its_value_and_what_would_do(
        #[case] flags: &[&str],
        #[case] expected: &str,
    ) {
        assert_eq!(config(flags).check().unwrap_err().to_string(), expected);
    }
}
