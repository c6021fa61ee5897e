//! Whatever cannot be answered is refused, and what would do is said.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{Instance, World};

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
    ("/api/v1/sensors?status=asleep", "status", "unknown_value"),
    ("/api/v1/sensors?zone=attic", "zone", "unknown_zone"),
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

/// Something that is refused: how, with which status, and the kind of problem.
const KINDS: &[(&str, &str, u16, &str)] = &[
    (
        "GET",
        "/api/v1/series?sensor=nosuch",
        400,
        "invalid-parameter",
    ),
    ("GET", "/api/v1/sensors/nosuch", 404, "not-found"),
    ("GET", "/api/v1/nosuch", 404, "not-found"),
    ("POST", "/api/v1/series", 405, "method-not-allowed"),
    (
        "GET",
        "/api/v1/series?start=2026-02-20T10:00:00Z&step=10s",
        422,
        "too-many-points",
    ),
];

/// The answer as it comes over the wire, to a client that takes `encoding`: its head and its body.
async fn raw(api: &Instance, method: &str, path: &str, encoding: &str) -> (String, Vec<u8>) {
    let mut connection = TcpStream::connect(api.address).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.0\r\nhost: {}\r\naccept-encoding: {encoding}\r\nx-request-id: req-8\r\n\r\n",
        api.address
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|at| at == b"\r\n\r\n").unwrap();
    let body = answer.split_off(end + 4);
    (String::from_utf8(answer).unwrap().to_lowercase(), body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_encoded_as_its_heading_says() {
    let world = World::new("2026-03-02T10:00:00Z").await;
    let api = world.api(&[]).await;
    let client = reqwest::Client::new();
    for &(method, path, status, kind) in KINDS {
        for encoding in ["gzip", "br", "identity"] {
            let what = format!("{method} {path} as {encoding}");
            let (head, body) = raw(&api, method, path, encoding).await;
            let is_plain = serde_json::from_slice::<Value>(&body).is_ok();
            let says_encoded = head.contains(&format!("content-encoding: {encoding}"));
            assert_eq!(says_encoded, encoding != "identity", "{what}: {head}");
            assert_eq!(is_plain, encoding == "identity", "{what}: {head}");

            let method = method.parse().unwrap();
            let request = client
                .request(method, format!("http://{}{path}", api.address))
                .header("accept-encoding", encoding)
                .header("x-request-id", "req-8");
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), status, "{what}");
            assert_eq!(response.headers()["x-request-id"], "req-8", "{what}");
            assert_eq!(
                response.headers()["content-type"],
                "application/problem+json",
                "{what}"
            );
        }
        // This client decodes what it has asked for itself.
        let method = method.parse().unwrap();
        let request = client.request(method, format!("http://{}{path}", api.address));
        let problem: Value = request.send().await.unwrap().json().await.unwrap();
        let named = format!("https://footfall.dev/problems/{kind}");
        assert_eq!(problem["type"], named, "{path}");
    }
    api.stop().await;
}
