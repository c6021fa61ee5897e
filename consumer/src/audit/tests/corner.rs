//! A corner of the stack with a topic of one partition, a consumer with the fold that panics, and the audit.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use chassis::admin::Health;
use chassis::clock::Clock;
use clap::Parser;
use domain::canary::Canary;
use domain::envelope;
use domain::event::{Body, Event, Position, TimeSource};
use domain::event_key::EventKey;
use domain::time::{Micros, Span};
use domain::topic::SENSOR_MOVEMENTS;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use sqlx::{AssertSqlSafe, PgPool};
use stack::{Scratch, Topic};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::fragile::Fragile;
use crate::audit::scene::Scene;
use crate::audit::{Audit, Options, PartitionReport, Progress};
use crate::{Config, Role};

/// Two hours ago and more: canaries that are older than a week are forgotten.
static START: LazyLock<Micros> = LazyLock::new(|| Clock::System.now() - Span::from_secs(8_000));

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    consumer: Config,
}

/// A corner of the stack with a topic of one partition.
pub(super) struct Corner {
    scratch: Scratch,
    pool: PgPool,
    pub(super) producer: ThreadedProducer<DefaultProducerContext>,
    config: Config,
}

impl Corner {
    pub(super) async fn new() -> Self {
        let stack = stack::shared::stack().await.unwrap();
        let all = Topic::defaults();
        let movements = all.into_iter().find(|one| one.name == SENSOR_MOVEMENTS);
        let movements = Topic {
            partitions: 1,
            ..movements.unwrap()
        };
        let scratch = stack.scratch(&[movements]).await.unwrap();
        let pool = PgPool::connect(&scratch.postgres_url).await.unwrap();
        sqlx::migrate!("../migrations").run(&pool).await.unwrap();
        let args = [
            ["fragile", "--kafka"].as_slice(),
            &[&scratch.kafka, "--topic-prefix", &scratch.topic_prefix],
            &["--postgres", &scratch.postgres_url],
            &["--redis", &scratch.redis_url],
            &["--checkpoint-interval", "100ms", "--folds", "movement"],
        ];
        let producer = ClientConfig::new()
            .set("bootstrap.servers", &scratch.kafka)
            .set("enable.idempotence", "true")
            .create()
            .unwrap();
        Self {
            config: Cli::parse_from(args.concat()).consumer,
            scratch,
            pool,
            producer,
        }
    }

    pub(super) fn topic(&self) -> String {
        format!("{}{}", self.scratch.topic_prefix, SENSOR_MOVEMENTS)
    }

    pub(super) fn produce(&self, value: &[u8]) {
        let topic = self.topic();
        let record: BaseRecord<'_, str, [u8]> = BaseRecord::to(&topic);
        let record = record.partition(0).key("s").payload(value);
        self.producer.send(record).unwrap();
    }

    pub(super) fn seen(&self, traveler: &str, second: i64) {
        self.seen_by("s", traveler, second);
    }

    pub(super) fn seen_by(&self, sensor: &str, traveler: &str, second: i64) {
        let position = Position {
            traveler: traveler.into(),
            traveler_type: "person".into(),
            x: 1.0,
            y: 2.0,
        };
        let device = sensor.into();
        let event = event(second, Body::Position(position));
        self.produce(&envelope::encode(Event { device, ..event }));
    }

    pub(super) fn tick(&self, sequence: u64, second: i64) {
        let gateway = "g".into();
        let tick = Canary { gateway, sequence }.tick(instant(second));
        self.produce(&envelope::encode(tick));
    }

    /// Waits until Kafka has everything.
    pub(super) fn flush(&self) {
        self.producer.flush(Duration::from_secs(10)).unwrap();
    }

    /// Removes the records before `offset`, as retention does.
    pub(super) async fn truncate(&self, offset: i64) {
        self.flush();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.scratch.kafka);
        let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
        let mut offsets = TopicPartitionList::new();
        offsets
            .add_partition_offset(&self.topic(), 0, Offset::Offset(offset))
            .unwrap();
        let deleted = admin.delete_records(&offsets, &AdminOptions::new());
        deleted.await.unwrap();
    }

    /// Consumes with the fragile fold until the ledger is at `end`.
    pub(super) async fn consume(&self, end: i64) {
        self.flush();
        let role = Role {
            pool: self.pool.clone(),
            redis: redis::Client::open(self.scratch.redis_url.as_str()).unwrap(),
            config: self.config.clone(),
            health: Health::new(),
            tracker: TaskTracker::new(),
            shutdown: CancellationToken::new(),
        };
        let _ends_with_the_test = role.shutdown.clone().drop_guard();
        role.start::<Fragile>(self.config.movement.fold());
        let ledger = "select next_offset::text from ledger where topic = $1";
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.rows(ledger).await != [end.to_string()] {
            assert!(Instant::now() < deadline, "{:?}", self.rows(ledger).await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        role.shutdown.cancel();
        role.tracker.close();
        role.tracker.wait().await;
    }

    /// The rows of a query in which `$1` is the topic, as text.
    pub(super) async fn rows(&self, sql: &str) -> Vec<String> {
        let asked = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).bind(self.topic());
        asked.fetch_all(&self.pool).await.unwrap()
    }

    pub(super) async fn run(&self, sql: &str) {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.pool);
        done.await.unwrap();
    }

    pub(super) fn options(&self) -> Options {
        Options {
            kafka: self.config.kafka.clone(),
            postgres: self.config.postgres.clone(),
            redis: self.config.redis.clone(),
            movement: self.config.movement.clone(),
            folds: Vec::new(),
            threads: std::num::NonZeroUsize::MIN,
        }
    }

    pub(super) async fn audit(&self) -> PartitionReport {
        let scene = Scene::open(&self.options()).await.unwrap();
        self.audit_at(scene).await
    }

    /// Audits Postgres as it was when the scene was opened.
    pub(super) async fn audit_at(&self, scene: Scene) -> PartitionReport {
        self.audit_all(scene).await.remove(0)
    }

    /// Every partition that Kafka or the ledger has.
    pub(super) async fn audit_all(&self, scene: Scene) -> Vec<PartitionReport> {
        let options = self.options();
        let mut audit = Audit {
            scene,
            options: &options,
            progress: std::sync::Arc::new(Progress::default()),
            shutdown: CancellationToken::new(),
        };
        let plan = audit.plan::<Fragile>().await.unwrap();
        let config = options.movement.fold();
        let report = audit.check::<Fragile>(plan, config).await.unwrap();
        audit.assert_unheld().await.unwrap();
        report.partitions
    }
}

fn instant(second: i64) -> Micros {
    *START + Span::from_secs(second)
}

fn event(second: i64, body: Body) -> Event {
    let at = instant(second);
    Event {
        device: "s".into(),
        event_time: at,
        received_at: at,
        time_source: TimeSource::Device,
        key: EventKey::from_event_id(&second.to_string()),
        has_event_id: true,
        body,
    }
}
