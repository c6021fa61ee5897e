//! A sensor that nobody registered publishes once: it says nothing about the time before, is missed for an hour, and holds
//! nothing up.

use domain::event::DeviceState;
use domain::time::Micros;
use serde_json::Value;

use crate::owner::Owner;
use crate::world::{Instance, World, at, seconds};

const REGISTERED: [&str; 3] = ["lib-1", "cafe-1", "gym-1"];

/// Lets time pass to `to` while the registered sensors send their heartbeats.
async fn live_until(world: &World, owner: &mut Owner, to: Micros) {
    let mut now = world.now();
    while now < to {
        now = now + seconds(30);
        for sensor in REGISTERED {
            owner.status(sensor, DeviceState::Heartbeat, now);
        }
        owner.tick(now);
    }
    world.clock.set(to);
    owner.flush().await;
    owner.checkpoint().await;
}

async fn coverage(api: &Instance, start: &str, end: &str) -> Vec<f64> {
    let path = format!("/api/v1/series?start={start}&end={end}&step=10m");
    let answer = api.ok(&path).await;
    let shares = answer["series"][0]["coverage"].as_array().unwrap().iter();
    shares.map(|share| share.as_f64().unwrap()).collect()
}

fn names(overview: &Value, list: &str) -> Vec<String> {
    let items = overview[list].as_array().unwrap().iter();
    items
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stray_publish_changes_no_time_before_it_and_is_forgotten_after_an_hour() {
    let world = World::new("2026-03-02T09:00:00Z").await;
    let mut owner = world.owner(0).await;
    live_until(&world, &mut owner, at("2026-03-02T10:00:00Z")).await;
    let stray_at = world.now() + seconds(5);
    owner.position("rv-x", ("t", "student"), stray_at, 0.0);
    live_until(&world, &mut owner, at("2026-03-02T10:30:00Z")).await;
    let api = world.api(&[]).await;
    api.caught_up(&owner).await;
    let (nine, ten) = ("2026-03-02T09:10:00Z", "2026-03-02T10:10:00Z");
    let missed = 0.75;
    let with_its_pane = 181.0 / 240.0;
    assert_eq!(
        coverage(&api, nine, ten).await,
        [1.0, 1.0, 1.0, 1.0, 1.0, with_its_pane]
    );
    assert_eq!(
        coverage(&api, ten, "2026-03-02T10:30:00Z").await,
        [missed; 2]
    );
    // For an hour it is missed, and what it may still bring is waited for.
    let overview = api.ok("/api/v1/overview").await;
    assert_eq!(names(&overview, "silent_sensors"), ["rv-x"]);
    assert!(names(&overview, "zones").contains(&"unassigned".to_owned()));
    assert_eq!(overview["watermark"], "2026-03-02T09:40:05+00:00");

    live_until(&world, &mut owner, at("2026-03-02T11:01:00Z")).await;
    api.caught_up(&owner).await;
    let overview = api.ok("/api/v1/overview").await;
    assert_eq!(names(&overview, "silent_sensors"), Vec::<String>::new());
    assert!(!names(&overview, "zones").contains(&"unassigned".to_owned()));
    assert_eq!(overview["watermark"], "2026-03-02T10:41:00+00:00");
    let series = api.ok("/api/v1/series?start=now-40m&step=10m").await;
    assert_eq!(series["watermark"], "2026-03-02T10:41:00+00:00");
    assert_eq!(series["series"][0]["state"][0], "final");
    // Who asks for it finds it.
    let asked = api.ok("/api/v1/overview?sensor=rv-x").await;
    assert_eq!(names(&asked, "silent_sensors"), ["rv-x"]);
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stray_that_returns_changes_nothing_that_was_answered() {
    let world = World::new("2026-03-02T05:00:00Z").await;
    let mut owner = world.owner(0).await;
    live_until(&world, &mut owner, at("2026-03-02T06:00:00Z")).await;
    owner.status("rv-y", DeviceState::Heartbeat, world.now());
    live_until(&world, &mut owner, at("2026-03-02T09:59:00Z")).await;
    let api = world.api(&[]).await;
    api.caught_up(&owner).await;
    let (five, nine) = ("2026-03-02T05:30:00Z", "2026-03-02T09:00:00Z");
    let before = coverage(&api, five, nine).await;
    assert_eq!(before[..3], [1.0; 3], "before its first sign");
    assert_eq!(before[4..9], [0.75; 5], "it is silent");
    assert_eq!(before[10..], [1.0; 11], "it is forgotten");
    owner.status("rv-y", DeviceState::Heartbeat, world.now());
    live_until(&world, &mut owner, at("2026-03-02T10:00:30Z")).await;
    api.caught_up(&owner).await;
    assert_eq!(coverage(&api, five, nine).await, before);
    api.stop().await;
}
