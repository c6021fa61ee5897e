//! The rows in Postgres are what one pass over the log gives: across owners, with late events, and beside records that cannot be
//! read.

use std::time::Duration;

use domain::envelope;
use domain::event::{Body, Event};
use domain::fold::Fold;
use domain::time::Micros;
use sqlx::Row;

use crate::corner::{Corner, PARTITIONS, START};
use crate::crowd::{crowd, position};
use crate::replay::{PANES, VISITS, check_lines, pane_line, visit_line};
use crate::running::eventually;

/// Late events and a copy among them, with another owner before and after: what stands is what would stand in time.
#[tokio::test(flavor = "multi_thread")]
async fn late_events_amend_rows_that_another_owner_has_written() {
    let mut corner = Corner::new().await;
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
    in_time
        .iter()
        .for_each(|event| corner.publish(event.clone()));
    corner.tick(at(7_210));
    let first = corner.start_all(&[]);
    corner.settled(&[0, 1, 2]).await;
    late.iter().for_each(|event| corner.publish(event.clone()));
    corner.settled(&[0, 1, 2]).await;
    first.stop().await;
    corner.tick(at(7_300));
    let second = corner.start_all(&[]);
    corner.settled(&[0, 1, 2]).await;
    corner.tick(at(7_400));
    corner.settled(&[0, 1, 2]).await;
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
    let rows = Corner::replayed(&records).drain_rows();
    let visits = rows.visits.iter();
    let visits = visits.filter_map(|(key, row)| Some(visit_line(key, row.as_ref()?)));
    check_lines(&corner.pool, VISITS, visits.collect()).await;
    let panes = rows.panes.iter().map(|(key, row)| pane_line(key, row));
    check_lines(&corner.pool, PANES, panes.collect()).await;
    let count = async |sql: &'static str| -> i64 {
        sqlx::query_scalar(sql)
            .fetch_one(&corner.pool)
            .await
            .unwrap()
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
    let mut corner = Corner::new().await;
    let first = corner.start_all(&[]);
    crowd(&mut corner, 0, 1_000);
    corner.settled(&[0, 1, 2]).await;
    corner.check_rows().await;
    first.stop().await;
    crowd(&mut corner, 1_000, 2_000);
    let second = corner.start_all(&["--workers", "2"]);
    crowd(&mut corner, 2_000, 3_000);
    corner.settled(&[0, 1, 2]).await;
    corner.check_rows().await;
    corner.live_is_right().await;
    // Every sensor is silent: the gateways' clock still tells that the live view is up to date.
    let later = Micros(START + 700_000_000);
    corner.tick(later);
    corner.received_until(later).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_member_takes_partitions_over_and_gives_them_back() {
    let mut corner = Corner::new().await;
    let first = corner.start_all(&[]);
    crowd(&mut corner, 0, 500);
    corner.settled(&[0, 1, 2]).await;
    let second = corner.start_all(&[]);
    for round in 1..8 {
        crowd(&mut corner, round * 500, round * 500 + 500);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    first.stop().await;
    crowd(&mut corner, 4_000, 4_500);
    corner.settled(&[0, 1, 2]).await;
    corner.check_rows().await;
    corner.live_is_right().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_read_is_quarantined_and_its_partition_goes_on() {
    let mut corner = Corner::new().await;
    let running = corner.start_all(&[]);
    crowd(&mut corner, 0, 300);
    for partition in 0..PARTITIONS {
        corner.produce(partition, "broken", b"\xff\xff\xff no envelope".to_vec());
    }
    crowd(&mut corner, 300, 600);
    corner.settled(&[0, 1, 2]).await;
    corner.check_rows().await;
    let rows = sqlx::query("select reason, device, payload, topic from dead_letter")
        .fetch_all(&corner.pool)
        .await
        .unwrap();
    assert_eq!(rows.len(), PARTITIONS as usize);
    for row in rows {
        assert_eq!(row.get::<String, _>(0), "undecodable");
        assert_eq!(row.get::<String, _>(1), "broken");
        assert_eq!(row.get::<Vec<u8>, _>(2), b"\xff\xff\xff no envelope");
        assert_eq!(row.get::<String, _>(3), corner.topic());
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_days_leaves_the_default_partition_and_a_clock_of_2021_stays_there() {
    let corner = Corner::new().await;
    for age in ["5 days", "3 days", "1700 days"] {
        let sql =
            "insert into sensor_up (hour_at, sensor, up) values (now() - $1::interval, 's', '')";
        sqlx::query(sql)
            .bind(age)
            .execute(&corner.pool)
            .await
            .unwrap();
    }
    let running = corner.start_all(&[]);
    eventually("only the row of 2021 is left", || async {
        let sql =
            "select (select count(*) from sensor_up_default), (select count(*) from sensor_up)";
        let (default, all): (i64, i64) = sqlx::query_as(sql).fetch_one(&corner.pool).await.unwrap();
        if (default, all) == (1, 3) {
            Ok(())
        } else {
            Err(format!("{default} of {all} rows in the default partition"))
        }
    })
    .await;
    running.stop().await;
}
