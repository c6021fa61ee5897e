//! A Kafka of one broker inside the test, and everything that was written to it.

use std::time::{Duration, Instant};

use domain::dead_letter::DeadLetter;
use domain::envelope;
use domain::event::{Body, Event};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::{Offset, TopicPartitionList};

pub(crate) const MOVEMENTS: &str = "sensor-movements";
pub(crate) const DEAD_LETTERS: &str = "dead-letters";
pub(crate) const PARTITIONS: i32 = 6;

/// How long a record may take to appear.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long one record too many is waited for.
const A_MOMENT: Duration = Duration::from_millis(200);

pub(crate) struct Kafka {
    pub(crate) cluster: MockCluster<'static, DefaultProducerContext>,
}

/// A record as it was read back.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    pub(crate) key: String,
    pub(crate) value: Vec<u8>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Record {
    pub(crate) fn event(&self) -> Event {
        envelope::decode(&self.value).unwrap()
    }

    pub(crate) fn letter(&self) -> DeadLetter {
        DeadLetter::from_bytes(&self.value).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Kafka {
    pub(crate) fn start() -> Self {
        let kafka = Self::without_topics();
        kafka.create_topics();
        kafka
    }

    pub(crate) fn without_topics() -> Self {
        Self {
            cluster: MockCluster::new(1).unwrap(),
        }
    }

    pub(crate) fn create_topics(&self) {
        self.cluster.create_topic(MOVEMENTS, PARTITIONS, 1).unwrap();
        self.cluster.create_topic(DEAD_LETTERS, 1, 1).unwrap();
    }

    pub(crate) fn servers(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    pub(crate) fn go_away(&self) {
        self.cluster.broker_down(-1).unwrap();
    }

    pub(crate) fn come_back(&self) {
        self.cluster.broker_up(-1).unwrap();
    }

    /// The first `count` events that are no ticks, partition by partition.
    pub(crate) fn events(&self, count: usize) -> Vec<Record> {
        self.read(MOVEMENTS, PARTITIONS, count, |record| {
            record.event().body != Body::Tick
        })
    }

    /// The first `count` ticks.
    pub(crate) fn ticks(&self, count: usize) -> Vec<Record> {
        self.read(MOVEMENTS, PARTITIONS, count, |record| {
            record.event().body == Body::Tick
        })
    }

    /// The first `count` dead letters.
    pub(crate) fn letters(&self, count: usize) -> Vec<Record> {
        self.read(DEAD_LETTERS, 1, count, |_| true)
    }

    /// Waits for `count` records of `topic` that are `wanted`, and then a moment for one too many.
    fn read(
        &self,
        topic: &str,
        partitions: i32,
        count: usize,
        wanted: impl Fn(&Record) -> bool,
    ) -> Vec<Record> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.servers())
            .set("group.id", "test")
            .set("enable.auto.commit", "false")
            .create()
            .unwrap();
        let mut assignment = TopicPartitionList::new();
        for partition in 0..partitions {
            assignment
                .add_partition_offset(topic, partition, Offset::Beginning)
                .unwrap();
        }
        consumer.assign(&assignment).unwrap();
        let begun = Instant::now();
        let mut records = Vec::new();
        let mut last = Instant::now();
        loop {
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(20)) {
                let record = record(&message);
                if wanted(&record) {
                    records.push(record);
                    last = Instant::now();
                }
            }
            let is_complete = records.len() >= count;
            if is_complete && last.elapsed() > A_MOMENT {
                return records;
            }
            let found = records.len();
            assert!(
                is_complete || begun.elapsed() < PATIENCE,
                "{found} of {count} records in {topic}"
            );
        }
    }
}

fn record(message: &impl Message) -> Record {
    let text =
        |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap();
    Record {
        partition: message.partition(),
        key: text(message.key()),
        value: message.payload().unwrap_or_default().to_vec(),
        headers: message.headers().map_or_else(Vec::new, |headers| {
            headers
                .iter()
                .map(|header| (header.key.to_owned(), text(header.value)))
                .collect()
        }),
    }
}
