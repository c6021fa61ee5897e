//! A log without its beginning, and partitions that only one side has, on real servers.

use super::corner::Corner;
use crate::audit::PartitionReport;
use crate::audit::scene::Scene;

const SNAPSHOTS: &str = "select to_offset::text from (select distinct to_offset from state_log
    where topic = $1 and kind = 'snapshot') as state order by state.to_offset";

/// Two sensors, and a late event at one of them: its tick brings the first state.
async fn begun() -> Corner {
    let corner = Corner::new().await;
    corner.seen("t", 100);
    corner.seen_by("d", "t", 1_000);
    corner.seen_by("d", "t", 4_000);
    corner.seen("t", 4_000);
    corner.seen("t", 900);
    corner.tick(1, 4_010);
    corner.consume(6).await;
    corner
}

/// The audit of a log that is folded from the first state on, and equal.
async fn equal_since_the_first(corner: &Corner) -> PartitionReport {
    let report = corner.audit().await;
    assert!(report.is_equal(), "{report:#?}");
    assert_eq!((report.from_offset, report.is_whole), (6, false));
    let rows = report.postgres.as_ref().unwrap();
    assert!(rows.not_compared > 0, "{report:#?}");
    report
}

/// A visit that is changed by hand is found.
async fn is_found(corner: &Corner, visit: &str) {
    for (sign, is_equal) in [('+', false), ('-', true)] {
        let change = format!("update visit set distance = distance {sign} 1 where {visit}");
        corner.run(&change).await;
        let report = corner.audit().await;
        assert_eq!(report.is_equal(), is_equal, "{report:#?}");
        if let Some(found) = report.first_difference {
            assert_eq!((found.table, found.fields[0].name), ("visit", "distance"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_log_is_compared_from_the_oldest_state_that_was_kept() {
    let corner = begun().await;
    // Later than every hour of which the first state knows a part.
    for second in [8_000, 8_002, 8_010] {
        corner.seen("t", second);
    }
    for second in [8_000, 8_005, 8_009] {
        corner.seen_by("d", "t", second);
    }
    corner.seen("t", 13_000);
    corner.seen("t", 8_001);
    corner.tick(2, 13_010);
    corner.consume(15).await;
    assert_eq!(corner.rows(SNAPSHOTS).await, ["6", "15"]);
    corner.truncate(1).await;
    let report = equal_since_the_first(&corner).await;
    // Nothing is in doubt: the only note is that of the counts.
    assert_eq!((report.records, report.notes.len()), (9, 1), "{report:#?}");
    // One that was amended since then.
    is_found(&corner, "sensor = 's' and samples = 4 and revision = 1").await;
    // This one joins a visit that was final before: the log no longer says what it was.
    corner.seen_by("d", "t", 13_100);
    corner.seen_by("d", "t", 1_010);
    corner.tick(3, 13_110);
    corner.consume(18).await;
    let report = equal_since_the_first(&corner).await;
    let told = "what 1 sensors saw at first is not compared, d until ";
    assert!(report.notes[1].starts_with(told), "{report:#?}");
    is_found(&corner, "sensor = 'd' and samples = 3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_cut_before_it_was_folded_is_compared_as_a_whole() {
    let corner = Corner::new().await;
    (0..30).for_each(|n| corner.seen("t", n));
    corner.produce(b"no envelope");
    corner.truncate(20).await;
    corner.seen("t", 4_000);
    corner.seen("t", 900);
    corner.tick(1, 4_010);
    corner.consume(34).await;
    // It has taken the place of what said where the partition began.
    assert_eq!(corner.rows(SNAPSHOTS).await, ["34"]);
    let report = corner.audit().await;
    assert!(report.is_equal() && report.is_whole, "{report:#?}");
    assert_eq!((report.from_offset, report.notes.len()), (20, 0));
    assert_eq!(report.postgres.map(|rows| rows.not_compared), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_one_side_does_not_have_is_said_so() {
    let corner = Corner::new().await;
    (0..7).for_each(|n| corner.seen("t", n));
    corner.flush();
    let report = corner.audit().await;
    assert!(report.is_equal(), "{report:#?}");
    let told = "no consumer has begun it, and none of its 7 records in Kafka is folded";
    assert!(report.notes[0].ends_with(told), "{report:#?}");
    corner.consume(7).await;
    let report = corner.audit().await;
    assert!(report.is_equal() && report.notes.is_empty(), "{report:#?}");
    // As if the topic had been made anew with fewer partitions.
    corner
        .run(
            "insert into ledger (topic, partition, next_offset, fold, fold_version)
            select topic, 9, 0, fold, fold_version from ledger",
        )
        .await;
    let scene = Scene::open(&corner.options()).await.unwrap();
    let reports = corner.audit_all(scene).await;
    let of_each = reports.iter();
    let is_equal: Vec<_> = of_each.map(|one| (one.partition, one.is_equal())).collect();
    assert_eq!(is_equal, [(0, true), (9, false)], "{reports:#?}");
    let told = "the ledger has it, and the topic has only 1 partitions in Kafka";
    assert!(reports[1].problems[0].starts_with(told), "{reports:#?}");
}
