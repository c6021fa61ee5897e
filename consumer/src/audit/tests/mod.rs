//! A fold that panics, on real servers: what it panicked on ends in quarantine, the partition goes on, and the audit leaves out the
//! same.

mod corner;
mod cut;
mod fragile;

use std::time::Duration;

use rdkafka::producer::Producer;

use super::DifferenceKind;
use super::scene::Scene;
use corner::Corner;
use fragile::{BOMB, LATE_BOMB, UNREADABLE};

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
