//! The engine on real servers: what Postgres and Redis hold is what one pass over the log gives.

#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "helpers of tests: small numbers, and a panic is the report"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Parser;
use domain::envelope;
use domain::event::{Body, Event, Position, TimeSource};
use domain::event_key::EventKey;
use domain::fold::Fold;
use domain::live::{LiveKeys, LiveMap};
use domain::movement::{MovementConfig, MovementFold, PaneRow, VisitKey, VisitRow};
use domain::pane::PaneKey;
use domain::time::Micros;
use domain::topic::{self, partition_of};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use sqlx::{PgPool, Row};
use stack::{Scratch, Topic};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

const PARTITIONS: i32 = 3;
const START: i64 = 1_790_000_000_000_000;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    consumer: consumer::Config,
}

/// A corner of the stack with tables and topics.
struct Site {
    scratch: Scratch,
    pool: PgPool,
    producer: ThreadedProducer<rdkafka::producer::DefaultProducerContext>,
    /// What was produced, by partition.
    log: Vec<Vec<Vec<u8>>>,
}

impl Site {
    async fn new() -> Self {
        let stack = stack::shared::stack().await.unwrap();
        let topics = [
            topic(topic::SENSOR_MOVEMENTS, PARTITIONS),
            topic(topic::DEAD_LETTERS, 1),
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
            log: vec![Vec::new(); PARTITIONS as usize],
        }
    }

    fn topic(&self) -> String {
        format!("{}{}", self.scratch.topic_prefix, topic::SENSOR_MOVEMENTS)
    }

    fn config(&self, extra: &[&str]) -> consumer::Config {
        let scratch = &self.scratch;
        let mut args = vec![
            "consumer",
            "--kafka",
            &scratch.kafka,
            "--topic-prefix",
            &scratch.topic_prefix,
        ];
        args.extend([
            "--postgres",
            &scratch.postgres_url,
            "--redis",
            &scratch.redis_url,
        ]);
        args.extend(["--checkpoint-interval", "100ms"]);
        args.extend(extra);
        Cli::parse_from(args).consumer
    }

    /// The rows of this topic in the ledger, as text.
    async fn ledger(&self) -> Vec<String> {
        let sql = "select concat_ws(' ', partition, epoch, next_offset) from ledger where topic = $1 order by partition";
        sqlx::query_scalar(sql)
            .bind(self.topic())
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    fn start(&self, extra: &[&str]) -> Running {
        let shutdown = CancellationToken::new();
        let tracker = tokio_util::task::TaskTracker::new();
        let task = tracker.spawn(consumer::run(self.config(extra), shutdown.clone()));
        Running {
            shutdown: shutdown.drop_guard(),
            task,
        }
    }

    fn produce(&mut self, partition: i32, key: &str, value: Vec<u8>) {
        let topic = self.topic();
        self.producer
            .send(
                BaseRecord::to(&topic)
                    .partition(partition)
                    .key(key)
                    .payload(&value),
            )
            .unwrap();
        self.log[partition as usize].push(value);
    }

    fn publish(&mut self, event: Event) {
        let key = event.device.0.clone();
        self.produce(
            partition_of(&key, PARTITIONS),
            &key,
            envelope::encode(event),
        );
    }

    /// A tick to every partition.
    fn tick(&mut self, at: Micros) {
        for partition in 0..PARTITIONS {
            let tick = Event {
                body: Body::Tick,
                ..position("", "", at, 0)
            };
            self.produce(partition, "", envelope::encode(tick));
        }
    }

    /// Waits until the ledger is at the end of every partition.
    async fn settled(&self) {
        self.producer.flush(Duration::from_secs(10)).unwrap();
        let wanted: BTreeMap<i32, i64> = (0..)
            .zip(&self.log)
            .map(|(partition, records)| (partition, records.len() as i64))
            .collect();
        eventually("the ledger is at the end", || async {
            let rows = sqlx::query("select partition, next_offset from ledger where topic = $1")
                .bind(self.topic())
                .fetch_all(&self.pool)
                .await
                .unwrap();
            let ledger: BTreeMap<i32, i64> =
                rows.iter().map(|row| (row.get(0), row.get(1))).collect();
            if ledger == wanted {
                Ok(())
            } else {
                Err(format!("{ledger:?}, wanted {wanted:?}"))
            }
        })
        .await;
    }

    /// One pass over the log of a partition.
    fn replayed(records: &[Vec<u8>]) -> MovementFold {
        let mut fold = MovementFold::new(&MovementConfig::default());
        for (offset, value) in (0..).zip(records) {
            if let Ok(record) = MovementFold::decode(value) {
                fold.apply(record, offset);
            }
        }
        fold
    }

    /// Compares every row with one pass over the log.
    async fn check_rows(&self) {
        let (mut visits, mut panes) = (Vec::new(), Vec::new());
        for records in &self.log {
            let rows = Self::replayed(records).drain_rows();
            visits.extend(
                rows.visits
                    .iter()
                    .filter_map(|(key, row)| Some(visit_line(key, row.as_ref()?))),
            );
            panes.extend(rows.panes.iter().map(|(key, row)| pane_line(key, row)));
        }
        assert!(
            !visits.is_empty() && !panes.is_empty(),
            "the log is worth comparing"
        );
        check_lines(&self.pool, VISITS, visits).await;
        check_lines(&self.pool, PANES, panes).await;
    }

    /// Waits until Redis holds, for every partition, the live view that one pass over the log gives.
    async fn live_is_right(&self) {
        let client = redis::Client::open(self.scratch.redis_url.as_str()).unwrap();
        let mut redis = client.get_multiplexed_async_connection().await.unwrap();
        for (partition, records) in (0..).zip(&self.log) {
            let mut fold = Self::replayed(records);
            let expected: BTreeMap<Vec<u8>, Vec<u8>> = fold
                .all_live()
                .into_iter()
                .filter(|write| write.map == LiveMap::Panes)
                .map(|write| (write.field, write.value.unwrap()))
                .collect();
            let keys = LiveKeys::new(&self.topic(), partition);
            let deadline = Instant::now() + Duration::from_secs(30);
            loop {
                let generation: Option<String> = redis::cmd("HGET")
                    .arg(keys.header())
                    .arg("gen")
                    .query_async(&mut redis)
                    .await
                    .unwrap();
                let stored: BTreeMap<Vec<u8>, Vec<u8>> = redis::cmd("HGETALL")
                    .arg(keys.map(&generation.unwrap_or_default(), LiveMap::Panes))
                    .query_async(&mut redis)
                    .await
                    .unwrap();
                if stored == expected {
                    break;
                }
                assert!(
                    Instant::now() < deadline,
                    "partition {partition}: {} of {}",
                    stored.len(),
                    expected.len()
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

impl Site {
    /// Waits until the header of every partition says that its newest record was received at `at`.
    async fn received_until(&self, at: Micros) {
        let client = redis::Client::open(self.scratch.redis_url.as_str()).unwrap();
        let redis = client.get_multiplexed_async_connection().await.unwrap();
        eventually("the header says what was received", async || {
            for (partition, _) in (0..).zip(&self.log) {
                let keys = LiveKeys::new(&self.topic(), partition);
                let mut header = redis::cmd("HGET");
                header.arg(keys.header()).arg("recv");
                let found: Option<i64> = header.query_async(&mut redis.clone()).await.unwrap();
                if found != Some(at.0) {
                    return Err(format!("partition {partition}: {found:?}"));
                }
            }
            Ok(())
        })
        .await;
    }
}

const VISITS: &str = "select concat_ws(' ', (extract(epoch from entered_at) * 1000000)::bigint, sensor, traveler_id,
    traveler_type, (extract(epoch from left_at) * 1000000)::bigint, samples, distance, speed_n, speed_sum, speed_min,
    speed_max) from visit";

const PANES: &str =
    "select concat_ws(' ', (extract(epoch from start_at) * 1000000)::bigint, sensor, traveler_type,
    entered, present, speed_n, speed_sum, speed_min, speed_max, encode(sketch, 'hex')) from pane";

fn visit_line(key: &VisitKey, row: &VisitRow) -> String {
    let (
        VisitKey {
            sensor,
            traveler,
            traveler_type,
            entered_at,
        },
        left_at,
    ) = (key, row.left_at.0);
    let (samples, distance, n) = (row.samples, row.distance.0, row.speed_n);
    let (sum, min, max) = (row.speed_sum.0, row.speed_min.0, row.speed_max.0);
    let entered_at = entered_at.0;
    format!(
        "{entered_at} {sensor} {traveler} {traveler_type} {left_at} {samples} {distance} {n} {sum} {min} {max}"
    )
}

fn pane_line(key: &PaneKey, row: &PaneRow) -> String {
    let (
        PaneKey {
            sensor,
            traveler_type,
            start,
        },
        pane,
    ) = (key, &row.pane);
    let (entered, present, speed, start) = (pane.entered, pane.present, &pane.speed, start.0);
    let (n, sum, min, max) = (speed.n, speed.sum.0, speed.min.0, speed.max.0);
    let sketch: String = speed
        .sketch
        .to_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{start} {sensor} {traveler_type} {entered} {present} {n} {sum} {min} {max} {sketch}")
}

async fn check_lines(pool: &PgPool, sql: &'static str, mut expected: Vec<String>) {
    let rows = sqlx::query(sql).fetch_all(pool).await.unwrap();
    let mut stored: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    stored.sort_unstable();
    expected.sort_unstable();
    assert_eq!(stored, expected);
}

struct Running {
    /// A test that fails ends its consumer too.
    shutdown: DropGuard,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    async fn stop(self) {
        drop(self.shutdown);
        self.task.await.unwrap().unwrap();
    }
}

/// Waits until `/readyz` at `admin` says that the process is not ready, in words that contain `sentence`.
async fn not_ready(admin: &str, sentence: &str) {
    eventually(sentence, || async {
        let mut stream = TcpStream::connect(admin)
            .await
            .map_err(|error| error.to_string())?;
        let request = b"GET /readyz HTTP/1.0\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        if answer.starts_with("HTTP/1.0 503") && answer.contains(sentence) {
            Ok(())
        } else {
            Err(answer)
        }
    })
    .await;
}

async fn eventually<Fut: Future<Output = Result<(), String>>>(what: &str, check: impl Fn() -> Fut) {
    let deadline = Instant::now() + Duration::from_secs(60);
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

fn topic(name: &str, partitions: i32) -> Topic {
    let defaults = Topic::defaults()
        .into_iter()
        .find(|topic| topic.name == name)
        .unwrap();
    Topic {
        partitions,
        ..defaults
    }
}

fn position(sensor: &str, traveler: &str, at: Micros, id: u64) -> Event {
    let step = (id % 17) as f64;
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

/// Some travelers at some sensors over ten minutes, each fifth sample late by some seconds, each seventh sent twice.
fn crowd(site: &mut Site, from: u64, to: u64) {
    for id in from..to {
        let sensor = format!("s{}", id % 5);
        let traveler = format!("t{}", id % 23 + id / 400 * 100);
        let jitter = if id.is_multiple_of(5) { 7_000_000 } else { 0 };
        let at = Micros(START + (id as i64) * 200_000 - jitter);
        let event = position(&sensor, &traveler, at, id);
        site.publish(event.clone());
        if id.is_multiple_of(7) {
            site.publish(event);
        }
        if id.is_multiple_of(50) {
            site.tick(at);
        }
    }
}

/// Late events and a copy among them, with another owner before and after: what stands is what would stand in time.
#[tokio::test(flavor = "multi_thread")]
async fn late_events_amend_rows_that_another_owner_has_written() {
    let mut site = Site::new().await;
    let at = |seconds: i64| Micros(START + seconds * 1_000_000);
    let seen = |traveler, seconds: i64, id| position("a", traveler, at(seconds), id);
    let in_time = [
        seen("t1", 0, 1),
        seen("t1", 20, 2),
        seen("t2", 40, 3),
        seen("t1", 7_200, 4),
    ];
    let late = [
        seen("t1", 10, 5),
        seen("t1", 45, 6),
        seen("t3", 3_600, 7),
        seen("t1", 20, 2),
    ];
    in_time.iter().for_each(|event| site.publish(event.clone()));
    site.tick(at(7_210));
    let first = site.start(&[]);
    site.settled().await;
    late.iter().for_each(|event| site.publish(event.clone()));
    site.settled().await;
    first.stop().await;
    site.tick(at(7_300));
    let second = site.start(&[]);
    site.settled().await;
    site.tick(at(7_400));
    site.settled().await;
    second.stop().await;

    let mut sorted: Vec<&Event> = in_time.iter().chain(&late[..3]).collect();
    sorted.sort_by_key(|event| event.event_time);
    let tick = |seconds| Event {
        body: Body::Tick,
        ..position("", "", at(seconds), 0)
    };
    let records: Vec<Vec<u8>> = sorted
        .into_iter()
        .cloned()
        .chain([tick(7_210), tick(7_300), tick(7_400)])
        .map(envelope::encode)
        .collect();
    let rows = Site::replayed(&records).drain_rows();
    let visits = rows.visits.iter();
    let visits = visits.filter_map(|(key, row)| Some(visit_line(key, row.as_ref()?)));
    check_lines(&site.pool, VISITS, visits.collect()).await;
    let panes = rows.panes.iter().map(|(key, row)| pane_line(key, row));
    check_lines(&site.pool, PANES, panes.collect()).await;
    let count = async |sql: &'static str| -> i64 {
        sqlx::query_scalar(sql).fetch_one(&site.pool).await.unwrap()
    };
    assert_eq!(
        count("select count(*) from late_event where amended").await,
        3
    );
    assert_eq!(count("select count(*) from late_event").await, 3);
    assert_eq!(count("select count(*) from visit where revised").await, 2);
    assert!(count("select count(*) from pane where revised and revision > 0").await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_live_view_equal_one_pass_over_the_log_across_restarts() {
    let mut site = Site::new().await;
    let first = site.start(&[]);
    crowd(&mut site, 0, 1_000);
    site.settled().await;
    site.check_rows().await;
    first.stop().await;
    crowd(&mut site, 1_000, 2_000);
    let second = site.start(&["--workers", "2"]);
    crowd(&mut site, 2_000, 3_000);
    site.settled().await;
    site.check_rows().await;
    site.live_is_right().await;
    // Every sensor is silent: the gateways' clock still tells that the live view is up to date.
    let later = Micros(START + 700_000_000);
    site.tick(later);
    site.received_until(later).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_member_takes_partitions_over_and_gives_them_back() {
    let mut site = Site::new().await;
    let first = site.start(&[]);
    crowd(&mut site, 0, 500);
    site.settled().await;
    let second = site.start(&[]);
    for round in 1..8 {
        crowd(&mut site, round * 500, round * 500 + 500);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    first.stop().await;
    crowd(&mut site, 4_000, 4_500);
    site.settled().await;
    site.check_rows().await;
    site.live_is_right().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_read_is_quarantined_and_its_partition_goes_on() {
    let mut site = Site::new().await;
    let running = site.start(&[]);
    crowd(&mut site, 0, 300);
    for partition in 0..PARTITIONS {
        site.produce(partition, "broken", b"\xff\xff\xff no envelope".to_vec());
    }
    crowd(&mut site, 300, 600);
    site.settled().await;
    site.check_rows().await;
    let rows = sqlx::query("select reason, device, payload, topic from dead_letter")
        .fetch_all(&site.pool)
        .await
        .unwrap();
    assert_eq!(rows.len(), PARTITIONS as usize);
    for row in rows {
        assert_eq!(row.get::<String, _>(0), "undecodable");
        assert_eq!(row.get::<String, _>(1), "broken");
        assert_eq!(row.get::<Vec<u8>, _>(2), b"\xff\xff\xff no envelope");
        assert_eq!(row.get::<String, _>(3), site.topic());
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_view_that_was_wiped_is_written_anew() {
    let mut site = Site::new().await;
    let running = site.start(&[]);
    crowd(&mut site, 0, 400);
    site.settled().await;
    site.live_is_right().await;
    let client = redis::Client::open(site.scratch.redis_url.as_str()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    // This database only: other tests share the server.
    redis::cmd("FLUSHDB")
        .query_async::<()>(&mut redis)
        .await
        .unwrap();
    crowd(&mut site, 400, 800);
    site.settled().await;
    site.live_is_right().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_that_redis_let_go_of_is_written_anew() {
    let mut site = Site::new().await;
    let running = site.start(&[]);
    crowd(&mut site, 0, 400);
    site.settled().await;
    site.live_is_right().await;
    let client = redis::Client::open(site.scratch.redis_url.as_str()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let maps: Vec<String> = redis::cmd("KEYS")
        .arg("fp:*:panes")
        .query_async(&mut redis)
        .await
        .unwrap();
    // The headers stay, as they do when Redis evicts under memory pressure.
    let deleted: usize = redis::cmd("DEL")
        .arg(&maps)
        .query_async(&mut redis)
        .await
        .unwrap();
    assert!(deleted > 0);
    crowd(&mut site, 400, 800);
    site.settled().await;
    site.live_is_right().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_of_another_kafka_is_not_consumed_with() {
    let mut site = Site::new().await;
    let running = site.start(&[]);
    crowd(&mut site, 0, 300);
    site.settled().await;
    running.stop().await;
    let cluster: String = sqlx::query_scalar("select cluster_id from log_origin")
        .fetch_one(&site.pool)
        .await
        .unwrap();
    sqlx::query("update log_origin set cluster_id = 'removed'")
        .execute(&site.pool)
        .await
        .unwrap();
    let before = site.ledger().await;
    crowd(&mut site, 300, 600);
    let admin = format!("127.0.0.1:{}", stack::port::free().unwrap());
    let running = site.start(&["--admin-bind", &admin]);
    let sentence =
        "FAIL movement-0: the ledger in Postgres belongs to another Kafka (cluster removed)";
    not_ready(&admin, sentence).await;
    assert_eq!(site.ledger().await, before, "the ledger was touched");
    sqlx::query("update log_origin set cluster_id = $1")
        .bind(cluster)
        .execute(&site.pool)
        .await
        .unwrap();
    site.settled().await;
    site.check_rows().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_a_stopped_partition_is_not_ready_and_says_why() {
    let mut site = Site::new().await;
    let running = site.start(&[]);
    crowd(&mut site, 0, 300);
    site.settled().await;
    running.stop().await;
    sqlx::query("update ledger set next_offset = 1000000 where topic = $1 and partition = 1")
        .bind(site.topic())
        .execute(&site.pool)
        .await
        .unwrap();
    let admin = format!("127.0.0.1:{}", stack::port::free().unwrap());
    let running = site.start(&["--admin-bind", &admin]);
    not_ready(&admin, "FAIL movement-0: partition 1 is stopped: ").await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_days_leaves_the_default_partition_and_a_clock_of_2021_stays_there() {
    let site = Site::new().await;
    for age in ["5 days", "3 days", "1700 days"] {
        let sql =
            "insert into sensor_up (hour_at, sensor, up) values (now() - $1::interval, 's', '')";
        sqlx::query(sql)
            .bind(age)
            .execute(&site.pool)
            .await
            .unwrap();
    }
    let running = site.start(&[]);
    eventually("only the row of 2021 is left", || async {
        let sql =
            "select (select count(*) from sensor_up_default), (select count(*) from sensor_up)";
        let (default, all): (i64, i64) = sqlx::query_as(sql).fetch_one(&site.pool).await.unwrap();
        if (default, all) == (1, 3) {
            Ok(())
        } else {
            Err(format!("{default} of {all} rows in the default partition"))
        }
    })
    .await;
    running.stop().await;
}
