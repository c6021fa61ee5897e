//! The resources one by one: what they answer, page by page, and what they refuse by name.

use std::collections::BTreeSet;

use domain::event::DeviceState;
use serde_json::{Value, json};

use crate::owner::Owner;
use crate::world::{Instance, World, seconds};

pub(crate) fn ids(page: &Value) -> Vec<&str> {
    page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_site_is_described() {
    let world = World::new("2026-07-02T10:00:00Z").await;
    let api = world.api(&["--mqtt-advertised", "127.0.0.1:1883"]).await;
    let site = api.ok("/api/v1/site").await;
    assert_eq!(
        site,
        json!({
            "id": "main", "name": "Main campus", "tz": "Europe/London", "locale": "en-GB",
            "now": "2026-07-02T11:00:00+01:00", "features": ["movement"], "feeds": {"movement": false},
            "heartbeat_s": 30, "silent_after_s": 60, "lateness_s": 1200, "idle_gap_s": 30, "pane_s": 10,
            "mqtt_topic": "footfall/main/{device}/positions", "mqtt": "127.0.0.1:1883",
            "version": env!("CARGO_PKG_VERSION"),
        })
    );
    let overview = api.ok("/api/v1/overview").await;
    assert_eq!(overview["on_site"], 0);
    assert_eq!(overview["lag_ms"], Value::Null);
    assert_eq!(overview["counted_zones"], 0);
    let zones: Vec<_> = overview["zones"]
        .as_array()
        .unwrap()
        .iter()
        .map(|zone| (&zone["id"], &zone["state"]))
        .collect();
    assert_eq!(
        json!(zones),
        json!([["cafe", "no_data"], ["lib", "no_data"], ["gym", "no_data"]])
    );
    let series = api
        .ok("/api/v1/series?metric=entries,speed_avg&start=2026-07-02T09:58:00Z")
        .await;
    assert_eq!(series["series"][0]["entries"]["v"], json!([null, null]));
    assert_eq!(series["watermark"], Value::Null);
    let zeros = api
        .ok("/api/v1/series?metric=entries,speed_avg&start=now-2m&fill=zero")
        .await;
    assert_eq!(zeros["series"][0]["entries"]["v"], json!([0, 0]));
    assert_eq!(zeros["series"][0]["speed_avg"]["v"], json!([0.0, 0.0]));
    assert_eq!(
        api.ok("/api/v1/visits").await,
        json!({"items": [], "next_cursor": null, "stale": false})
    );
    assert_eq!(api.ok("/api/v1/pipeline").await["partitions"], json!([]));
    api.stop().await;
}

/// Six people in the library, which has places for five; one in the café, in the gym and at a door that nobody registered.
/// The gym's sensor then says that it goes away.
async fn crowd(world: &World, owner: &mut Owner, api: &Instance) {
    let start = world.now();
    for n in 0..5 {
        owner.position("lib-1", (&format!("l{n}"), "student"), start, 0.0);
    }
    owner.position("lib-1", ("l5", "staff"), start, 0.0);
    owner.position("cafe-1", ("c0", "student"), start, 0.0);
    owner.position("gym-1", ("g0", "student"), start, 0.0);
    owner.position("door-9", ("d0", "student"), start, 0.0);
    owner.status("gym-1", DeviceState::Offline, start + seconds(1));
    owner.flush().await;
    api.caught_up(owner).await;
    world.pass(seconds(2));
}

pub(crate) fn zone<'a>(overview: &'a Value, id: &str) -> &'a Value {
    let zones = overview["zones"].as_array().unwrap();
    let found = zones.iter().find(|zone| zone["id"] == id);
    found.unwrap_or_else(|| panic!("no zone {id} in {overview}"))
}

/// Some members of an object.
fn some(object: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| object[name].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_counted_by_zone() {
    let world = World::new("2026-03-02T10:00:00Z").await;
    let mut owner = world.owner(3).await;
    let api = world.api(&[]).await;
    crowd(&world, &mut owner, &api).await;
    let overview = api.ok("/api/v1/overview").await;
    assert_eq!(
        some(&overview, &["on_site", "counted_zones", "lag_ms"]),
        json!([8, 3, 0])
    );
    let library = zone(&overview, "lib");
    assert_eq!(
        some(library, &["n", "share", "state"]),
        json!([6, 1.2, "over"])
    );
    let cafe = zone(&overview, "cafe");
    assert_eq!(
        some(cafe, &["n", "share", "state"]),
        json!([1, null, "normal"])
    );
    assert_eq!(zone(&overview, "unassigned")["sensors"], json!(["door-9"]));

    let staff = api.ok("/api/v1/overview?type=staff&zone=lib,cafe").await;
    assert_eq!(
        (&staff["on_site"], staff["zones"].as_array().unwrap().len()),
        (&json!(1), 2)
    );
    let door = api.ok("/api/v1/overview?sensor=door-9").await;
    assert_eq!(
        (&door["on_site"], door["zones"].as_array().unwrap().len()),
        (&json!(1), 1)
    );
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_sensors_are_named_and_their_last_count_is_kept() {
    let world = World::new("2026-03-02T10:00:00Z").await;
    let mut owner = world.owner(3).await;
    let api = world.api(&[]).await;
    crowd(&world, &mut owner, &api).await;
    let overview = api.ok("/api/v1/overview").await;
    let gym = zone(&overview, "gym");
    assert_eq!(
        some(gym, &["n", "state", "silent_s"]),
        json!([1, "no_data", 1])
    );
    let silent = &overview["silent_sensors"];
    assert_eq!(
        some(&silent[0], &["id", "zone", "silent_s"]),
        json!(["gym-1", "gym", 1])
    );
    assert_eq!(silent.as_array().unwrap().len(), 1);

    world.pass(seconds(149));
    let sensors = api.ok("/api/v1/sensors").await;
    let states: Value = sensors["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|sensor| some(sensor, &["id", "state", "present"]))
        .collect();
    assert_eq!(
        states,
        json!([
            ["cafe-1", "offline", 1],
            ["door-9", "offline", 1],
            ["gym-1", "offline", 1],
            ["lib-1", "offline", 6]
        ])
    );
    // A tick closes the visits of sensors that fell silent; how many they were stays known.
    owner.tick(world.now());
    owner.flush().await;
    api.caught_up(&owner).await;
    assert_eq!(api.ok("/api/v1/sensors/lib-1").await["present"], 6);
    let overview = api.ok("/api/v1/overview").await;
    assert_eq!(
        some(&overview, &["on_site", "counted_zones"]),
        json!([0, 0])
    );
    assert_eq!(
        some(zone(&overview, "lib"), &["n", "state"]),
        json!([6, "no_data"])
    );
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_site_is_not_behind() {
    let world = World::new("2026-03-02T10:00:00Z").await;
    let mut owner = world.owner(3).await;
    let api = world.api(&[]).await;
    crowd(&world, &mut owner, &api).await;
    for _ in 0..12 {
        world.pass(seconds(10));
        owner.tick(world.now());
        owner.flush().await;
        api.caught_up(&owner).await;
    }
    let lag = async |api: &Instance| api.ok("/api/v1/overview").await["lag_ms"].clone();
    assert_eq!(lag(&api).await, 0);
    // One that has just read the live view knows it as well.
    let second = world.api(&[]).await;
    assert_eq!(lag(&second).await, 0);
    // Without ticks something is behind, and it is said how far.
    world.pass(seconds(60));
    for instance in [&api, &second] {
        assert_eq!(lag(instance).await, 60_000);
    }
    api.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_a_problem_and_a_page_is_the_dashboard() {
    let world = World::new("2026-03-02T10:00:00Z").await;
    let api = world
        .api(&["--allowed-origins", "https://wall.example.org"])
        .await;
    let missing = api.get("/api/v1/sensors/nobody").await;
    assert_eq!(
        (missing.status, &missing.body["title"]),
        (404, &json!("Not found"))
    );
    let unknown = api.get("/api/v1/lectures").await;
    assert_eq!(
        (unknown.status, &unknown.headers["content-type"]),
        (404, &"application/problem+json".parse().unwrap())
    );
    let id = unknown.headers["x-request-id"].to_str().unwrap();
    assert_eq!(unknown.body["request_id"], id);
    let post = reqwest::Client::new()
        .post(format!("http://{}/api/v1/site", api.address))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (post.status().as_u16(), &post.headers()["allow"]),
        (405, &"GET,HEAD".parse().unwrap())
    );
    let page = api
        .get_with("/trends", &[("accept", "text/html,*/*")])
        .await;
    assert_eq!(page.status, 200);
    assert!(
        page.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
    assert_eq!(api.get("/assets/nothing.js").await.status, 404);
    for path in ["/openapi.json", "/api/v1/openapi.json"] {
        assert_eq!(api.ok(path).await["openapi"], "3.1.0");
    }
    let listed = api
        .get_with("/api/v1/site", &[("origin", "https://wall.example.org")])
        .await;
    assert_eq!(
        listed.headers["access-control-allow-origin"],
        "https://wall.example.org"
    );
    let other = api
        .get_with("/api/v1/site", &[("origin", "https://evil.example.org")])
        .await;
    assert!(!other.headers.contains_key("access-control-allow-origin"));
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_known_is_not_sent_again_and_one_that_is_long_is_packed() {
    let world = World::new("2026-03-02T10:00:00Z").await;
    let api = world.api(&[]).await;
    let first = api.get("/api/v1/zones").await;
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    let again = api
        .get_with("/api/v1/zones", &[("if-none-match", &tag)])
        .await;
    assert_eq!((again.status, again.body), (304, json!("")));
    let other = api
        .get_with("/api/v1/zones", &[("if-none-match", "W/\"0\"")])
        .await;
    assert_eq!(other.status, 200);
    let packed = api
        .get_with(
            "/api/v1/series?start=2026-03-01",
            &[("accept-encoding", "gzip")],
        )
        .await;
    assert_eq!(
        (packed.status, &packed.headers["content-encoding"]),
        (200, &"gzip".parse().unwrap())
    );
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_told_to_spreadsheets_too() {
    let world = World::new("2026-10-25T00:59:00Z").await;
    let mut owner = world.owner(0).await;
    let api = world.api(&[]).await;
    for n in 0..7 {
        owner.position(
            "lib-1",
            (&format!("=t{n}"), "student"),
            world.now() + seconds(n * 20),
            0.0,
        );
    }
    owner.flush().await;
    owner.checkpoint().await;
    api.caught_up(&owner).await;
    world.pass(seconds(180));
    // The hour in which clocks go back: one o'clock comes twice, with another offset.
    let path = "/api/v1/series?metric=entries,speed_avg&start=2026-10-25T00:59:00Z&end=2026-10-25T01:01:00Z&step=60s";
    let reply = api.get_with(path, &[("accept", "text/csv")]).await;
    assert_eq!(reply.headers["content-type"], "text/csv; charset=utf-8");
    assert!(
        reply.headers["content-disposition"]
            .to_str()
            .unwrap()
            .contains("series_entries-speed_avg_all_all_2026-10-25")
    );
    let expected = "window_start,window_end,sensor,type,entries,speed_avg,coverage,state\n\
        2026-10-25T01:59:00+01:00,2026-10-25T01:00:00+00:00,all,all,3,,0.3333333333333333,provisional\n\
        2026-10-25T01:00:00+00:00,2026-10-25T01:01:00+00:00,all,all,3,,0.3333333333333333,live\n";
    assert_eq!(reply.body, *expected);
    let marked = api.get(&format!("{path}&format=csv&bom=1")).await;
    assert_eq!(marked.body, *format!("\u{feff}{expected}"));

    let all = api.get("/api/v1/visits?format=csv").await;
    let lines: Vec<&str> = all.body.as_str().unwrap().lines().collect();
    assert_eq!(lines.len(), 8);
    assert_eq!(
        lines[1],
        "lib-1,'=t0,student,2026-10-25T01:59:00+01:00,2026-10-25T01:59:00+01:00,1,0,,,,provisional"
    );
    let some = api.get("/api/v1/visits?format=csv&limit=2").await;
    assert_eq!(some.body.as_str().unwrap().lines().count(), 3);
    // Page after page, when there are more than one holds.
    for n in 0..1200 {
        owner.position("gym-1", (&format!("g{n}"), "student"), world.now(), 0.0);
    }
    owner.flush().await;
    api.caught_up(&owner).await;
    world.pass(seconds(1));
    let many = api.get("/api/v1/visits?format=csv&sensor=gym-1").await;
    let lines: BTreeSet<&str> = many.body.as_str().unwrap().lines().collect();
    assert_eq!(lines.len(), 1201);
    let refused = api.get("/api/v1/visits?format=xml").await;
    assert_eq!(refused.body["errors"][0]["parameter"], "format");
    api.stop().await;
}
