//! A corner of the shared servers with tables, topics and a consumer, and the binary called on it.

#![allow(dead_code, reason = "each test binary uses its part of this")]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is the report"
)]

use std::process::Output;
use std::time::{Duration, Instant};

use clap::Parser;
use domain::envelope;
use domain::event::{Body, Event, Position, TimeSource};
use domain::event_key::EventKey;
use domain::time::Micros;
use domain::topic::{self, partition_of};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use sqlx::PgPool;
use stack::{Scratch, Topic};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::command::output;

pub(crate) const PARTITIONS: i32 = 3;
pub(crate) const START: i64 = 1_790_000_000_000_000;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    consumer: consumer::Config,
}

pub(crate) struct Site {
    pub(crate) scratch: Scratch,
    pub(crate) pool: PgPool,
    producer: ThreadedProducer<DefaultProducerContext>,
    workdir: tempfile::TempDir,
}

/// A consumer in this process.
pub(crate) struct Consumer {
    shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Site {
    pub(crate) async fn new() -> Self {
        let stack = stack::shared::stack().await.unwrap();
        let topics = [
            named(topic::SENSOR_MOVEMENTS, PARTITIONS),
            named(topic::DEAD_LETTERS, 1),
        ];
        let scratch = stack.scratch(&topics).await.unwrap();
        let pool = PgPool::connect(&scratch.postgres_url).await.unwrap();
        sqlx::migrate!("../migrations").run(&pool).await.unwrap();
        let producer = rdkafka::ClientConfig::new()
            .set("bootstrap.servers", &scratch.kafka)
            .set("enable.idempotence", "true")
            .create()
            .unwrap();
        Self {
            scratch,
            pool,
            producer,
            workdir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.scratch.topic_prefix)
    }

    /// A file in the folder in which the binary runs.
    pub(crate) fn file(&self, name: &str, text: &str) {
        std::fs::write(self.workdir.path().join(name), text).unwrap();
    }

    pub(crate) fn consume(&self) -> Consumer {
        let scratch = &self.scratch;
        let config = Cli::parse_from([
            "consumer",
            "--kafka",
            &scratch.kafka,
            "--topic-prefix",
            &scratch.topic_prefix,
            "--postgres",
            &scratch.postgres_url,
            "--redis",
            &scratch.redis_url,
            "--admin-bind",
            "off",
        ]);
        let shutdown = CancellationToken::new();
        let tracker = tokio_util::task::TaskTracker::new();
        let task = tracker.spawn(consumer::run(config.consumer, shutdown.clone()));
        Consumer { shutdown, task }
    }

    /// Writes a record as it is.
    pub(crate) fn produce(&self, topic: &str, partition: i32, key: &str, value: &[u8]) {
        let topic = self.topic(topic);
        let record = BaseRecord::to(&topic).partition(partition);
        self.producer.send(record.key(key).payload(value)).unwrap();
    }

    pub(crate) fn publish(&self, event: Event) {
        let key = event.device.0.clone();
        let partition = partition_of(&key, PARTITIONS);
        self.produce(
            topic::SENSOR_MOVEMENTS,
            partition,
            &key,
            &envelope::encode(event),
        );
    }

    pub(crate) fn tick(&self, at: Micros) {
        for partition in 0..PARTITIONS {
            let tick = Event {
                body: Body::Tick,
                ..position("", "", at, 0)
            };
            let value = envelope::encode(tick);
            self.produce(topic::SENSOR_MOVEMENTS, partition, "", &value);
        }
    }

    /// Some travelers at some sensors, each fifth sample out of order, each seventh sent twice, a few far too late.
    pub(crate) fn crowd(&self, from: u64, to: u64) {
        for id in from..to {
            let at = START + i64::try_from(id).unwrap() * 400_000;
            let jitter = match id {
                id if id % 97 == 96 => 3600 * 1_000_000,
                id if id.is_multiple_of(5) => 7_000_000,
                _ => 0,
            };
            let (sensor, traveler) = (
                format!("s{}", id % 5),
                format!("t{}", id % 23 + id / 400 * 100),
            );
            let event = position(&sensor, &traveler, Micros(at - jitter), id);
            self.publish(event.clone());
            if id.is_multiple_of(7) {
                self.publish(event);
            }
            if id.is_multiple_of(50) {
                self.tick(Micros(at));
            }
        }
    }

    /// Waits until the ledger and the live view are at the end of the log.
    pub(crate) async fn settled(&self) {
        self.flush();
        eventually("the stores are at the end of the log", async || {
            let answer = self.call(&["audit", "--json"]);
            let Ok(report) = serde_json::from_slice::<serde_json::Value>(&answer.stdout) else {
                return Err(String::from_utf8_lossy(&answer.stderr).into_owned());
            };
            let movement = &report["folds"][0]["partitions"];
            let ends = self.ends();
            let at_end = |store: &str| {
                let offsets = movement.as_array().into_iter().flatten();
                offsets
                    .map(|one| one[store]["offset"].as_i64())
                    .eq(ends.iter().copied().map(Some))
            };
            if at_end("postgres") && at_end("redis") {
                return Ok(());
            }
            Err(format!("{movement}, wanted {ends:?}"))
        })
        .await;
    }

    /// Waits until Kafka has everything.
    pub(crate) fn flush(&self) {
        self.producer.flush(Duration::from_secs(10)).unwrap();
    }

    fn ends(&self) -> Vec<i64> {
        let topic = self.topic(topic::SENSOR_MOVEMENTS);
        (0..PARTITIONS)
            .map(|partition| {
                let client = self.producer.client();
                let within = Duration::from_secs(5);
                client
                    .fetch_watermarks(&topic, partition, within)
                    .unwrap()
                    .1
            })
            .collect()
    }

    /// The binary, told where the servers are.
    pub(crate) fn call(&self, args: &[&str]) -> Output {
        let scratch = &self.scratch;
        let mut all = args.to_vec();
        all.extend(["--postgres", &scratch.postgres_url]);
        if args[0] == "audit" || args.contains(&"replay") {
            all.extend(["--kafka", &scratch.kafka]);
            all.extend(["--topic-prefix", &scratch.topic_prefix]);
        }
        if args[0] == "audit" {
            all.extend(["--redis", &scratch.redis_url]);
        }
        output(self.workdir.path(), &all)
    }

    /// Runs a statement that changes something behind the product's back.
    pub(crate) async fn tamper(&self, sql: &str) {
        let statement = sqlx::AssertSqlSafe(sql.to_owned());
        let done = sqlx::query(statement).execute(&self.pool).await.unwrap();
        assert_eq!(done.rows_affected(), 1, "{sql}");
    }

    pub(crate) async fn redis(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.scratch.redis_url.as_str()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }
}

impl Consumer {
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        (&mut self.task).await.unwrap().unwrap();
    }
}

impl Drop for Consumer {
    /// A test that fails must not wait for its consumer for ever.
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub(crate) fn position(sensor: &str, traveler: &str, at: Micros, id: u64) -> Event {
    let step = f64::from(u32::try_from(id % 17).unwrap());
    Event {
        device: sensor.into(),
        event_time: at,
        received_at: at,
        time_source: TimeSource::Device,
        key: EventKey::from_event_id(&format!("e{id}")),
        has_event_id: true,
        body: Body::Position(Position {
            traveler: traveler.into(),
            traveler_type: "person".into(),
            x: step * 1.3,
            y: step * 0.7,
        }),
    }
}

pub(crate) async fn eventually(what: &str, mut check: impl AsyncFnMut() -> Result<(), String>) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(why) = check().await {
        assert!(
            Instant::now() < deadline,
            "not within a minute: {what}: {why}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn named(name: &str, partitions: i32) -> Topic {
    let all = Topic::defaults();
    let defaults = all.into_iter().find(|topic| topic.name == name).unwrap();
    Topic {
        partitions,
        ..defaults
    }
}
