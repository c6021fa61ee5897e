//! A fold that panics, on real servers: what it panicked on ends in quarantine, the partition goes on, and the audit leaves out the
//! same. The movement fold does not panic, so a fold around it does.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use chassis::admin::Health;
use chassis::clock::Clock;
use clap::Parser;
use domain::canary::Canary;
use domain::envelope;
use domain::event::{Body, Event, Position, TimeSource};
use domain::event_key::EventKey;
use domain::fold::{Fold, Outcome, RestoreError, Rows};
use domain::live::{LiveMap, LiveWrite};
use domain::movement::{MovementConfig, MovementFold, MovementRows};
use domain::rejection::Rejection;
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

use super::cell::{Row, Table};
use super::live::Gone;
use super::rows::{Audited, ReadRows};
use super::scene::Scene;
use super::store::Write;
use super::{Audit, DifferenceKind, Options, PartitionReport, Progress};
use crate::{Config, Role};

/// Two hours ago and more: canaries that are older than a week are forgotten.
static START: LazyLock<Micros> = LazyLock::new(|| Clock::System.now() - Span::from_secs(8_000));
/// Panics when it is read.
const UNREADABLE: &[u8] = b"a bomb that goes off while it is decoded";
/// A traveler who makes the fold panic half way.
const BOMB: &str = "bomb";
/// A traveler who makes it panic when the late event is folded.
const LATE_BOMB: &str = "late bomb";

/// The movement fold, except that it panics.
#[derive(Debug)]
struct Fragile {
    fold: MovementFold,
    /// A late event waits that makes it panic.
    is_armed: bool,
}

impl Fold for Fragile {
    const NAME: &'static str = "fragile";
    const TOPIC: &'static str = SENSOR_MOVEMENTS;
    const VERSION: i32 = MovementFold::VERSION;
    type Config = MovementConfig;
    type Record = Event;
    type Rows = MovementRows;

    fn decode(value: &[u8]) -> Result<Event, Rejection> {
        assert_ne!(value, UNREADABLE, "a bomb");
        MovementFold::decode(value)
    }

    fn received_at(record: &Event) -> Option<Micros> {
        MovementFold::received_at(record)
    }

    fn canary(record: &Event) -> Option<(Canary, Micros)> {
        MovementFold::canary(record)
    }

    fn new(config: &MovementConfig) -> Self {
        let fold = MovementFold::new(config);
        Self {
            fold,
            is_armed: false,
        }
    }

    fn apply(&mut self, record: Event, offset: i64) -> Outcome {
        let of = |name: &str| matches!(&record.body, Body::Position(position) if position.traveler.0 == name);
        let (is_bomb, is_late_bomb) = (of(BOMB), of(LATE_BOMB));
        let outcome = self.fold.apply(record, offset);
        assert!(!is_bomb, "a bomb");
        self.is_armed |= is_late_bomb;
        outcome
    }

    fn is_due(&self, record: &Event) -> bool {
        self.fold.is_due(record)
    }

    fn wants(&self) -> <MovementRows as Rows>::Want {
        self.fold.wants()
    }

    fn amend(
        &mut self,
        past: <MovementRows as Rows>::Past,
        record: &Event,
        offset: i64,
    ) -> Option<<MovementRows as Rows>::Want> {
        let more = self.fold.amend(past, record, offset);
        assert!(!self.is_armed, "a late bomb");
        more
    }

    fn give_up(&mut self) {
        self.is_armed = false;
        self.fold.give_up();
    }

    fn drain_rows(&mut self) -> MovementRows {
        self.fold.drain_rows()
    }

    fn drain_live(&mut self, with_visits: bool) -> Vec<LiveWrite> {
        self.fold.drain_live(with_visits)
    }

    fn all_live(&mut self) -> Vec<LiveWrite> {
        self.fold.all_live()
    }

    fn watermark(&self) -> Option<Micros> {
        self.fold.watermark()
    }

    fn snapshot(&mut self) -> Vec<u8> {
        let mut bytes = self.fold.snapshot();
        bytes.push(u8::from(self.is_armed));
        bytes
    }

    fn restore(bytes: &[u8], config: &MovementConfig) -> Result<Self, RestoreError> {
        let (armed, bytes) = bytes.split_last().unwrap();
        Ok(Self {
            fold: MovementFold::restore(bytes, config)?,
            is_armed: *armed == 1,
        })
    }
}

impl Audited for Fragile {
    const TABLES: &'static [Table] = MovementFold::TABLES;

    fn writes(rows: MovementRows, partition: i32) -> Vec<(&'static Table, Vec<Write>)> {
        MovementFold::writes(rows, partition)
    }

    fn past(
        want: <MovementRows as Rows>::Want,
        read: &mut ReadRows<'_>,
    ) -> Result<<MovementRows as Rows>::Past, redb::Error> {
        MovementFold::past(want, read)
    }

    fn row_of_live(map: LiveMap, field: &[u8]) -> Option<(&'static Table, Row)> {
        MovementFold::row_of_live(map, field)
    }

    fn gone(row: &Row, found: &[u8]) -> Gone {
        MovementFold::gone(row, found)
    }
}

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    consumer: Config,
}

/// A corner of the stack with a topic of one partition.
struct Corner {
    scratch: Scratch,
    pool: PgPool,
    producer: ThreadedProducer<DefaultProducerContext>,
    config: Config,
}

impl Corner {
    async fn new() -> Self {
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

    fn topic(&self) -> String {
        format!("{}{}", self.scratch.topic_prefix, SENSOR_MOVEMENTS)
    }

    fn produce(&self, value: &[u8]) {
        let topic = self.topic();
        let record: BaseRecord<'_, str, [u8]> = BaseRecord::to(&topic);
        let record = record.partition(0).key("s").payload(value);
        self.producer.send(record).unwrap();
    }

    fn seen(&self, traveler: &str, second: i64) {
        let position = Position {
            traveler: traveler.into(),
            traveler_type: "person".into(),
            x: 1.0,
            y: 2.0,
        };
        self.produce(&envelope::encode(event(second, Body::Position(position))));
    }

    fn tick(&self, sequence: u64, second: i64) {
        let gateway = "g".into();
        let tick = Canary { gateway, sequence }.tick(instant(second));
        self.produce(&envelope::encode(tick));
    }

    /// Removes the records before `offset`, as retention does.
    async fn truncate(&self, offset: i64) {
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
    async fn consume(&self, end: i64) {
        self.producer.flush(Duration::from_secs(10)).unwrap();
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
    async fn rows(&self, sql: &str) -> Vec<String> {
        let asked = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).bind(self.topic());
        asked.fetch_all(&self.pool).await.unwrap()
    }

    async fn run(&self, sql: &str) {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.pool);
        done.await.unwrap();
    }

    fn options(&self) -> Options {
        Options {
            kafka: self.config.kafka.clone(),
            postgres: self.config.postgres.clone(),
            redis: self.config.redis.clone(),
            movement: self.config.movement.clone(),
            folds: Vec::new(),
            threads: std::num::NonZeroUsize::MIN,
        }
    }

    async fn audit(&self) -> PartitionReport {
        let scene = Scene::open(&self.options()).await.unwrap();
        self.audit_at(scene).await
    }

    /// Audits Postgres as it was when the scene was opened.
    async fn audit_at(&self, scene: Scene) -> PartitionReport {
        let options = self.options();
        let mut audit = Audit {
            scene,
            options: &options,
            progress: std::sync::Arc::new(Progress::default()),
            shutdown: CancellationToken::new(),
        };
        let plan = audit.plan::<Fragile>().await.unwrap();
        let config = options.movement.fold();
        let mut report = audit.check::<Fragile>(plan, config).await.unwrap();
        audit.assert_unheld().await.unwrap();
        report.partitions.remove(0)
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

const LETTERS: &str =
    "select concat_ws(' ', topic, partition, record_offset, reason) from dead_letter
    where topic = $1 order by record_offset";
const LATE: &str =
    "select concat_ws(' ', traveler_id, amended) from late_event where $1 <> '' order by event_at";
const CANARIES: &str =
    "select concat_ws(' ', gateway, sequence, gaps, repeats) from canary where topic = $1";
const COUNTS: &str = "select concat_ws(' ', applied, late, marker, dead_letter, accounted_offset) from ledger where topic = $1";

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_a_fold_panic_is_quarantined_with_its_place_and_the_partition_goes_on() {
    let corner = Corner::new().await;
    corner.seen("anna", 0);
    corner.seen("anna", 7_200);
    corner.tick(1, 7_210);
    corner.seen(LATE_BOMB, 10);
    corner.seen("ben", 20);
    corner.tick(2, 7_230);
    corner.seen(BOMB, 7_231);
    corner.produce(UNREADABLE);
    corner.seen("ben", 40);
    corner.tick(3, 7_250);
    corner.seen("anna", 7_260);
    corner.tick(4, 7_300);
    corner.consume(12).await;
    let topic = corner.topic();
    let expected = [5, 6, 7].map(|offset| format!("{topic} 0 {offset} poison"));
    assert_eq!(corner.rows(LETTERS).await, expected);
    assert_eq!(corner.rows(COUNTS).await, ["3 3 3 3 12"]);
    // The tick that is poison arrived all the same: no canary is missing.
    assert_eq!(corner.rows(CANARIES).await, ["g 4 0 0"]);
    // What waited beside the bomb is kept, and what came late after it is amended.
    let late = ["late bomb f", "ben f", "ben t"];
    assert_eq!(corner.rows(LATE).await, late);

    let report = corner.audit().await;
    assert!(report.is_equal(), "{report:#?}");
    assert_eq!((report.poison, report.records), (3, 12));
    // Without its letter a record is no poison, and the audit survives it.
    corner
        .run("create table kept as select * from dead_letter")
        .await;
    for offset in [5, 6, 7] {
        corner
            .run(&format!(
                "delete from dead_letter where record_offset = {offset}"
            ))
            .await;
        let report = corner.audit().await;
        let problem = &report.problems[0];
        let place = format!("the fold panicked at the record at offset {offset} (");
        assert!(problem.starts_with(&place), "{report:#?}");
        corner
            .run("delete from dead_letter; insert into dead_letter overriding system value select * from kept")
            .await;
    }
    assert!(corner.audit().await.is_equal());
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_recomputed_and_what_a_person_left_out_is_left_out() {
    let corner = Corner::new().await;
    (0..30).for_each(|n| corner.seen("anna", n));
    corner.consume(30).await;
    (30..60).for_each(|n| corner.seen("ben", n));
    corner.producer.flush(Duration::from_secs(10)).unwrap();
    corner
        .run("select skip_to(topic, 0, 50) from ledger where next_offset = 30")
        .await;
    corner.consume(60).await;
    let check = async || {
        let report = corner.audit().await;
        assert!(report.is_equal(), "{report:#?}");
        assert_eq!((report.skipped, report.records), (20, 40));
        assert_eq!((report.is_whole, report.notes.len()), (true, 0));
    };
    check().await;
    // A late event that is amended brings a snapshot, which replaces what was logged before.
    corner.seen("anna", 7_200);
    corner.seen("anna", 100);
    corner.tick(1, 7_230);
    corner.consume(63).await;
    let pieces = "select distinct kind from state_log where topic = $1 order by kind";
    assert_eq!(corner.rows(pieces).await, ["skip", "snapshot"]);
    let report = corner.audit().await;
    assert!(report.is_equal() && report.skipped == 20, "{report:#?}");

    let shift = "update ledger set applied = applied - 1, duplicate = duplicate + 1";
    corner.run(shift).await;
    let report = corner.audit().await;
    let found = report.first_difference.unwrap();
    let names: Vec<&str> = found.fields.iter().map(|field| field.name).collect();
    assert_eq!(
        (found.table, names),
        ("ledger", vec!["applied", "duplicate"])
    );
    corner
        .run("update ledger set applied = applied + 1, duplicate = duplicate - 1")
        .await;
    let ghost = "insert into canary select topic, partition, 'ghost', 7, now(), 0, 0 from ledger";
    corner.run(ghost).await;
    let found = corner.audit().await.first_difference.unwrap();
    assert_eq!((found.table, found.kind), ("canary", DifferenceKind::Extra));
    corner
        .run("delete from canary where gateway = 'ghost'")
        .await;

    // As an earlier build did with the first snapshot.
    corner
        .run("delete from state_log where kind = 'skip'")
        .await;
    let report = corner.audit().await;
    assert!(!report.is_equal());
    let told = "20 records were left out with skip_to by an earlier build";
    assert!(report.notes[0].starts_with(told), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_its_beginning_is_amended_without_holding_on_to_tables_by_day() {
    let corner = Corner::new().await;
    (0..30).for_each(|n| corner.seen("anna", n));
    corner.seen("anna", 7_200);
    corner.tick(1, 7_210);
    corner.consume(32).await;
    corner.truncate(20).await;
    // Redis is looked at after a late event was amended, Postgres before: so the audit has to amend it, with rows of Postgres.
    let scene = Scene::open(&corner.options()).await.unwrap();
    corner.seen("ben", 60);
    corner.tick(2, 7_230);
    corner.consume(34).await;
    let report = corner.audit_at(scene).await;
    assert!(report.is_equal() && !report.is_whole, "{report:#?}");
    assert_eq!(report.redis.as_ref().map(|side| side.offset), Some(34));
    assert_eq!(report.postgres.as_ref().map(|side| side.offset), Some(32));
    let told = "the counts of the ledger and the canaries are not compared: they begin at offset 0, and the folding at ";
    assert!(report.notes[0].starts_with(told), "{report:#?}");
}
