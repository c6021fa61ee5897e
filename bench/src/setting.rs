//! The settings that a figure means nothing without, and what is asked of Kafka.

use std::time::Duration;

use anyhow::{Context, bail};
use chassis::kafka::KafkaArgs;
use domain::topic::SENSOR_MOVEMENTS;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::process::setting;
use crate::target::Target;

/// Printed beside every figure.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// How long the gateway's records wait for others.
    pub(crate) linger: String,
    /// Partitions of the topic of movements.
    pub(crate) partitions: i32,
    /// How often the live view is written.
    pub(crate) flush: String,
    /// How often rows and ledger are written.
    pub(crate) checkpoint: String,
}

/// How long Kafka may take to answer.
const WITHIN: Duration = Duration::from_secs(10);

impl Settings {
    /// What the running processes were started with.
    pub(crate) fn of(target: &Target) -> anyhow::Result<Self> {
        let of_role = |role: &str, flag: &str, variable: &str, default: &str| {
            let given = target
                .pids_of(role)
                .first()
                .and_then(|&pid| setting(pid, flag, variable));
            given.unwrap_or_else(|| default.to_owned())
        };
        Ok(Self {
            linger: of_role("gateway", "--linger", "FOOTFALL_LINGER", "20ms"),
            flush: of_role(
                "consumer",
                "--flush-interval",
                "FOOTFALL_FLUSH_INTERVAL",
                "50ms",
            ),
            checkpoint: of_role(
                "consumer",
                "--checkpoint-interval",
                "FOOTFALL_CHECKPOINT_INTERVAL",
                "500ms",
            ),
            partitions: partitions(&target.kafka, SENSOR_MOVEMENTS)?,
        })
    }
}

/// Clients of the Kafka at `bootstrap`.
pub(crate) fn kafka(bootstrap: &str, topic_prefix: &str) -> KafkaArgs {
    KafkaArgs {
        kafka: bootstrap.to_owned(),
        topic_prefix: topic_prefix.to_owned(),
    }
}

/// How many partitions a topic has.
pub(crate) fn partitions(bootstrap: &str, topic: &str) -> anyhow::Result<i32> {
    let client: BaseConsumer = kafka(bootstrap, "").client("bench").create()?;
    let metadata = client
        .fetch_metadata(Some(topic), WITHIN)
        .with_context(|| format!("asking Kafka at {bootstrap} for {topic}"))?;
    let count = metadata
        .topics()
        .first()
        .map_or(0, |topic| topic.partitions().len());
    if count == 0 {
        bail!("Kafka at {bootstrap} has no topic {topic}");
    }
    Ok(i32::try_from(count)?)
}
