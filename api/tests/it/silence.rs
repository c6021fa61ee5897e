//! When a sensor is silent, every answer says so by the same rule.

use domain::event::DeviceState;

use crate::resources::zone;
use crate::world::{Instance, World, seconds};

/// What the page would say of a sensor that stands alone in its zone: whether it speaks, by each of its sources.
async fn says_it_speaks(api: &Instance, sensor: &str, zone_id: &str) -> [bool; 4] {
    let overview = api.ok("/api/v1/overview").await;
    let silent = overview["silent_sensors"].as_array().unwrap();
    let series = format!("/api/v1/series?sensor={sensor}&start=now-10s&step=10s");
    let series = api.ok(&series).await;
    let known = api.ok(&format!("/api/v1/sensors/{sensor}")).await;
    [
        zone(&overview, zone_id)["state"] != "no_data",
        !silent.iter().any(|silent| silent["id"] == sensor),
        known["state"] == "online",
        series["series"][0]["coverage"][0] != 0.0,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensor_that_died_is_silent_by_one_rule_and_never_counts_nobody() {
    let world = World::new("2026-03-02T10:00:00Z").await;
    let start = world.now();
    let mut owner = world.owner(3).await;
    let api = world.api(&[]).await;
    owner.tick(start);
    for n in 0..3 {
        owner.position("lib-1", (&format!("l{n}"), "student"), start, 0.0);
        owner.position("cafe-1", (&format!("c{n}"), "student"), start, 0.0);
    }
    for second in (10..=200).step_by(10) {
        world.clock.set(start + seconds(second));
        owner.tick(world.now());
        // The library is dead. The café is empty, and lives.
        if second % 30 == 0 {
            owner.status("cafe-1", DeviceState::Heartbeat, world.now());
        }
        owner.flush().await;
        api.caught_up(&owner).await;
        let what = format!("after {second} s");
        let speaks = second <= 60;
        assert_eq!(
            says_it_speaks(&api, "lib-1", "lib").await,
            [speaks; 4],
            "{what}"
        );
        assert_eq!(
            says_it_speaks(&api, "cafe-1", "cafe").await,
            [true; 4],
            "{what}"
        );
        let overview = api.ok("/api/v1/overview").await;
        let in_cafe = if second < 60 { 3 } else { 0 };
        assert_eq!(zone(&overview, "lib")["n"], 3, "{what}");
        assert_eq!(zone(&overview, "cafe")["n"], in_cafe, "{what}");
        let on_site = in_cafe + if speaks { 3 } else { 0 };
        assert_eq!(overview["on_site"], on_site, "{what}");
    }
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensor_with_a_slow_heartbeat_speaks_by_its_own_rhythm() {
    let world = World::new("2026-03-02T10:00:00Z").await;
    let start = world.now();
    let mut owner = world.owner(3).await;
    let api = world.api(&[]).await;
    // A heartbeat every five minutes for half an hour: after three silences the rhythm is known. Then it is dead.
    for second in (0..=2600).step_by(10) {
        world.clock.set(start + seconds(second));
        owner.tick(world.now());
        if second % 300 == 0 && second <= 1800 {
            owner.status("lib-1", DeviceState::Heartbeat, world.now());
        }
        owner.flush().await;
        if second % 100 != 50 || second < 900 {
            continue;
        }
        api.caught_up(&owner).await;
        let what = format!("after {second} s");
        // Silent for 580 s at most: twice 290.
        let speaks = second <= 1800 + 580;
        let says = says_it_speaks(&api, "lib-1", "lib").await;
        assert_eq!(says, [speaks; 4], "{what}");
    }
    let known = api.ok("/api/v1/sensors/lib-1").await;
    assert_eq!(known["silent_after_s"], 580);
    let series =
        "/api/v1/series?sensor=lib-1&start=2026-03-02T10:00:00Z&end=2026-03-02T10:40:00Z&step=5m";
    let series = api.ok(series).await;
    let panes: Vec<f64> = series["series"][0]["coverage"]
        .as_array()
        .unwrap()
        .iter()
        .map(|share| (share.as_f64().unwrap() * 30.0).round())
        .collect();
    // The first three silences show what is usual; the one that does not end is none.
    assert_eq!(panes, [1.0, 1.0, 1.0, 30.0, 30.0, 30.0, 1.0, 0.0]);
    api.stop().await;
}
