//! Reading a partition of Kafka from one offset to another, outside of any group.

use std::time::{Duration, Instant};

use chassis::kafka::KafkaArgs;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::AuditError;

/// How long one request may take.
pub(super) const REQUEST: Duration = Duration::from_secs(10);

/// How long Kafka may be silent before there is a record that it has.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// How often a reader that waits looks whether it shall end.
const LOOK: Duration = Duration::from_millis(100);

/// Reads one partition.
pub(super) struct LogReader {
    consumer: BaseConsumer,
    topic: String,
    partition: i32,
    heard: Instant,
}

/// A client that reads what it is assigned by hand: it joins no group and commits nothing.
pub(super) fn client(kafka: &KafkaArgs) -> Result<BaseConsumer, AuditError> {
    kafka
        .client("footfall-audit")
        // Named because the client asks for a name; a group is joined by subscribing only.
        .set("group.id", "footfall-audit")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // A record that is gone must be said, never passed over.
        .set("auto.offset.reset", "error")
        .set("isolation.level", "read_uncommitted")
        .set("check.crcs", "true")
        .set("queued.max.messages.kbytes", "32768")
        .create()
        .map_err(|source| AuditError::Kafka {
            doing: format!("connecting to {}", kafka.kafka),
            source,
        })
}

/// By partition: the first offset that is kept and the one the next record gets.
pub(super) fn offsets(kafka: &KafkaArgs, topic: &str) -> Result<Vec<(i64, i64)>, AuditError> {
    let fail = |source| AuditError::Kafka {
        doing: format!("asking for the offsets of {topic}"),
        source,
    };
    let client = client(kafka)?;
    let metadata = client.fetch_metadata(Some(topic), REQUEST).map_err(fail)?;
    let partitions = metadata
        .topics()
        .first()
        .map_or(&[][..], |topic| topic.partitions());
    if partitions.is_empty() {
        return Err(AuditError::NoTopic(topic.to_owned()));
    }
    (0..)
        .zip(partitions)
        .map(|(partition, _)| {
            client
                .fetch_watermarks(topic, partition, REQUEST)
                .map_err(fail)
        })
        .collect()
}

impl LogReader {
    pub(super) fn new(
        kafka: &KafkaArgs,
        topic: &str,
        partition: i32,
        from: i64,
    ) -> Result<Self, AuditError> {
        let consumer = client(kafka)?;
        let mut assignment = TopicPartitionList::new();
        let assigned = assignment
            .add_partition_offset(topic, partition, Offset::Offset(from))
            .and_then(|()| consumer.assign(&assignment));
        assigned.map_err(|source| AuditError::Kafka {
            doing: format!("reading {topic} partition {partition} from offset {from}"),
            source,
        })?;
        Ok(Self {
            consumer,
            topic: topic.to_owned(),
            partition,
            heard: Instant::now(),
        })
    }

    /// The next record; `None` when there was none for a moment.
    pub(super) fn next(&mut self, offset: i64) -> Result<Option<BorrowedMessage<'_>>, AuditError> {
        match self.consumer.poll(LOOK) {
            Some(Ok(message)) => {
                // Asking the clock costs as much as folding; once in a while is often enough.
                if message.offset() % 1024 == 0 {
                    self.heard = Instant::now();
                }
                Ok(Some(message))
            }
            // A broker that is away for a moment comes back; one that does not is silent.
            Some(Err(error)) if self.heard.elapsed() < SILENCE_MAX && !is_final(&error) => Ok(None),
            Some(Err(source)) => Err(AuditError::Kafka {
                doing: format!(
                    "reading {} partition {} at offset {offset}",
                    self.topic, self.partition
                ),
                source,
            }),
            None if self.heard.elapsed() >= SILENCE_MAX => Err(AuditError::Silence {
                topic: self.topic.clone(),
                partition: self.partition,
                offset,
                seconds: SILENCE_MAX.as_secs(),
            }),
            None => Ok(None),
        }
    }
}

/// Whether waiting does not help: retention took the record while we read.
fn is_final(error: &KafkaError) -> bool {
    use rdkafka::types::RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(Code::OffsetOutOfRange | Code::AutoOffsetReset | Code::UnknownTopicOrPartition)
    )
}
