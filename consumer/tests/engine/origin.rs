//! A ledger belongs to one Kafka, and the consumers of a group to one ledger.

use crate::corner::{Corner, MOVEMENT};
use crate::crowd::crowd;
use crate::standing::{EPOCHS, GAUGE, STOPPED};

const LEDGER: &str = "select concat_ws(' ', partition, epoch, next_offset) from ledger where topic = $1 order by partition";

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_of_another_kafka_is_not_consumed_with() {
    let mut corner = Corner::new().await;
    let running = corner.start_all(&[]);
    crowd(&mut corner, 0, 300);
    corner.settled(&[0, 1, 2]).await;
    running.stop().await;
    let cluster: String = sqlx::query_scalar("select cluster_id from log_origin")
        .fetch_one(&corner.pool)
        .await
        .unwrap();
    sqlx::query("update log_origin set cluster_id = 'removed'")
        .execute(&corner.pool)
        .await
        .unwrap();
    let before = corner.rows(LEDGER).await;
    crowd(&mut corner, 300, 600);
    let running = corner.start_all(&[]);
    let sentence =
        "FAIL movement-0: the ledger in Postgres belongs to another Kafka (cluster removed)";
    running.not_ready(sentence).await;
    assert_eq!(corner.rows(LEDGER).await, before, "the ledger was touched");
    sqlx::query("update log_origin set cluster_id = $1")
        .bind(cluster)
        .execute(&corner.pool)
        .await
        .unwrap();
    corner.settled(&[0, 1, 2]).await;
    corner.check_rows().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_of_another_kafka_is_marked_where_nobody_else_moves_it() {
    let mut corner = Corner::new().await;
    let first = corner.start();
    corner.positions(0, 10);
    corner.settled(&[0, 1, 2]).await;
    first.stop().await;
    let cluster = "select cluster_id from log_origin where $1 <> ''";
    let cluster = corner.rows(cluster).await.remove(0);
    corner
        .sql("update log_origin set cluster_id = 'removed' where $1 <> ''")
        .await;
    let old = "now() - interval '1 minute'";
    corner
        .sql(&format!("update ledger set updated_at = {old}, reported_at = {old} where topic = $1 and partition < 2"))
        .await;
    let second = corner.start();
    second
        .not_ready("belongs to another Kafka (cluster removed)")
        .await;
    second
        .metric(GAUGE, "partition=\"all\",reason=\"another_log\"", "1")
        .await;
    corner
        .becomes(STOPPED, &["0 another_log", "1 another_log"])
        .await;
    let mend = format!("update log_origin set cluster_id = '{cluster}' where $1 <> ''");
    corner.sql(&mend).await;
    second.ready().await;
    corner.positions(0, 10);
    corner.settled(&[0, 1, 2]).await;
    corner.becomes(STOPPED, &[]).await;
    second
        .metric(GAUGE, "partition=\"all\",reason=\"another_log\"", "0")
        .await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_ledger_of_one_group_takes_no_partition_until_a_person_says_so() {
    let mut corner = Corner::new().await;
    let first = corner.start();
    corner.positions(0, 10);
    corner.settled(&[0, 1, 2]).await;
    let epochs = corner.rows(EPOCHS).await;
    let other = Corner::new().await;
    let stranger = corner.start_with(&other, &MOVEMENT);
    let ledger = "select ledger::text from log_origin where $1 <> ''";
    let ours = corner.rows(ledger).await.remove(0);
    stranger
        .not_ready(&format!(
            "committed by the consumers of another ledger ({ours}"
        ))
        .await;
    stranger
        .metric(GAUGE, "partition=\"all\",reason=\"two_ledgers\"", "1")
        .await;
    // Nobody was disturbed.
    corner.positions(0, 10);
    corner.settled(&[0, 1, 2]).await;
    assert_eq!(corner.rows(EPOCHS).await, epochs);
    first.stop().await;
    // What the sentence advises, when the first database is gone.
    let replace =
        format!("update log_origin set replaces = replaces || '{ours}'::uuid where $1 <> ''");
    other.sql(&replace).await;
    stranger.ready().await;
    let next = format!(
        "select next_offset::text from ledger where topic = '{}' and partition = 0 and $1 <> ''",
        corner.topic()
    );
    other.becomes(&next, &["20"]).await;
    stranger
        .metric(GAUGE, "partition=\"all\",reason=\"two_ledgers\"", "0")
        .await;
    stranger.stop().await;
    // And now it is the first one that is kept out.
    let back = corner.start();
    back.not_ready("two ledgers of one group would share").await;
    back.stop().await;
}
