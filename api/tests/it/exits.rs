//! Who has left is known once nobody can be seen again who was there.

use domain::event::DeviceState;
use serde_json::json;

use crate::world::{World, at, seconds};

#[tokio::test(flavor = "multi_thread")]
async fn exits_are_not_told_before_they_are_known() {
    let start = at("2026-03-02T10:00:00Z");
    let world = World::new("2026-03-02T10:00:00Z").await;
    let mut owner = world.owner(0).await;
    let api = world.api(&[]).await;
    // Three people who stay for four minutes, each seen every twenty seconds.
    for second in (0..=240).step_by(20) {
        for who in ["a", "b", "c"] {
            owner.position("lib-1", (who, "student"), start + seconds(second), 0.0);
        }
    }
    let path = "/api/v1/series?metric=exits,present&start=2026-03-02T10:00:00Z&end=now&step=60s";
    let exits = async |more: &str| {
        let answer = api.ok(&format!("{path}{more}")).await;
        let series = &answer["series"][0];
        (series["exits"]["v"].clone(), series["state"].clone())
    };
    world.pass(seconds(245));
    owner.flush().await;
    api.caught_up(&owner).await;
    let expected = json!([0, 0, 0, null, null]);
    for fill in ["", "&fill=zero"] {
        let (found, state) = exits(fill).await;
        assert_eq!(found, expected, "{fill}");
        assert_eq!(state[2], "provisional");
        assert_eq!([&state[3], &state[4]], ["live", "live"]);
    }
    let csv = api.get(&format!("{path}&format=csv")).await.body;
    let last = csv.as_str().unwrap().lines().last().unwrap().to_owned();
    assert!(last.contains(",all,all,,3,"), "{last}");
    // The sensor lives on, and they are not seen again.
    world.pass(seconds(90));
    owner.status("lib-1", DeviceState::Heartbeat, world.now());
    owner.flush().await;
    api.caught_up(&owner).await;
    assert_eq!(exits("").await.0, json!([0, 0, 0, 0, 3, null]));
    api.stop().await;
}
