//! `footfall audit` on real servers: equal where nothing was touched, also while a consumer works, and each kind of tampering is
//! found and named.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is the report"
)]

#[path = "../command/mod.rs"]
mod command;
mod cut;
#[path = "../site/mod.rs"]
mod site;
mod tamper;

use domain::rejection::Rejection;
use domain::time::Micros;
use domain::topic::{DEAD_LETTERS, SENSOR_MOVEMENTS};
use serde_json::Value;

use command::text;
use site::{START, Site};

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
    tamper::rows(&site).await;
    tamper::accounts(&site).await;
    tamper::live_view(&site).await;
    tamper::final_pane(&site).await;
    check_equal(&site);
    unreachable(&site);
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
