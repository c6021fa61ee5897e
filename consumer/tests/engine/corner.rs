//! A corner of the shared stack with tables, topics and a log that the test writes record by record.

use std::time::Duration;

use clap::Parser;
use domain::canary::Canary;
use domain::envelope;
use domain::event::{Body, Event, Position, TimeSource};
use domain::event_key::EventKey;
use domain::time::Micros;
use domain::topic;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use sqlx::{AssertSqlSafe, PgPool, Row};
use stack::{Scratch, Topic};

use crate::running::{Running, eventually};

pub(crate) const PARTITIONS: i32 = 3;
pub(crate) const START: i64 = 1_790_000_000_000_000;

/// Settings of a consumer with one fold.
pub(crate) const MOVEMENT: [&str; 2] = ["--folds", "movement"];

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    consumer: consumer::Config,
}

/// See the module.
pub(crate) struct Corner {
    pub(crate) scratch: Scratch,
    pub(crate) pool: PgPool,
    producer: ThreadedProducer<DefaultProducerContext>,
    /// What was produced, by partition.
    pub(crate) log: Vec<Vec<Vec<u8>>>,
    clock: i64,
}

impl Corner {
    pub(crate) async fn new() -> Self {
        let stack = stack::shared::stack().await.unwrap();
        let topics = [
            topic(topic::SENSOR_MOVEMENTS, PARTITIONS),
            topic(topic::DEAD_LETTERS, 1),
        ];
        let scratch = stack.scratch(&topics).await.unwrap();
        let pool = PgPool::connect(&scratch.postgres_url).await.unwrap();
        sqlx::migrate!("../migrations").run(&pool).await.unwrap();
        let producer = producer(&scratch);
        Self {
            scratch,
            pool,
            producer,
            log: vec![Vec::new(); PARTITIONS as usize],
            clock: START,
        }
    }

    pub(crate) fn topic(&self) -> String {
        format!("{}{}", self.scratch.topic_prefix, topic::SENSOR_MOVEMENTS)
    }

    /// A consumer of the movements.
    pub(crate) fn start(&self) -> Running {
        self.start_with(self, &MOVEMENT)
    }

    /// A consumer with every fold.
    pub(crate) fn start_all(&self, settings: &[&str]) -> Running {
        self.start_with(self, settings)
    }

    /// A consumer of this corner's log that writes to the stores of another.
    pub(crate) fn start_with(&self, stores: &Self, settings: &[&str]) -> Running {
        let (scratch, stores) = (&self.scratch, &stores.scratch);
        let admin = format!("127.0.0.1:{}", stack::port::free().unwrap());
        let args = [
            ["consumer", "--kafka"].as_slice(),
            &[&scratch.kafka, "--topic-prefix", &scratch.topic_prefix],
            &["--postgres", &stores.postgres_url],
            &["--redis", &stores.redis_url, "--admin-bind", &admin],
            &["--checkpoint-interval", "100ms"],
            settings,
        ];
        Running::start(Cli::parse_from(args.concat()).consumer, admin)
    }

    pub(crate) fn produce(&mut self, partition: i32, key: &str, value: Vec<u8>) {
        let topic = self.topic();
        let record: BaseRecord<'_, str, [u8]> = BaseRecord::to(&topic);
        self.producer
            .send(record.partition(partition).key(key).payload(&value))
            .unwrap();
        self.log[partition as usize].push(value);
    }

    /// Positions in a partition, a second apart.
    pub(crate) fn positions(&mut self, partition: i32, count: usize) {
        for _ in 0..count {
            self.clock += 1_000_000;
            let event = self.position(partition);
            self.produce(partition, "", envelope::encode(event));
        }
    }

    /// A position so many seconds after [`START`].
    pub(crate) fn seen_at(&mut self, partition: i32, second: i64) {
        let event = self.position(partition);
        self.produce_at(partition, second, event);
    }

    /// A tick so many seconds after [`START`].
    pub(crate) fn tick_at(&mut self, partition: i32, second: i64) {
        let tick = Event {
            device: "".into(),
            body: Body::Tick,
            ..self.position(partition)
        };
        self.produce_at(partition, second, tick);
    }

    fn produce_at(&mut self, partition: i32, second: i64, event: Event) {
        let at = Micros(START + second * 1_000_000);
        let event = Event {
            event_time: at,
            received_at: at,
            key: EventKey::from_event_id(&second.to_string()),
            ..event
        };
        self.produce(partition, "", envelope::encode(event));
    }

    /// A position, and the same once more.
    pub(crate) fn twice(&mut self, partition: i32) {
        self.clock += 1_000_000;
        let value = envelope::encode(self.position(partition));
        self.produce(partition, "", value.clone());
        self.produce(partition, "", value);
    }

    /// A record that cannot be read.
    pub(crate) fn garbage(&mut self, partition: i32) {
        self.produce(partition, "", b"\xff\xff no envelope".to_vec());
    }

    /// Canaries of a gateway.
    pub(crate) fn canaries(&mut self, partition: i32, gateway: &str, sequences: &[u64]) {
        for &sequence in sequences {
            let canary = Canary {
                gateway: gateway.into(),
                sequence,
            };
            self.produce(partition, "", envelope::encode(canary.tick(now())));
        }
    }

    fn position(&self, partition: i32) -> Event {
        Event {
            device: format!("s{partition}").as_str().into(),
            event_time: Micros(self.clock),
            received_at: Micros(self.clock),
            time_source: TimeSource::Device,
            key: EventKey::from_event_id(&self.clock.to_string()),
            has_event_id: true,
            body: Body::Position(Position {
                traveler: "t".into(),
                traveler_type: "person".into(),
                x: 1.0,
                y: 2.0,
            }),
        }
    }

    /// Removes the records of a partition before `offset`, as retention does.
    pub(crate) async fn truncate(&self, partition: i32, offset: i64) {
        self.producer.flush(Duration::from_secs(10)).unwrap();
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", &self.scratch.kafka)
            .create()
            .unwrap();
        let mut offsets = TopicPartitionList::new();
        offsets
            .add_partition_offset(&self.topic(), partition, Offset::Offset(offset))
            .unwrap();
        admin
            .delete_records(&offsets, &AdminOptions::new())
            .await
            .unwrap();
    }

    /// Deletes the topic and makes it again, with nothing in it.
    pub(crate) async fn make_topic_anew(&mut self) {
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", &self.scratch.kafka)
            .create()
            .unwrap();
        let name = self.topic();
        let deleted = admin.delete_topics(&[&name], &AdminOptions::new());
        assert_eq!(deleted.await.unwrap(), [Ok(name.clone())]);
        let new = NewTopic::new(&name, PARTITIONS, TopicReplication::Fixed(1));
        eventually("making the topic anew", || async {
            let made = admin.create_topics([&new], &AdminOptions::new()).await;
            match made.unwrap().remove(0) {
                Ok(_) => Ok(()),
                Err((_, code)) => Err(code.to_string()),
            }
        })
        .await;
        // The old one goes on counting where it was.
        self.producer = producer(&self.scratch);
        self.log = vec![Vec::new(); PARTITIONS as usize];
    }

    /// Runs a statement in which `$1` is the topic.
    pub(crate) async fn sql(&self, statement: &str) -> u64 {
        let statement = AssertSqlSafe(statement.to_owned());
        let done = sqlx::query(statement)
            .bind(self.topic())
            .execute(&self.pool);
        done.await.unwrap().rows_affected()
    }

    /// The rows of a query in which `$1` is the topic, as text.
    pub(crate) async fn rows(&self, query: &str) -> Vec<String> {
        let query = AssertSqlSafe(query.to_owned());
        let rows = sqlx::query(query).bind(self.topic()).fetch_all(&self.pool);
        rows.await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// Waits until a query gives `expected`.
    pub(crate) async fn becomes(&self, query: &str, expected: &[&str]) {
        eventually(query, || async {
            let rows = self.rows(query).await;
            if rows == expected {
                Ok(())
            } else {
                Err(format!("{rows:?}, expected {expected:?}"))
            }
        })
        .await;
    }

    /// Waits until the ledger is at the end of these partitions and accounts for every record of them.
    pub(crate) async fn settled(&self, partitions: &[i32]) {
        self.producer.flush(Duration::from_secs(10)).unwrap();
        for &partition in partitions {
            let end = self.log[partition as usize].len();
            let query = format!(
                "select concat_ws(' ', next_offset, accounted_offset) from ledger where topic = $1 and partition = {partition}"
            );
            self.becomes(&query, &[&format!("{end} {end}")]).await;
        }
    }
}

fn producer(scratch: &Scratch) -> ThreadedProducer<DefaultProducerContext> {
    ClientConfig::new()
        .set("bootstrap.servers", &scratch.kafka)
        .set("enable.idempotence", "true")
        .create()
        .unwrap()
}

/// The present, for canaries: those that are older than a week are forgotten.
fn now() -> Micros {
    chassis::clock::Clock::System.now()
}

fn topic(name: &str, partitions: i32) -> Topic {
    let defaults = Topic::defaults()
        .into_iter()
        .find(|topic| topic.name == name);
    Topic {
        partitions,
        ..defaults.unwrap()
    }
}
