//! A sensor that nobody registered publishes once: it says nothing about the time before and after, and holds nothing up.

use domain::event::DeviceState;
use domain::time::Micros;
use serde_json::Value;

use crate::owner::Owner;
use crate::world::{Instance, World, at, seconds, until};

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
async fn a_stray_publish_changes_no_other_time_and_is_forgotten_after_an_hour() {
    let world = World::new("2026-03-02T09:00:00Z").await;
    let mut owner = world.owner(0).await;
    live_until(&world, &mut owner, at("2026-03-02T10:00:00Z")).await;
    let stray_at = world.now() + seconds(5);
    owner.position("rv-x", ("t", "student"), stray_at, 0.0);
    live_until(&world, &mut owner, at("2026-03-02T10:30:00Z")).await;
    let api = world.api(&[]).await;
    api.caught_up(&owner).await;
    let (nine, ten) = ("2026-03-02T09:10:00Z", "2026-03-02T10:10:00Z");
    assert_eq!(coverage(&api, nine, ten).await, [1.0; 6]);
    assert_eq!(coverage(&api, ten, "2026-03-02T10:30:00Z").await, [1.0; 2]);
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
async fn a_sensor_that_nobody_registered_counts_from_its_first_to_its_last_sign() {
    let world = World::new("2026-03-02T05:00:00Z").await;
    let mut owner = world.owner(0).await;
    live_until(&world, &mut owner, at("2026-03-02T06:00:00Z")).await;
    owner.status("rv-y", DeviceState::Heartbeat, world.now());
    live_until(&world, &mut owner, at("2026-03-02T10:00:00Z")).await;
    owner.status("rv-y", DeviceState::Heartbeat, world.now());
    live_until(&world, &mut owner, at("2026-03-02T10:30:00Z")).await;
    let api = world.api(&[]).await;
    api.caught_up(&owner).await;
    // The live view knows of its second sign only; the first is in Postgres.
    let first_is_known = || async {
        let moment = api.app.moment().unwrap();
        moment.catalog.first_signs.contains_key("rv-y")
    };
    until("the first sign is known", first_is_known).await;
    let hour = async |start, end| coverage(&api, start, end).await;
    assert_eq!(
        hour("2026-03-02T05:30:00Z", "2026-03-02T06:00:00Z").await,
        [1.0; 3]
    );
    assert_eq!(
        hour("2026-03-02T07:00:00Z", "2026-03-02T07:30:00Z").await,
        [0.75; 3],
        "it was there before and after, and silent"
    );
    assert_eq!(
        hour("2026-03-02T10:10:00Z", "2026-03-02T10:30:00Z").await,
        [1.0; 2]
    );
    api.stop().await;
}
