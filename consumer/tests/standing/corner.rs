//! A corner of the shared stack with tables, topics and a log that the test writes record by record.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Parser;
use domain::canary::Canary;
use domain::envelope;
use domain::event::{Body, Event, Position, TimeSource};
use domain::event_key::EventKey;
use domain::time::Micros;
use domain::topic;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use sqlx::{AssertSqlSafe, PgPool, Row};
use stack::{Scratch, Topic};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) const PARTITIONS: i32 = 3;
const START: i64 = 1_790_000_000_000_000;
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    consumer: consumer::Config,
}

/// See the module.
pub(crate) struct Corner {
    scratch: Scratch,
    pub(crate) pool: PgPool,
    producer: ThreadedProducer<DefaultProducerContext>,
    /// Where the log of each partition ends.
    ends: BTreeMap<i32, i64>,
    clock: i64,
}

/// A consumer that runs in this process.
pub(crate) struct Running {
    pub(crate) admin: String,
    /// A test that fails ends its consumer too.
    shutdown: DropGuard,
    task: JoinHandle<anyhow::Result<()>>,
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
        let producer = ClientConfig::new()
            .set("bootstrap.servers", &scratch.kafka)
            .set("enable.idempotence", "true")
            .create()
            .unwrap();
        Self {
            scratch,
            pool,
            producer,
            ends: (0..PARTITIONS).map(|partition| (partition, 0)).collect(),
            clock: START,
        }
    }

    pub(crate) fn topic(&self) -> String {
        format!("{}{}", self.scratch.topic_prefix, topic::SENSOR_MOVEMENTS)
    }

    pub(crate) fn start(&self) -> Running {
        self.start_with(self, &[])
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
            &["--checkpoint-interval", "100ms", "--folds", "movement"],
            settings,
        ];
        let config = Cli::parse_from(args.concat()).consumer;
        let shutdown = CancellationToken::new();
        let tracker = tokio_util::task::TaskTracker::new();
        let task = tracker.spawn(consumer::run(config, shutdown.clone()));
        Running {
            admin,
            shutdown: shutdown.drop_guard(),
            task,
        }
    }

    fn produce(&mut self, partition: i32, value: &[u8]) {
        let topic = self.topic();
        let record: BaseRecord<'_, str, [u8]> = BaseRecord::to(&topic);
        self.producer
            .send(record.partition(partition).key("").payload(value))
            .unwrap();
        *self.ends.get_mut(&partition).unwrap() += 1;
    }

    /// Positions in a partition, a second apart.
    pub(crate) fn positions(&mut self, partition: i32, count: usize) {
        for _ in 0..count {
            self.clock += 1_000_000;
            let event = self.position(partition);
            self.produce(partition, &envelope::encode(event));
        }
    }

    /// A position, and the same once more.
    pub(crate) fn twice(&mut self, partition: i32) {
        self.clock += 1_000_000;
        let value = envelope::encode(self.position(partition));
        self.produce(partition, &value);
        self.produce(partition, &value);
    }

    /// A record that cannot be read.
    pub(crate) fn garbage(&mut self, partition: i32) {
        self.produce(partition, b"\xff\xff no envelope");
    }

    /// Canaries of a gateway.
    pub(crate) fn canaries(&mut self, partition: i32, gateway: &str, sequences: &[u64]) {
        for &sequence in sequences {
            let canary = Canary {
                gateway: gateway.into(),
                sequence,
            };
            self.produce(partition, &envelope::encode(canary.tick(now())));
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
        for partition in partitions {
            let end = self.ends[partition];
            let query = format!(
                "select concat_ws(' ', next_offset, accounted_offset) from ledger where topic = $1 and partition = {partition}"
            );
            self.becomes(&query, &[&format!("{end} {end}")]).await;
        }
    }
}

impl Running {
    pub(crate) async fn stop(self) {
        drop(self.shutdown);
        self.task.await.unwrap().unwrap();
    }

    async fn get(&self, path: &str) -> Result<String, String> {
        let mut stream = TcpStream::connect(&self.admin)
            .await
            .map_err(|error| error.to_string())?;
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        Ok(answer)
    }

    /// Waits until `/readyz` says that the process is not ready, in words that contain `sentence`.
    pub(crate) async fn not_ready(&self, sentence: &str) {
        self.says("/readyz", "HTTP/1.0 503", sentence).await;
    }

    /// Waits until `/readyz` says that the process is ready.
    pub(crate) async fn ready(&self) {
        self.says("/readyz", "HTTP/1.0 200", "").await;
    }

    /// Waits until a line of `/metrics` begins with `name`, contains `label` and ends with `value`.
    pub(crate) async fn metric(&self, name: &str, label: &str, value: &str) {
        eventually(&format!("{name} {label} {value}"), || async {
            let text = self.get("/metrics").await?;
            let of_name: Vec<&str> = text.lines().filter(|line| line.starts_with(name)).collect();
            let is_it =
                |line: &&&str| line.contains(label) && line.ends_with(&format!("}} {value}"));
            of_name
                .iter()
                .find(is_it)
                .map(|_| ())
                .ok_or(of_name.join("\n"))
        })
        .await;
    }

    async fn says(&self, path: &str, begins: &str, contains: &str) {
        eventually(contains, || async {
            let answer = self.get(path).await?;
            if answer.starts_with(begins) && answer.contains(contains) {
                Ok(())
            } else {
                Err(answer)
            }
        })
        .await;
    }
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

pub(crate) async fn eventually<Fut: Future<Output = Result<(), String>>>(
    what: &str,
    check: impl Fn() -> Fut,
) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match check().await {
            Ok(()) => return,
            Err(why) => assert!(
                Instant::now() < deadline,
                "not within a minute: {what}: {why}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
