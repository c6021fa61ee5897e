//! `footfall dead-letters` on real servers: what was refused is sent again after the cause was repaired, and counts once however often
//! that is done.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is the report"
)]

mod command;
mod site;

use domain::dead_letter::{DeadLetter, Origin};
use domain::rejection::{Reason, Rejection};
use domain::time::Micros;
use domain::topic::{DEAD_LETTERS, SENSOR_MOVEMENTS};
use serde_json::Value;

use command::text;
use site::{START, Site, eventually};

const ROUTES: &str =
    "[[route]]\ntopic = \"shop/{device}\"\ndecoder = \"native\"\nkind = \"positions\"\n";

/// As a gateway buries what it refuses.
fn bury(site: &Site, topic: &str, device: &str, reason: Reason, payload: &[u8]) {
    let origin = Origin {
        mqtt_topic: topic,
        device,
        decoder: "",
        received_at: Micros(START),
    };
    let letter = DeadLetter::new(origin, Rejection::new(reason, "in a test"), payload);
    site.produce(DEAD_LETTERS, 0, device, &letter.to_bytes());
}

fn listed(site: &Site, filter: &[&str]) -> Vec<Value> {
    let args = [&["dead-letters", "list", "--json"], filter].concat();
    let answer = site.call(&args);
    assert!(answer.status.success(), "{}", text(&answer));
    let lines = String::from_utf8(answer.stdout).unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn wait_for_letters(site: &Site, count: usize) {
    eventually("the dead letters are rows", async || {
        let found = listed(site, &[]).len();
        if found == count {
            Ok(())
        } else {
            Err(format!("{found} of {count}"))
        }
    })
    .await;
}

/// Replays and gives the exit status and what was said.
fn replay(site: &Site, args: &[&str]) -> (Option<i32>, String) {
    let answer = site.call(&[&["dead-letters", "replay"], args].concat());
    (answer.status.code(), text(&answer))
}

/// Samples in visits of a traveler, over the rows of closed visits.
async fn samples(site: &Site, traveler: &'static str) -> i64 {
    let sql = "select coalesce(sum(samples), 0)::bigint from visit where traveler_id = $1";
    sqlx::query_scalar(sql)
        .bind(traveler)
        .fetch_one(&site.pool)
        .await
        .unwrap()
}

/// One for a missing route, one with a bad field, and one of which only the beginning is kept.
fn three_letters(site: &Site) {
    // Neither event ids nor times of their own: the identities come from the letter.
    let payload = br#"[{"traveler_id":"a","x":1,"y":2},{"traveler_id":"b","x":1,"y":2}]"#;
    bury(site, "shop/till-1", "", Reason::Unrouted, payload);
    bury(
        site,
        "shop/till-1",
        "till-1",
        Reason::BadField,
        br#"{"traveler_id":"c","x":"?","y":2}"#,
    );
    bury(
        site,
        "shop/till-1",
        "till-1",
        Reason::TooLarge,
        &[b' '; 70_000],
    );
}

/// One of three letters was replayed, and all are still there.
fn nothing_is_deleted(site: &Site) {
    let left = listed(site, &[]);
    assert_eq!(left.len(), 3, "nothing is deleted");
    assert_eq!(
        left.iter()
            .filter(|letter| letter["replayed_at"].is_null())
            .count(),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_for_a_missing_route_counts_once_after_it_exists() {
    let site = Site::new().await;
    let consumer = site.consume();
    three_letters(&site);
    wait_for_letters(&site, 3).await;
    let id = |letter: &Value| letter["id"].to_string();
    let unrouted = id(&listed(&site, &["--reason", "unrouted"])[0]);
    assert_eq!(listed(&site, &["--device", "till-1"]).len(), 2);
    assert_eq!(
        listed(&site, &["--since", "1m"]).len(),
        0,
        "received long ago"
    );

    let (status, said) = replay(&site, &[&unrouted]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("stays, 0 records: unrouted: "), "{said}");
    site.file("routes.toml", ROUTES);
    let routes = ["--routes", "routes.toml"];
    let (status, said) = replay(&site, &[&routes[..], &["--all", "--dry-run"]].concat());
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.contains("1 would be sent again, 2 refused again"),
        "{said}"
    );
    assert!(
        said.contains("only the first 65536 of its 70000 bytes were kept"),
        "{said}"
    );
    assert!(
        listed(&site, &[])
            .iter()
            .all(|letter| letter["replayed_at"].is_null())
    );

    let (status, said) = replay(&site, &[&routes[..], &["--all"]].concat());
    assert_eq!(status, Some(1), "two letters stay: {said}");
    assert!(said.contains("1 sent again, 2 refused again"), "{said}");
    let (status, said) = replay(&site, &[&routes[..], &[unrouted.as_str()]].concat());
    assert_eq!(status, Some(0), "{said}");
    let (status, said) = replay(&site, &[&routes[..], &["--reason", "unrouted"]].concat());
    assert_eq!(
        (status, said.contains("0 sent again")),
        (Some(0), true),
        "{said}"
    );
    nothing_is_deleted(&site);

    site.tick(Micros(START + 600_000_000));
    site.settled().await;
    assert_eq!(
        (samples(&site, "a").await, samples(&site, "b").await),
        (1, 1)
    );
    consumer.stop().await;
    let (status, said) = replay(&site, &["999"]);
    assert_eq!(
        (status, said.contains("there is no dead letter 999")),
        (Some(2), true),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_folded_ends_with_its_place_in_kafka() {
    let site = Site::new().await;
    let consumer = site.consume();
    site.publish(site::position("s1", "t1", Micros(START), 1));
    site.produce(SENSOR_MOVEMENTS, 1, "s1", b"\xff no envelope");
    wait_for_letters(&site, 1).await;
    let letter = listed(&site, &["--topic", &site.topic(SENSOR_MOVEMENTS)]).remove(0);
    assert_eq!(letter["reason"], "undecodable");
    assert_eq!(
        (&letter["partition"], &letter["device"]),
        (&1.into(), &"s1".into())
    );
    assert_eq!(letter["payload_encoding"], "hex");
    let shown = text(&site.call(&["dead-letters", "show", &letter["id"].to_string()]));
    assert!(
        shown.contains("partition   1") && shown.contains("ff206e6f20656e76656c6f7065"),
        "{shown}"
    );
    let (status, said) = replay(&site, &["--all"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("stays, 0 records: undecodable: "), "{said}");

    let sql = "update log_origin set cluster_id = reverse(cluster_id)";
    sqlx::query(sql).execute(&site.pool).await.unwrap();
    let (status, said) = replay(&site, &["--all"]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("never count here"), "{said}");
    sqlx::query(sql).execute(&site.pool).await.unwrap();

    // What a fold of an earlier build choked on, and today's reads: the raw record goes back to its partition.
    let event = site::position("s1", "t2", Micros(START + 1_000_000), 2);
    let partition = domain::topic::partition_of("s1", site::PARTITIONS);
    sqlx::query(
        "insert into dead_letter (topic, partition, record_offset, reason, detail, device, payload, received_at)
         values ($1, $2, 1000000, 'poison', 'in a test', 's1', $3, now())",
    )
    .bind(site.topic(SENSOR_MOVEMENTS))
    .bind(partition)
    .bind(domain::envelope::encode(event))
    .execute(&site.pool)
    .await
    .unwrap();
    for _ in 0..2 {
        let id = listed(&site, &["--reason", "poison"])[0]["id"].to_string();
        let (status, said) = replay(&site, &[&id]);
        assert_eq!(
            (status, said.contains("1 sent again")),
            (Some(0), true),
            "{said}"
        );
    }
    site.tick(Micros(START + 600_000_000));
    eventually("the replayed record is counted", async || {
        let found = samples(&site, "t2").await;
        if found == 1 {
            Ok(())
        } else {
            Err(format!("{found} samples"))
        }
    })
    .await;
    consumer.stop().await;
}
