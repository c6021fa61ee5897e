//! Whatever cannot be answered is refused, and what would do is said.

use serde_json::json;

use crate::world::World;

/// What is asked, the parameter that is named, and the code.
const REFUSED: &[(&str, &str, &str)] = &[
    ("/api/v1/series?metric=entrys", "metric", "unknown_metric"),
    ("/api/v1/series?metric=", "metric", "unknown_metric"),
    ("/api/v1/series?start=now&end=today", "end", "range_order"),
    (
        "/api/v1/series?start=2026-03-02&end=2026-03-02",
        "end",
        "range_order",
    ),
    ("/api/v1/series?start=yesterday", "start", "not_an_instant"),
    ("/api/v1/series?end=2026-02-30", "end", "not_an_instant"),
    ("/api/v1/series?step=0s", "step", "not_a_multiple"),
    ("/api/v1/series?step=7s", "step", "not_a_multiple"),
    ("/api/v1/series?window=1d", "window", "calendar_step"),
    ("/api/v1/series?window=-60s", "window", "not_a_duration"),
    ("/api/v1/series?mode=sliding", "mode", "unknown_value"),
    ("/api/v1/series?group_by=zone", "group_by", "unknown_value"),
    ("/api/v1/series?fill=linear", "fill", "unknown_value"),
    ("/api/v1/series?tz=Europe/Londres", "tz", "unknown_zone"),
    (
        "/api/v1/series?sensor=lib-1,nobody",
        "sensor",
        "unknown_sensor",
    ),
    ("/api/v1/series?zone=attic", "zone", "unknown_zone"),
    ("/api/v1/series?sensor=", "sensor", "empty_name"),
    (
        "/api/v1/series?start=2010-01-01&step=24h",
        "end",
        "range_too_long",
    ),
    ("/api/v1/series?sensor=%FF%FE", "sensor", "not_utf8"),
    ("/api/v1/series?type=a%00b", "type", "not_text"),
    (
        "/api/v1/series?sensors=lib-1",
        "sensors",
        "unknown_parameter",
    ),
    ("/api/v1/series?step=60s&step=10s", "step", "duplicate"),
    ("/api/v1/visits?limit=0", "limit", "out_of_range"),
    ("/api/v1/visits?limit=501", "limit", "out_of_range"),
    ("/api/v1/visits?cursor=xyz", "cursor", "invalid_cursor"),
    (
        "/api/v1/visits?cursor=00016100016100016100016a",
        "cursor",
        "invalid_cursor",
    ),
    ("/api/v1/visits?start=now&end=today", "end", "range_order"),
    ("/api/v1/visits?sensor=nobody", "sensor", "unknown_sensor"),
    ("/api/v1/overview?zone=attic", "zone", "unknown_zone"),
    ("/api/v1/overview?at=now", "at", "unknown_parameter"),
    ("/api/v1/sensors?cursor=0", "cursor", "invalid_cursor"),
    ("/api/v1/zones?cursor=00016100", "cursor", "invalid_cursor"),
    ("/api/v1/site?pretty=1", "pretty", "unknown_parameter"),
    ("/api/v1/sensors/%FF", "id", "not_utf8"),
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_cannot_be_answered_is_refused_by_name() {
    let world = World::new("2026-03-02T10:00:00Z").await;
    let api = world.api(&[]).await;
    for &(path, parameter, code) in REFUSED {
        let reply = api.get_with(path, &[("x-request-id", "req-7")]).await;
        assert_eq!(reply.status, 400, "{path}: {}", reply.body);
        assert_eq!(
            reply.headers["content-type"], "application/problem+json",
            "{path}"
        );
        assert_eq!(reply.headers["x-request-id"], "req-7");
        assert_eq!(
            reply.body["errors"][0]["parameter"], parameter,
            "{path}: {}",
            reply.body
        );
        assert_eq!(
            reply.body["errors"][0]["code"], code,
            "{path}: {}",
            reply.body
        );
        assert_eq!(reply.body["request_id"], "req-7");
        assert_eq!(reply.body["instance"], path.split('?').next().unwrap());
    }
    let seven = api.get("/api/v1/series?step=64s").await;
    assert!(
        seven.body["detail"]
            .as_str()
            .unwrap()
            .contains("the nearest is 1m"),
        "{}",
        seven.body
    );
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_points_come_with_a_step_that_would_do() {
    let world = World::new("2026-03-02T10:00:00Z").await;
    let api = world.api(&[]).await;
    let reply = api
        .get("/api/v1/series?start=2026-02-20T10:00:00Z&end=2026-03-02T10:00:00Z&step=10s")
        .await;
    assert_eq!(reply.status, 422, "{}", reply.body);
    assert_eq!(
        reply.body["type"],
        "https://footfall.dev/problems/too-many-points"
    );
    assert_eq!(reply.body["suggested_step"], "2m");
    let good = "/api/v1/series?start=2026-02-20T10:00:00Z&end=2026-03-02T10:00:00Z&step=2m";
    assert_eq!(api.ok(good).await["series"][0]["n"], 7200);
    // Many series of many metrics: the values count together.
    let wide = "/api/v1/series?start=2026-02-23T10:00:00Z&step=60s&group_by=sensor&metric=entries,exits,present,speed_avg,speed_min,speed_max,speed_p50,speed_p95";
    let reply = api.get(wide).await;
    assert_eq!(
        (reply.status, &reply.body["suggested_step"]),
        (422, &json!("2m")),
        "{}",
        reply.body
    );
    api.stop().await;
}
