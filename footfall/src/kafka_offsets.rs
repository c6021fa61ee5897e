//! What Kafka says about topics and groups: partitions, first and next offsets, committed offsets. Blocking, as its client is; the
//! subcommands run it on the blocking pool.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use chassis::kafka::KafkaArgs;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use stack::Quiet;

/// How long one request may take.
pub(crate) const REQUEST: Duration = Duration::from_secs(5);

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicOffsets {
    pub(crate) name: String,
    /// By partition: the first offset that is kept and the one the next record gets.
    pub(crate) partitions: BTreeMap<i32, (i64, i64)>,
}

impl TopicOffsets {
    /// How many records are kept, those that Kafka wrote for itself included.
    pub(crate) fn records(&self) -> i64 {
        self.partitions.values().map(|(low, high)| high - low).sum()
    }
}

/// A client that reads but never joins: it commits nothing and disturbs no group.
pub(crate) fn reader(kafka: &KafkaArgs, group: &str) -> anyhow::Result<BaseConsumer<Quiet>> {
    kafka
        .client("footfall-look")
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true")
        .create_with_context(Quiet)
        .with_context(|| format!("connecting to Kafka at {}", kafka.kafka))
}

/// Which cluster this Kafka is.
pub(crate) fn cluster_id(kafka: &KafkaArgs) -> anyhow::Result<String> {
    reader(kafka, "footfall-look")?
        .client()
        .fetch_cluster_id(REQUEST)
        .with_context(|| format!("Kafka at {} does not say which cluster it is", kafka.kafka))
}

/// The topics with the prefix, in order of name. Kafka's own stay hidden.
pub(crate) fn topics(kafka: &KafkaArgs) -> anyhow::Result<Vec<TopicOffsets>> {
    let reader = reader(kafka, "footfall-look")?;
    let metadata = reader
        .fetch_metadata(None, REQUEST)
        .with_context(|| format!("asking Kafka at {} for its topics", kafka.kafka))?;
    let mut topics = Vec::new();
    for topic in metadata.topics() {
        let name = topic.name();
        if name.starts_with("__") || !name.starts_with(&kafka.topic_prefix) {
            continue;
        }
        let mut partitions = BTreeMap::new();
        for partition in topic.partitions() {
            let offsets = reader
                .fetch_watermarks(name, partition.id(), REQUEST)
                .with_context(|| format!("asking for the offsets of {name}"))?;
            partitions.insert(partition.id(), offsets);
        }
        topics.push(TopicOffsets {
            name: name.to_owned(),
            partitions,
        });
    }
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(topics)
}

/// How far a group is behind on one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lag {
    pub(crate) topic: String,
    /// Partitions for which the group has committed an offset.
    pub(crate) committed: usize,
    /// All partitions of the topic.
    pub(crate) partitions: usize,
    /// Records after the committed offsets; `None` when one of those lies outside of the log.
    pub(crate) records: Option<i64>,
}

/// The lag of a group on every topic for which it ever committed. What is expired counts as read.
pub(crate) fn lag(
    kafka: &KafkaArgs,
    group: &str,
    topics: &[TopicOffsets],
) -> anyhow::Result<Vec<Lag>> {
    let reader = reader(kafka, group)?;
    let mut wanted = TopicPartitionList::new();
    for topic in topics {
        for partition in topic.partitions.keys() {
            wanted.add_partition(&topic.name, *partition);
        }
    }
    if wanted.count() == 0 {
        return Ok(Vec::new());
    }
    let committed = reader
        .committed_offsets(wanted, REQUEST)
        .with_context(|| format!("asking for the offsets of group {group}"))?;
    let mut lags = Vec::new();
    for topic in topics {
        let read = |(partition, kept): (&i32, &(i64, i64))| {
            let element = committed.find_partition(&topic.name, *partition)?;
            let next = element.offset().to_raw().filter(|offset| *offset >= 0)?;
            Some(behind(next, *kept))
        };
        let behind: Vec<Option<i64>> = topic.partitions.iter().filter_map(read).collect();
        if !behind.is_empty() {
            lags.push(Lag {
                topic: topic.name.clone(),
                committed: behind.len(),
                partitions: topic.partitions.len(),
                records: behind.into_iter().sum(),
            });
        }
    }
    Ok(lags)
}

/// Records from `next` on, of those that are kept. What is expired counts as read; what does not exist yet cannot have been.
fn behind(next: i64, (low, high): (i64, i64)) -> Option<i64> {
    (next <= high).then(|| high - next.max(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_beyond_the_log_is_of_another_log_and_no_lag_of_zero() {
        assert_eq!(behind(7, (0, 10)), Some(3));
        assert_eq!(behind(10, (0, 10)), Some(0));
        assert_eq!(behind(2, (5, 10)), Some(5));
        assert_eq!(behind(1503, (0, 0)), None);
    }
}
