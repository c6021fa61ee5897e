//! What must hold whatever happens: the system's answers are the simulator's truth.

use std::process::Command;
use std::time::{Duration, Instant};

use sqlx::Row;

use crate::answers::{Truth, rows};
use crate::harness::System;

const EVENTS: &str = "200000";
/// The shares that the promise is made for.
const DISTURBED: [&str; 6] = [
    "--duplicate-percent",
    "10",
    "--out-of-order-percent",
    "10",
    "--late-percent",
    "2",
];
/// Long enough for ticks to close everything, on a busy machine.
const SETTLED: Duration = Duration::from_secs(180);

/// As fast as the gateway acknowledges.
fn burst(events: &str, seed: &str) -> Vec<String> {
    flags(&["--mode", "burst"], events, seed)
}

/// Some 25 s for every 200,000 events, however fast the machine: time enough to hurt the system meanwhile.
fn lapse(events: &str, seed: &str) -> Vec<String> {
    let start = Command::new("date")
        .args(["-u", "-d", "-5 minutes", "+%FT%TZ"])
        .output()
        .unwrap();
    let start = String::from_utf8(start.stdout).unwrap();
    flags(&["--speed", "8", "--start", start.trim()], events, seed)
}

fn flags(pace: &[&str], events: &str, seed: &str) -> Vec<String> {
    let fixed = [
        "--scenario",
        "crossing",
        "--rate",
        "1000",
        "--events",
        events,
        "--seed",
        seed,
    ];
    pace.iter()
        .chain(&fixed)
        .chain(&DISTURBED)
        .map(ToString::to_string)
        .collect()
}

/// Compares once the fleet is done, until the last visit has closed.
fn check(system: &mut System, truth: &Truth) {
    system.wait("the answers are the truth", SETTLED, |system| {
        truth.check(system)
    });
}

#[test]
fn the_answers_are_the_truth_with_duplicates_disorder_and_delay() {
    let mut system = System::start(&[]);
    let file = system.file("truth.jsonl");
    let mut flags = burst(EVENTS, "11");
    flags.extend(["--invalid-percent".to_owned(), "0.5".to_owned()]);
    system
        .simulate(&file, &flags)
        .finish(Duration::from_secs(240));
    let truth = Truth::read(&file);
    check(&mut system, &truth);
    let invalid = truth.totals["invalid"].as_object().unwrap().clone();
    assert!(!invalid.is_empty());
    for (reason, expected) in invalid {
        let sql = format!("select count(*) from dead_letter where reason = '{reason}'");
        let found: i64 = rows(&system, sql)[0].get(0);
        assert_eq!(found, expected.as_i64().unwrap(), "{reason}");
    }
    let late: i64 = rows(&system, "select count(*) from late_event".to_owned())[0].get(0);
    assert_eq!(late, 0, "nothing was later than the allowed lateness");
    system.stop();
}

#[test]
fn killing_every_role_three_times_changes_no_number() {
    let mut system = System::start(&[]);
    let file = system.file("truth.jsonl");
    let mut fleet = system.simulate(&file, &lapse(EVENTS, "12"));
    let mut kills = 0;
    for _ in 0..3 {
        for role in ["gateway-0", "consumer-0", "api-0"] {
            std::thread::sleep(Duration::from_millis(700));
            assert!(fleet.is_running(), "the fleet was done after {kills} kills");
            system.kill(role);
            kills += 1;
        }
    }
    fleet.finish(Duration::from_secs(300));
    check(&mut system, &Truth::read(&file));
    system.stop();
}

/// Postgres may lose its last commits: the ledger and its rows go back together, and the log is folded again from there.
#[test]
fn killing_the_stores_changes_no_number() {
    let mut system = System::start(&[]);
    let file = system.file("truth.jsonl");
    let mut fleet = system.simulate(&file, &lapse("120000", "16"));
    for store in ["postgres", "redis", "postgres"] {
        std::thread::sleep(Duration::from_millis(700));
        assert!(
            fleet.is_running(),
            "the fleet was done before {store} was killed"
        );
        system.kill(store);
    }
    fleet.finish(Duration::from_secs(240));
    check(&mut system, &Truth::read(&file));
    system.stop();
}

#[test]
fn two_consumers_share_the_load_while_one_is_added_and_one_is_stopped() {
    let mut system = System::start(&["--consumers", "2"]);
    let file = system.file("truth.jsonl");
    let mut fleet = system.simulate(&file, &lapse("240000", "13"));
    for role in ["consumer-1", "consumer-0"] {
        std::thread::sleep(Duration::from_secs(1));
        system.wait("both have partitions", Duration::from_secs(20), |system| {
            both_share(system)
        });
        assert!(
            fleet.is_running(),
            "the fleet was done before {role} was stopped"
        );
        // Stopped in good order; `up` starts another one, which joins the group.
        let before = system.pid(role);
        system.signal(role, "TERM");
        system.wait("another one joins", Duration::from_secs(40), |system| {
            if system.pid(role) == before {
                Err("not yet".to_owned())
            } else {
                Ok(())
            }
        });
    }
    system.wait(
        "both have partitions again",
        Duration::from_secs(20),
        |system| both_share(system),
    );
    assert!(fleet.is_running(), "the fleet was done before they shared");
    fleet.finish(Duration::from_secs(240));
    check(&mut system, &Truth::read(&file));
    system.stop();
}

#[test]
fn a_wiped_redis_is_right_again_within_half_a_minute() {
    let mut system = System::start(&[]);
    let file = system.file("truth.jsonl");
    let mut fleet = system.simulate(&file, &lapse("80000", "14"));
    std::thread::sleep(Duration::from_secs(2));
    assert!(
        fleet.is_running(),
        "the fleet was done before Redis was wiped"
    );
    flush_all(&system);
    let wiped = Instant::now();
    fleet.finish(Duration::from_secs(240));
    let truth = Truth::read(&file);
    // Most of these visits are still open, so this is the live view.
    system.wait(
        "the live view is right",
        Duration::from_secs(30),
        |system| truth.check_series(system),
    );
    assert!(
        wiped.elapsed() < Duration::from_secs(30),
        "it took {:?}",
        wiped.elapsed()
    );
    check(&mut system, &truth);
    // Wiped once more at rest: nothing arrives but ticks, and the view must still come back.
    flush_all(&system);
    let wiped = Instant::now();
    system.wait("the live view is back", Duration::from_secs(30), |system| {
        let overview = system.get("/overview")?;
        if overview["watermark"].is_null() || overview["stale"] == true {
            return Err(format!("{overview}"));
        }
        live_headers(system)?;
        truth.check_series(system)
    });
    assert!(wiped.elapsed() < Duration::from_secs(30));
    system.stop();
}

#[test]
fn while_kafka_is_away_nothing_is_acknowledged_and_nothing_is_lost_after() {
    let mut system = System::start(&[]);
    let file = system.file("truth.jsonl");
    let mut fleet = system.simulate(&file, &lapse("80000", "15"));
    std::thread::sleep(Duration::from_secs(2));
    assert!(
        fleet.is_running(),
        "the fleet was done before Kafka was frozen"
    );
    // Frozen, not killed: `up` would start another one at once.
    system.signal("kafka", "STOP");
    std::thread::sleep(Duration::from_secs(2));
    let before = pubacks(&system);
    std::thread::sleep(Duration::from_secs(18));
    let after = pubacks(&system);
    system.signal("kafka", "CONT");
    assert!(
        before > 0.0 && after <= before,
        "{} publishes were acknowledged that Kafka does not have",
        after - before
    );
    fleet.finish(Duration::from_secs(240));
    check(&mut system, &Truth::read(&file));
    system.stop();
}

#[test]
fn a_broker_that_kafka_itself_does_not_list_is_found_again() {
    let mut system = System::start(&[]);
    let file = system.file("truth.jsonl");
    let mut fleet = system.simulate(&file, &lapse("80000", "16"));
    std::thread::sleep(Duration::from_secs(2));
    // Its heartbeats are rarer than its sessions are long, so the controller fences it again and again, and metadata
    // that are asked for in between name no broker.
    let healthy = system.change_kafka(&[
        ("broker.session.timeout.ms", "300"),
        ("broker.heartbeat.interval.ms", "2000"),
    ]);
    system.kill("kafka");
    system.wait(
        "a client loses every address",
        Duration::from_secs(60),
        |system| {
            let name = "footfall_gateway_kafka_clients_renewed_total";
            let is_renewed = gateway_metric(system, name) > 0.0;
            is_renewed
                .then_some(())
                .ok_or_else(|| "it has not yet".to_owned())
        },
    );
    assert!(fleet.is_running(), "the fleet was done before the fault");
    system.restore_kafka(&healthy);
    system.kill("kafka");
    fleet.finish(Duration::from_secs(240));
    check(&mut system, &Truth::read(&file));
    system.stop();
}

fn flush_all(system: &System) {
    let client = redis::Client::open(system.redis()).unwrap();
    let mut connection = client.get_connection().unwrap();
    redis::cmd("FLUSHALL").exec(&mut connection).unwrap();
}

/// Whether every partition of movements has a header in Redis.
fn live_headers(system: &System) -> Result<(), String> {
    let client = redis::Client::open(system.redis()).unwrap();
    let mut connection = client.get_connection().unwrap();
    for partition in 0..6 {
        let key = format!("fp:{{sensor-movements.{partition}}}:h");
        let there: bool = redis::cmd("EXISTS")
            .arg(&key)
            .query(&mut connection)
            .unwrap();
        if !there {
            return Err(format!("{key} is missing"));
        }
    }
    Ok(())
}

/// How many PUBACKs the gateway has sent.
fn pubacks(system: &System) -> f64 {
    gateway_metric(system, "footfall_gateway_puback_seconds_count")
}

fn gateway_metric(system: &System, name: &str) -> f64 {
    let value = system.metric("gateway-0", name, "");
    value.unwrap_or_else(|| panic!("the gateway has no metric {name}"))
}

/// Whether both consumers have partitions of movements.
fn both_share(system: &System) -> Result<(), String> {
    ["consumer-0", "consumer-1"]
        .into_iter()
        .try_for_each(|consumer| {
            let name = "footfall_consumer_assigned_partitions";
            match system.metric(consumer, name, "fold=\"movement\"") {
                Some(partitions) if partitions > 0.0 => Ok(()),
                other => Err(format!("{consumer} has {other:?} partitions")),
            }
        })
}
