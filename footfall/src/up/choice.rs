//! The values that flags of `up` can have, read from their text.

use std::str::FromStr;

use chassis::kafka::is_bootstrap;
use clap::ValueEnum;

/// Most partitions a topic may be given; Kafka pays for each with open files.
const PARTITIONS_MAX: i32 = 1000;

/// What the simulator plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Simulate {
    /// A campus: entrance, library, café, sports hall.
    Campus,
    /// One crossing that many people pass.
    Crossing,
    /// Nothing: devices of yours publish.
    None,
}

/// How devices reach the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// The gateway ends the MQTT connections itself.
    Listen,
}

/// Where Kafka comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kafka {
    Real,
    Mock,
    External(String),
}

impl FromStr for Kafka {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "real" => Ok(Self::Real),
            "mock" => Ok(Self::Mock),
            servers if is_bootstrap(servers) => Ok(Self::External(servers.to_owned())),
            _ => Err("expected real, mock or bootstrap servers such as 127.0.0.1:9092".to_owned()),
        }
    }
}

/// Where Postgres or Redis comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Server {
    Real,
    External(String),
}

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            None if text == "real" => Ok(Self::Real),
            Some((scheme, host)) if !scheme.is_empty() && !host.is_empty() => {
                Ok(Self::External(text.to_owned()))
            }
            _ => Err(
                "expected real or a URL such as postgres://user@host/database or redis://host"
                    .to_owned(),
            ),
        }
    }
}

/// The partition count of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partitions {
    pub(crate) topic: String,
    pub(crate) count: i32,
}

impl FromStr for Partitions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "expected TOPIC=N with N from 1 to {PARTITIONS_MAX}, such as sensor-movements=24"
            )
        };
        let (topic, count) = text.split_once('=').ok_or_else(expected)?;
        let count = count.parse().map_err(|_| expected())?;
        if !(1..=PARTITIONS_MAX).contains(&count) {
            return Err(expected());
        }
        Ok(Self {
            topic: topic.to_owned(),
            count,
        })
    }
}
