//! `footfall audit` on real servers: equal where nothing was touched, also while a consumer works, and each kind of tampering is
//! found and named.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is the report"
)]

mod command;
mod site;

use domain::live::{LiveKeys, LiveMap};
use domain::rejection::Rejection;
use domain::time::Micros;
use domain::topic::{DEAD_LETTERS, SENSOR_MOVEMENTS};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;

use command::text;
use site::{PARTITIONS, START, Site};

/// The exit status and the report.
fn audit(site: &Site) -> (Option<i32>, Value) {
    let answer = site.call(&["audit", "--json"]);
    let report = serde_json::from_slice(&answer.stdout);
    let report = report.unwrap_or_else(|error| panic!("{error}: {}", text(&answer)));
    (answer.status.code(), report)
}

#[track_caller]
fn check_equal(site: &Site) -> Value {
    let (status, report) = audit(site);
    assert_eq!(status, Some(0), "{report:#}");
    assert_eq!(report["equal"], true);
    report
}

/// The only difference there is.
#[track_caller]
fn difference(site: &Site) -> Value {
    let (status, report) = audit(site);
    assert_eq!(status, Some(1), "{report:#}");
    let folds = report["folds"].as_array().unwrap().iter();
    let partitions = folds.flat_map(|fold| fold["partitions"].as_array().unwrap());
    let found: Vec<&Value> = partitions
        .map(|partition| &partition["first_difference"])
        .filter(|difference| !difference.is_null())
        .collect();
    assert_eq!(found.len(), 1, "{report:#}");
    found[0].clone()
}

/// What cannot be read goes to quarantine, and what a gateway refused to dead letters.
fn refusals(site: &Site) {
    site.produce(SENSOR_MOVEMENTS, 1, "s1", b"\xff no envelope");
    let origin = domain::dead_letter::Origin {
        mqtt_topic: "elsewhere",
        device: "",
        decoder: "",
        received_at: Micros(START),
    };
    let rejection = Rejection::new(domain::rejection::Reason::Unrouted, "no route");
    let letter = domain::dead_letter::DeadLetter::new(origin, rejection, b"hello");
    site.produce(DEAD_LETTERS, 0, "", &letter.to_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_folded_is_equal_and_what_was_tampered_with_is_named() {
    let site = Site::new().await;
    let consumer = site.consume();
    refusals(&site);
    site.crowd(0, 8_000);
    // Whatever moment it is, rows and live view are those of their offsets.
    for _ in 0..3 {
        check_equal(&site);
    }
    site.settled().await;
    let report = check_equal(&site);
    let counts = |store: &str, field: &str| -> i64 {
        let partitions = report["folds"][0]["partitions"].as_array().unwrap().iter();
        partitions
            .map(|one| one[store][field].as_i64().unwrap())
            .sum()
    };
    assert!(counts("postgres", "log_values") > 1_000, "{report:#}");
    assert!(counts("redis", "log_values") > 100, "{report:#}");
    let letters = &report["folds"][1]["partitions"][0];
    // The letter, and the counts in the ledger.
    assert_eq!(letters["postgres"]["log_values"], 2);
    consumer.stop().await;
    check_equal(&site);
    tampered_rows(&site).await;
    tampered_accounts(&site).await;
    tampered_live_view(&site).await;
    tampered_final_pane(&site).await;
    check_equal(&site);
    unreachable(&site);
}

async fn tampered_rows(site: &Site) {
    site.tamper("update pane set present = present + 1 where (start_at, sensor) = (select start_at, sensor from pane order by 1, 2 limit 1)").await;
    let found = difference(site);
    assert_eq!(
        (&found["table"], &found["kind"]),
        (&"pane".into(), &"changed".into())
    );
    assert_eq!(found["fields"].as_array().unwrap().len(), 1);
    let field = &found["fields"][0];
    let number = |side: &str| field[side].as_str().unwrap().parse::<i64>().unwrap();
    assert_eq!(field["name"], "present");
    assert_eq!(number("log") + 1, number("stored"));
    let answer = text(&site.call(&["audit"]));
    assert!(
        answer.contains("Postgres holds another pane with start_at 2026-"),
        "{answer}"
    );
    assert!(answer.contains("    present: the log says "), "{answer}");
    site.tamper("update pane set present = present - 1 where (start_at, sensor) = (select start_at, sensor from pane order by 1, 2 limit 1)").await;
    check_equal(site);

    site.tamper(
        "create table kept as select * from visit order by entered_at, sensor, traveler_id limit 1",
    )
    .await;
    site.tamper("delete from visit using kept where visit.entered_at = kept.entered_at and visit.traveler_id = kept.traveler_id and visit.sensor = kept.sensor").await;
    let found = difference(site);
    assert_eq!(
        (&found["table"], &found["kind"]),
        (&"visit".into(), &"missing".into())
    );
    site.tamper("insert into visit select * from kept").await;
    check_equal(site);

    site.tamper("insert into sensor_up values ('2026-01-01T00:00:00Z', 's3', '\\x00')")
        .await;
    let found = difference(site);
    assert_eq!(
        (&found["table"], &found["kind"]),
        (&"sensor_up".into(), &"extra".into())
    );
    site.tamper("delete from sensor_up where hour_at = '2026-01-01T00:00:00Z'")
        .await;

    site.tamper("update dead_letter set detail = 'another' where reason = 'undecodable'")
        .await;
    let found = difference(site);
    assert_eq!(found["fields"][0]["stored"], "another");
    let detail = found["fields"][0]["log"].as_str().unwrap().to_owned();
    sqlx::query("update dead_letter set detail = $1 where reason = 'undecodable'")
        .bind(detail)
        .execute(&site.pool)
        .await
        .unwrap();
    check_equal(site);
}

async fn tampered_accounts(site: &Site) {
    let of_partition = "where partition = 1 and topic like '%sensor-movements'";
    let shift = async |by: &str| {
        let sql = format!(
            "update ledger set applied = applied - {by}, duplicate = duplicate + {by} {of_partition}"
        );
        site.tamper(&sql).await;
    };
    shift("1").await;
    let found = difference(site);
    assert_eq!(
        (&found["table"], &found["kind"], &found["store"]),
        (&"ledger".into(), &"changed".into(), &"Postgres".into())
    );
    let names: Vec<&Value> = found["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| &field["name"])
        .collect();
    assert_eq!(names, ["applied", "duplicate"]);
    shift("-1").await;
    site.tamper(&format!(
        "insert into canary select topic, partition, 'ghost', 7, now(), 0, 0 from ledger {of_partition}"
    ))
    .await;
    let found = difference(site);
    assert_eq!(
        (&found["table"], &found["kind"]),
        (&"canary".into(), &"extra".into())
    );
    site.tamper("delete from canary where gateway = 'ghost'")
        .await;
}

/// A pane that the fold let go of, which readers would take from Redis because its offset is not lower than that of its row.
async fn tampered_final_pane(site: &Site) {
    let first = "select sensor, traveler_type, (extract(epoch from start_at) * 1000000)::bigint, changed_offset, present
        from pane order by start_at, sensor limit 1";
    let (sensor, traveler_type, start, changed_offset, present): (String, String, i64, i64, i32) =
        sqlx::query_as(first).fetch_one(&site.pool).await.unwrap();
    let mut redis = site.redis().await;
    let partition = domain::topic::partition_of(&sensor, PARTITIONS);
    let keys = LiveKeys::new(&site.topic(SENSOR_MOVEMENTS), partition);
    let mut get = redis::cmd("HGET");
    get.arg(keys.header()).arg("gen");
    let generation: String = get.query_async(&mut redis).await.unwrap();
    let map = keys.map(&generation, LiveMap::Panes);
    let field = domain::live::pane_field(&domain::pane::PaneKey {
        sensor: sensor.as_str().into(),
        traveler_type: traveler_type.as_str().into(),
        start: Micros(start),
    });
    let mut show = async |changed_offset: i64| {
        let value = domain::live::PaneValue {
            present: u32::try_from(present).unwrap() + 1,
            changed_offset,
            ..domain::live::PaneValue::default()
        };
        let mut set = redis::cmd("HSET");
        set.arg(&map).arg(&field);
        set.arg(prost::Message::encode_to_vec(&value));
        let _: i64 = set.query_async(&mut redis).await.unwrap();
    };
    show(changed_offset - 1).await;
    check_equal(site);
    for offset in [changed_offset, changed_offset + 1] {
        show(offset).await;
        let found = difference(site);
        assert_eq!(
            (&found["store"], &found["table"], &found["kind"]),
            (&"Redis".into(), &"panes".into(), &"changed".into())
        );
        let fields = found["fields"].as_array().unwrap();
        assert!(fields.iter().any(|field| field["name"] == "present"));
    }
    let mut remove = redis::cmd("HDEL");
    let _: i64 = remove
        .arg(&map)
        .arg(&field)
        .query_async(&mut redis)
        .await
        .unwrap();
}

async fn tampered_live_view(site: &Site) {
    let mut redis = site.redis().await;
    let keys = LiveKeys::new(
        &site.topic(SENSOR_MOVEMENTS),
        domain::topic::partition_of("s1", PARTITIONS),
    );
    let mut get = redis::cmd("HGET");
    get.arg(keys.header()).arg("gen");
    let generation: String = get.query_async(&mut redis).await.unwrap();
    let map = keys.map(&generation, LiveMap::Sensors);
    let mut get = redis::cmd("HGET");
    get.arg(&map).arg("s1");
    let value: Vec<u8> = get.query_async(&mut redis).await.unwrap();
    let set = async |field: &str, value: Option<&[u8]>| {
        let command = match value {
            Some(value) => {
                let mut command = redis::cmd("HSET");
                command.arg(&map).arg(field).arg(value);
                command
            }
            None => {
                let mut command = redis::cmd("HDEL");
                command.arg(&map).arg(field);
                command
            }
        };
        let _: i64 = redis::Cmd::query_async(&command, &mut redis.clone())
            .await
            .unwrap();
    };
    let mut other =
        <domain::live::SensorValue as prost::Message>::decode(value.as_slice()).unwrap();
    other.declared = "offline".to_owned();
    set("s1", Some(&prost::Message::encode_to_vec(&other))).await;
    let found = difference(site);
    assert_eq!(
        (&found["store"], &found["table"]),
        (&"Redis".into(), &"sensors".into())
    );
    assert_eq!(found["fields"][0]["name"], "declared");
    set("s1", None).await;
    assert_eq!(difference(site)["kind"], "missing");
    set("s1", Some(&value)).await;
    set("ghost", Some(&value)).await;
    assert_eq!(difference(site)["kind"], "extra");
    set("ghost", None).await;
}

/// A wrong address is no difference.
fn unreachable(site: &Site) {
    let answer = site.call(&["audit", "--dir", "nowhere", "--threads", "2"]);
    assert_eq!(answer.status.code(), Some(0), "{}", text(&answer));
    let workdir = tempfile::tempdir().unwrap();
    let postgres = [
        "audit",
        "--kafka",
        &site.scratch.kafka,
        "--redis",
        &site.scratch.redis_url,
    ];
    let mut wrong = postgres.to_vec();
    wrong.extend(["--postgres", "postgres://127.0.0.1:1/nowhere"]);
    let answer = command::output(workdir.path(), &wrong);
    assert_eq!(answer.status.code(), Some(2), "{}", text(&answer));
    assert!(
        text(&answer).contains("no audit: Postgres, connecting: "),
        "{}",
        text(&answer)
    );
    let mut wrong = vec!["audit", "--kafka", &site.scratch.kafka];
    wrong.extend([
        "--redis",
        &site.scratch.redis_url,
        "--postgres",
        &site.scratch.postgres_url,
    ]);
    let answer = command::output(workdir.path(), &wrong);
    assert_eq!(answer.status.code(), Some(2), "{}", text(&answer));
    assert!(
        text(&answer).contains("Kafka has no topic sensor-movements"),
        "{}",
        text(&answer)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_beginning_is_gone_is_compared_from_a_saved_state_on() {
    let site = Site::new().await;
    let consumer = site.consume();
    site.crowd(0, 3_000);
    site.settled().await;
    retain_from(&site, Some(300)).await;
    site.crowd(3_000, 4_000);
    site.settled().await;
    let report = check_equal(&site);
    let partitions = report["folds"][0]["partitions"].as_array().unwrap();
    // Where only ticks came there was nothing to take.
    let cut: Vec<&Value> = partitions
        .iter()
        .filter(|partition| partition["is_whole"] == false)
        .collect();
    assert!(cut.len() >= 2, "{report:#}");
    for partition in cut {
        let count = |field: &str| partition["postgres"][field].as_i64();
        assert!(count("log_values") > Some(10), "{report:#}");
        assert!(count("not_compared") > Some(0), "{report:#}");
    }
    let told = text(&site.call(&["audit"]));
    assert!(
        told.contains("the counts of the ledger and the canaries are not compared: they begin at offset 0, and the folding at "),
        "{told}"
    );
    consumer.stop().await;
    site.tamper("update pane set entered = entered + 1 where (start_at, sensor) = (select start_at, sensor from pane order by 1 desc, 2 limit 1)").await;
    assert_eq!(difference(&site)["fields"][0]["name"], "entered");
    // Retention that overtook the ledger is said, not passed over.
    site.crowd(4_000, 4_500);
    site.flush();
    retain_from(&site, None).await;
    let (status, report) = audit(&site);
    assert_eq!(status, Some(1));
    let problems = report["folds"][0]["partitions"][1]["problems"].to_string();
    assert!(
        problems.contains("retention took records that nobody has folded"),
        "{report:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_a_person_left_out_are_left_out_and_said_so() {
    let site = Site::new().await;
    let consumer = site.consume();
    site.crowd(0, 500);
    site.settled().await;
    consumer.stop().await;
    // Kafka still has them all.
    site.crowd(500, 1_000);
    site.flush();
    let partition = domain::topic::partition_of("s1", PARTITIONS);
    let of_partition = format!("partition = {partition} and topic like '%sensor-movements'");
    site.tamper(&format!(
        "select skip_to(topic, partition, next_offset + 40) from ledger where {of_partition}"
    ))
    .await;
    let consumer = site.consume();
    site.settled().await;
    let at = usize::try_from(partition).unwrap();
    let check = || {
        let report = check_equal(&site);
        let partition = &report["folds"][0]["partitions"][at];
        assert_eq!(partition["skipped"], 40, "{report:#}");
        assert_eq!(partition["is_whole"], true);
        assert_eq!(partition["notes"].as_array().unwrap().len(), 0);
    };
    check();
    let told = text(&site.call(&["audit"]));
    let words = format!(
        "movement {partition}: 40 records were left out because a person did, with skip_to"
    );
    assert!(told.contains(&words), "{told}");
    // A late event that is amended brings a snapshot, which replaces what was logged before.
    site.tick(Micros(START + 2_000_000_000));
    site.publish(site::position(
        "s1",
        "t1",
        Micros(START + 900_000_000),
        9_000,
    ));
    site.publish(site::position(
        "s1",
        "t1",
        Micros(START + 4_900_000_000),
        9_001,
    ));
    site.publish(site::position(
        "s1",
        "t1",
        Micros(START + 901_000_000),
        9_002,
    ));
    site.tick(Micros(START + 4_910_000_000));
    site.settled().await;
    let count =
        format!("select count(*) from state_log where kind = 'snapshot' and {of_partition}");
    let snapshots: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count))
        .fetch_one(&site.pool)
        .await
        .unwrap();
    assert!(snapshots > 0, "nothing replaced the skip");
    check();
    consumer.stop().await;
    // An earlier build let go of where it was.
    site.tamper("delete from state_log where kind = 'skip'")
        .await;
    let (status, report) = audit(&site);
    assert_eq!(status, Some(1));
    let notes = report["folds"][0]["partitions"][at]["notes"].to_string();
    assert!(
        notes.contains("40 records were left out with skip_to by an earlier build"),
        "{report:#}"
    );
}

/// As retention does: the records before `offset`, or all there are, are gone.
async fn retain_from(site: &Site, offset: Option<i64>) {
    let mut config = rdkafka::ClientConfig::new();
    config.set("bootstrap.servers", &site.scratch.kafka);
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        let offset = offset.map_or(Offset::End, Offset::Offset);
        list.add_partition_offset(&site.topic(SENSOR_MOVEMENTS), partition, offset)
            .unwrap();
    }
    admin
        .delete_records(&list, &AdminOptions::new())
        .await
        .unwrap();
}
