//! What was final and was changed by a late event says so, to those who follow, who come back, and who come later.

use domain::event::DeviceState;
use domain::time::Micros;
use serde_json::{Value, json};

use crate::owner::Owner;
use crate::socket::Socket;
use crate::world::{Instance, World, at, seconds};

const HALF_HOUR: &str =
    "/api/v1/series?sensor=lib-1&start=2026-03-02T08:00:00Z&end=2026-03-02T08:30:00Z&step=10m";

/// A sensor that sends its heartbeat every 30 s until half past nine, without those for which `is_silent`.
async fn morning(world: &World, owner: &mut Owner, is_silent: impl Fn(Micros) -> bool) {
    let mut now = at("2026-03-02T07:50:00Z");
    while now < at("2026-03-02T09:30:00Z") {
        now = now + seconds(30);
        if !is_silent(now) {
            owner.status("lib-1", DeviceState::Heartbeat, now);
        }
        owner.tick(now);
    }
    world.clock.set(now);
    owner.checkpoint().await;
    owner.flush().await;
}

/// Folds what came late.
async fn amend(world: &World, owner: &mut Owner, api: &Instance) {
    owner.amending_tick(world.now() + seconds(10)).await;
    owner.flush().await;
    api.caught_up(owner).await;
}

fn points(series: &Value, name: &str) -> Value {
    series["series"][0][name].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_is_told_what_was_revised_meanwhile() {
    let world = World::new("2026-03-02T09:30:00Z").await;
    let mut owner = world.owner(0).await;
    morning(&world, &mut owner, |_| false).await;
    let api = world.api(&[]).await;
    api.caught_up(&owner).await;
    world.pass(seconds(60));
    let params = json!({
        "metric": "entries", "sensor": "lib-1", "start": "2026-03-02T08:00:00Z", "end": "2026-03-02T08:30:00Z",
        "step": "10m"
    });
    let before = api.ok(HALF_HOUR).await;
    assert_eq!(points(&before, "state"), json!(["final", "final", "final"]));
    world.pass(seconds(60));
    let mut socket = Socket::open(&api).await;
    socket
        .go_on(1, "series", params.clone(), before.clone())
        .await;
    let change = socket.hear_of("delta").await;
    assert_eq!(
        change["d"]["replace"].as_array().map_or(0, Vec::len),
        0,
        "what is final is not sent again: {change}"
    );

    owner.position(
        "lib-1",
        ("late", "student"),
        at("2026-03-02T08:15:00Z"),
        0.0,
    );
    amend(&world, &mut owner, &api).await;
    world.pass(seconds(60));
    let mut socket = Socket::open(&api).await;
    socket.go_on(2, "series", params, before).await;
    let is_told = |state: &Value| {
        state["series"][0]["entries"]["v"][1] == 1 && state["series"][0]["state"][1] == "revised"
    };
    socket.follow_until(2, "the revision", is_told).await;
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn coverage_that_a_late_event_changed_is_revised() {
    let world = World::new("2026-03-02T09:30:00Z").await;
    let mut owner = world.owner(0).await;
    let hole = at("2026-03-02T08:10:10Z")..at("2026-03-02T08:20:00Z");
    morning(&world, &mut owner, |now| hole.contains(&now)).await;
    let api = world.api(&[]).await;
    api.caught_up(&owner).await;
    let mut socket = Socket::open(&api).await;
    let params = json!({
        "metric": "entries", "sensor": "lib-1", "start": "2026-03-02T08:00:00Z", "end": "2026-03-02T08:30:00Z",
        "step": "10m"
    });
    socket.subscribe(1, "series", params, 20.0).await;
    let before = api.ok(HALF_HOUR).await;
    assert!(points(&before, "coverage")[1].as_f64().unwrap() < 0.1);
    assert_eq!(points(&before, "state"), json!(["final", "final", "final"]));

    // It was there, and had no radio.
    let mut beat = hole.start;
    while beat < hole.end {
        owner.status("lib-1", DeviceState::Heartbeat, beat);
        beat = beat + seconds(10);
    }
    amend(&world, &mut owner, &api).await;
    world.pass(seconds(60));
    let is_told = |state: &Value| {
        points(state, "coverage")[1] == 1.0
            && points(state, "state") == json!(["final", "revised", "final"])
    };
    socket.follow_until(1, "the revision", is_told).await;
    // Who comes later, and finds it in the database only, is told the same.
    let mut redis = world
        .redis
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    let later = world.api(&[]).await;
    redis::cmd("FLUSHDB")
        .query_async::<()>(&mut redis)
        .await
        .unwrap();
    let without_live = world.api_blind(&[]).await;
    crate::world::until("the catalog is read", || async {
        without_live.app.moment().is_ok()
    })
    .await;
    for api in [&later, &without_live] {
        assert!(is_told(&api.ok(HALF_HOUR).await));
    }
    for api in [api, later, without_live] {
        api.stop().await;
    }
}
