//! Conservation on real servers: every record is accounted for across owners; and the faults that nobody survives by waiting
//! stop their partition, say what to do, skip nothing, and end when a person has done it.

use std::time::Duration;

use crate::corner::{Corner, MOVEMENT};
use crate::crowd::crowd;

pub(crate) const STOPPED: &str = "select concat_ws(' ', partition, stopped_reason) from ledger
    where topic = $1 and stopped_reason is not null order by partition";
const NEXT: &str = "select next_offset::text from ledger where topic = $1 order by partition";
pub(crate) const EPOCHS: &str =
    "select epoch::text from ledger where topic = $1 order by partition";
const COUNTS: &str = "select concat_ws(' ', began_offset, applied, duplicate, late, ignored, marker, dead_letter, skipped)
    from ledger where topic = $1 order by partition";
const CANARIES: &str =
    "select concat_ws(' ', partition, gateway, sequence, gaps, repeats) from canary
    where topic = $1 order by partition, gateway";
pub(crate) const GAUGE: &str = "footfall_consumer_partition_stopped";

#[tokio::test(flavor = "multi_thread")]
async fn every_record_is_accounted_for_across_owners() {
    let mut corner = Corner::new().await;
    let first = corner.start();
    corner.positions(0, 40);
    corner.twice(0);
    corner.garbage(0);
    corner.canaries(0, "a", &[5, 6, 6, 9]);
    corner.settled(&[0, 1, 2]).await;
    first.stop().await;
    // What the next owner finds is as old as the ledger, and the canary of the other gateway is new to it.
    corner.positions(0, 2);
    corner.canaries(0, "a", &[10, 12]);
    corner.canaries(0, "b", &[1, 2]);
    corner.garbage(1);
    let second = corner.start();
    corner.settled(&[0, 1, 2]).await;
    // The last two positions came weeks after their time, by the clock of the canaries.
    let expected = ["0 41 1 2 0 8 1 0", "0 0 0 0 0 0 1 0", "0 0 0 0 0 0 0 0"];
    assert_eq!(corner.rows(COUNTS).await, expected);
    assert_eq!(corner.rows(CANARIES).await, ["0 a 12 3 1", "0 b 2 0 0"]);
    let topic = corner.topic();
    let of_partition = format!("topic=\"{topic}\",partition=\"0\"");
    let metric = async |name: &str, value: &str| second.metric(name, &of_partition, value).await;
    metric("footfall_consumer_unaccounted_records", "0").await;
    metric("footfall_consumer_lag_records", "0").await;
    second
        .metric("footfall_consumer_canary_gaps_total", &topic, "3")
        .await;
    let ends = "select concat_ws(' ', log_begin_offset, log_end_offset) from ledger where topic = $1 order by partition";
    corner.becomes(ends, &["0 53", "0 1", "0 0"]).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_retention_took_stop_their_partition_until_a_person_leaves_them_out() {
    let mut corner = Corner::new().await;
    let first = corner.start();
    corner.positions(1, 50);
    corner.settled(&[0, 1, 2]).await;
    first.stop().await;
    corner.positions(1, 50);
    corner.truncate(1, 80).await;
    let second = corner.start();
    let sentence = "partition 1 is stopped: the ledger is at offset 50, Kafka holds 80 to 100: 30 records were removed";
    second.not_ready(sentence).await;
    second.metric(GAUGE, "reason=\"log_truncated\"", "1").await;
    corner.becomes(STOPPED, &["1 log_truncated"]).await;
    let epochs = corner.rows(EPOCHS).await;
    corner.positions(2, 10);
    corner.settled(&[2]).await;
    assert_eq!(
        corner.rows(EPOCHS).await,
        epochs,
        "it does not leave the group for that"
    );
    assert_eq!(
        corner.rows(NEXT).await,
        ["0", "50", "10"],
        "something was skipped"
    );
    // The stop outlives its owner, and the next one finds it again.
    second.stop().await;
    assert_eq!(corner.rows(STOPPED).await, ["1 log_truncated"]);
    let third = corner.start();
    third.not_ready(sentence).await;
    corner.sql("select skip_to($1, 1, 80)").await;
    third.ready().await;
    corner.settled(&[0, 1, 2]).await;
    corner.becomes(STOPPED, &[]).await;
    third.metric(GAUGE, "reason=\"log_truncated\"", "0").await;
    assert_eq!(corner.rows(COUNTS).await[1], "0 70 0 0 0 0 0 30");
    third.stop().await;
    // The state leads over what was left out.
    corner.positions(1, 5);
    let fourth = corner.start();
    corner.settled(&[0, 1, 2]).await;
    fourth.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_are_removed_between_two_owners_stop_their_partition() {
    let mut corner = Corner::new().await;
    let running = corner.start();
    corner.positions(0, 20);
    corner.positions(1, 20);
    corner.settled(&[0, 1, 2]).await;
    running.stop().await;
    corner.positions(1, 30);
    corner.truncate(1, 45).await;
    let running = corner.start();
    let sentence = "partition 1 is stopped: the ledger is at offset 20, Kafka holds 45 to 50: 25 records were removed";
    running.not_ready(sentence).await;
    assert_eq!(corner.rows(NEXT).await[1], "20");
    running.stop().await;
}

/// Kafka tells a running client nothing but that some position is outside of its log.
#[tokio::test(flavor = "multi_thread")]
async fn records_that_are_removed_under_a_running_consumer_stop_their_partition() {
    let mut corner = Corner::new().await;
    let settings = [MOVEMENT, ["--unsaved-bytes-max", "1048576"]].concat();
    let running = corner.start_with(&corner, &settings);
    corner.positions(0, 20);
    corner.positions(1, 20);
    corner.settled(&[0, 1, 2]).await;
    // Postgres takes no checkpoint for a while, so the consumer holds back, and Kafka holds the rest.
    let mut lock = corner.pool.begin().await.unwrap();
    sqlx::query("lock table ledger in exclusive mode")
        .execute(&mut *lock)
        .await
        .unwrap();
    corner.positions(1, 30_000);
    tokio::time::sleep(Duration::from_secs(3)).await;
    corner.positions(1, 500);
    corner.truncate(1, 30_515).await;
    lock.rollback().await.unwrap();
    running
        .not_ready("partition 1 is stopped: the ledger is at offset ")
        .await;
    running.not_ready("Kafka holds 30515 to 30520").await;
    running.metric(GAUGE, "reason=\"log_truncated\"", "1").await;
    let next: i64 = corner.rows(NEXT).await[1].parse().unwrap();
    assert!((20..30_515).contains(&next), "{next}");
    // The others go on.
    corner.positions(0, 20);
    corner.settled(&[0, 2]).await;
    running.stop().await;
}

/// The log of partition 0 comes back as it was; in that of 1 others stand where confirmed records were lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_with_others_in_the_place_of_what_was_folded_stops_however_long_it_is() {
    let mut corner = Corner::new().await;
    let first = corner.start();
    corner.positions(0, 20);
    corner.positions(1, 20);
    corner.settled(&[0, 1, 2]).await;
    first.stop().await;
    let kept = corner.log[0].clone();
    corner.make_topic_anew().await;
    for value in kept {
        corner.produce(0, "", value);
    }
    corner.positions(0, 3);
    corner.positions(1, 15);
    let second = corner.start();
    second.metric(GAUGE, "reason=\"log_shorter\"", "1").await;
    corner.settled(&[0, 2]).await;
    corner.becomes(STOPPED, &["1 log_shorter"]).await;
    // That it is longer again does not make it the same.
    corner.positions(1, 10);
    corner.becomes(STOPPED, &["1 log_changed"]).await;
    second
        .not_ready("the record before offset 20 is not the one that was folded")
        .await;
    second.metric(GAUGE, "reason=\"log_changed\"", "1").await;
    assert_eq!(corner.rows(NEXT).await, ["23", "20", "0"]);
    second.stop().await;
    let third = corner.start();
    third.not_ready("the record before offset 20").await;
    // What the sentence advises.
    corner
        .sql("update ledger set marked_offset = null, epoch = epoch + 1 where topic = $1 and partition = 1")
        .await;
    third.ready().await;
    corner.settled(&[0, 1, 2]).await;
    corner.becomes(STOPPED, &[]).await;
    third.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_of_the_fold_stops_its_partition() {
    let mut corner = Corner::new().await;
    let first = corner.start();
    corner.positions(0, 20);
    corner.positions(2, 20);
    corner.settled(&[0, 1, 2]).await;
    first.stop().await;
    corner
        .sql("update ledger set fold_version = 99 where topic = $1 and partition = 2")
        .await;
    corner.positions(0, 5);
    corner.positions(2, 5);
    let second = corner.start();
    second
        .not_ready("the state was made by version 99 of fold movement, this build has version")
        .await;
    second.metric(GAUGE, "reason=\"fold_version\"", "1").await;
    corner.becomes(STOPPED, &["2 fold_version"]).await;
    corner.settled(&[0]).await;
    assert_eq!(
        corner.rows(NEXT).await,
        ["25", "0", "20"],
        "something was skipped"
    );
    // What the sentence advises, while the consumer runs.
    for table in ["ledger", "state_log"] {
        corner
            .sql(&format!(
                "delete from {table} where topic = $1 and partition = 2"
            ))
            .await;
    }
    second.ready().await;
    corner.settled(&[0, 1, 2]).await;
    corner.becomes(STOPPED, &[]).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_moved_by_hand_under_its_owner_stops_that_partition_alone() {
    let mut corner = Corner::new().await;
    let running = corner.start();
    for partition in 0..3 {
        corner.positions(partition, 30);
    }
    corner.settled(&[0, 1, 2]).await;
    for moved in ["next_offset - 7", "next_offset + 7"] {
        let end: i64 = corner.rows(NEXT).await[1].parse().unwrap();
        corner
            .sql(&format!(
                "update ledger set next_offset = {moved} where topic = $1 and partition = 1"
            ))
            .await;
        corner.positions(1, 3);
        corner.positions(2, 3);
        running
            .not_ready(&format!("Set ledger.next_offset back to {end}"))
            .await;
        running.metric(GAUGE, "reason=\"ledger_moved\"", "1").await;
        corner.becomes(STOPPED, &["1 ledger_moved"]).await;
        corner.settled(&[0, 2]).await;
        // It does not leave and come back for ever.
        let epoch = corner.rows(EPOCHS).await[1].clone();
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(corner.rows(EPOCHS).await[1], epoch);
        corner
            .sql(&format!(
                "update ledger set next_offset = {end} where topic = $1 and partition = 1"
            ))
            .await;
        running.ready().await;
        corner.settled(&[0, 1, 2]).await;
        corner.becomes(STOPPED, &[]).await;
    }
    assert_eq!(corner.rows(COUNTS).await[1], "0 36 0 0 0 0 0 0");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_cannot_be_read_stops_its_partition_before_a_copy_in_it_counts_again() {
    let mut corner = Corner::new().await;
    let running = corner.start();
    corner.seen_at(1, 0);
    for second in [4_000, 4_100, 4_200] {
        corner.seen_at(1, second);
        corner.tick_at(1, second + 10);
    }
    corner.settled(&[0, 1, 2]).await;
    let broken = "update sample_block set blob = 'no block' where $1 <> ''";
    assert!(corner.sql(broken).await > 0);
    // The first event once more, when it is in that block only.
    corner.seen_at(1, 0);
    corner.tick_at(1, 4_300);
    corner.positions(2, 3);
    running
        .not_ready("a row that late events are folded with cannot be read")
        .await;
    corner.becomes(STOPPED, &["1 state_unreadable"]).await;
    corner.settled(&[0, 2]).await;
    // What the sentence advises.
    corner
        .sql("delete from sample_block where blob = 'no block' and $1 <> ''")
        .await;
    corner
        .sql("update ledger set epoch = epoch + 1 where topic = $1 and partition = 1")
        .await;
    running.ready().await;
    corner.settled(&[0, 1, 2]).await;
    corner.becomes(STOPPED, &[]).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_went_back_as_a_whole_heals_by_itself() {
    let mut corner = Corner::new().await;
    let running = corner.start();
    corner.positions(1, 30);
    corner.settled(&[0, 1, 2]).await;
    let tables = ["ledger", "state_log", "canary"];
    for table in tables {
        corner
            .sql(&format!(
                "create table {table}_before as select * from {table}"
            ))
            .await;
    }
    corner.positions(1, 30);
    corner.settled(&[0, 1, 2]).await;
    for table in tables {
        let columns = format!(
            "select string_agg(column_name, ', ') from information_schema.columns
            where table_name = '{table}' and is_generated = 'NEVER' and $1 <> ''"
        );
        let columns = corner.rows(&columns).await.remove(0);
        let restore = format!(
            "begin; delete from {table}; insert into {table} ({columns}) select {columns} from {table}_before; commit"
        );
        let restored = sqlx::raw_sql(sqlx::AssertSqlSafe(restore)).execute(&corner.pool);
        restored.await.unwrap();
    }
    corner.positions(1, 5);
    corner.settled(&[0, 1, 2]).await;
    running.ready().await;
    assert_eq!(corner.rows(COUNTS).await[1], "0 65 0 0 0 0 0 0");
    assert_eq!(corner.rows(STOPPED).await, Vec::<String>::new());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_a_stopped_partition_is_not_ready_and_says_why() {
    let mut corner = Corner::new().await;
    let running = corner.start_all(&[]);
    crowd(&mut corner, 0, 300);
    corner.settled(&[0, 1, 2]).await;
    running.stop().await;
    sqlx::query("update ledger set next_offset = 1000000 where topic = $1 and partition = 1")
        .bind(corner.topic())
        .execute(&corner.pool)
        .await
        .unwrap();
    let running = corner.start_all(&[]);
    running
        .not_ready("FAIL movement-0: partition 1 is stopped: ")
        .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_ledgers_that_came_to_an_empty_group_together_are_told_once_they_commit() {
    let mut corner = Corner::new().await;
    let other = Corner::new().await;
    let first = corner.start();
    let stranger = corner.start_with(&other, &[]);
    first.ready().await;
    stranger.ready().await;
    // Nobody has committed yet. Whoever has a partition does so now.
    for partition in 0..3 {
        corner.positions(partition, 10);
    }
    // Both stop when both look before either has left; else the one that looks first leaves everything to the other.
    let why = "two ledgers of one group would share";
    let kept_out = tokio::select! {
        () = first.not_ready(why) => &first,
        () = stranger.not_ready(why) => &stranger,
    };
    kept_out
        .metric(GAUGE, "partition=\"all\",reason=\"two_ledgers\"", "1")
        .await;
    first.stop().await;
    stranger.stop().await;
}
