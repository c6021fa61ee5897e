//! Each kind of tampering: it is found, named, and undone.

use domain::live::{LiveKeys, LiveMap};
use domain::time::Micros;
use domain::topic::SENSOR_MOVEMENTS;
use serde_json::Value;

use crate::command::text;
use crate::site::{PARTITIONS, Site};
use crate::{check_equal, difference};

pub(crate) async fn rows(site: &Site) {
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

pub(crate) async fn accounts(site: &Site) {
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
pub(crate) async fn final_pane(site: &Site) {
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

pub(crate) async fn live_view(site: &Site) {
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
