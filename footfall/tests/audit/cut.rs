//! A log of which a part is not there: retention took its beginning, or a person left records out.

use domain::time::Micros;
use domain::topic::SENSOR_MOVEMENTS;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;

use crate::command::text;
use crate::site::{PARTITIONS, START, Site, position};
use crate::{audit, check_equal, difference};

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_beginning_is_gone_is_compared_from_a_saved_state_on() {
    let site = Site::new().await;
    let consumer = site.consume();
    site.crowd(0, 3_000);
    site.settled().await;
    retain_from(&site, Some(300)).await;
    // Of what came an hour late only the hours before are in doubt.
    site.crowd(12_000, 13_000);
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
    let words = format!(
        "equal, but {} rows were not compared: ",
        report["rows_not_compared"]
    );
    assert!(told.contains(&words), "{told}");
    consumer.stop().await;
    site.tamper("update pane set entered = entered + 1 where (start_at, sensor) = (select start_at, sensor from pane order by 1 desc, 2 limit 1)").await;
    assert_eq!(difference(&site)["fields"][0]["name"], "entered");
    // Retention that overtook the ledger is said, not passed over.
    site.crowd(13_000, 13_500);
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
    site.publish(position("s1", "t1", Micros(START + 900_000_000), 9_000));
    site.publish(position("s1", "t1", Micros(START + 4_900_000_000), 9_001));
    site.publish(position("s1", "t1", Micros(START + 901_000_000), 9_002));
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
