//! `/visits`: each visit once, whichever store has it.

use serde_json::{Value, json};

use crate::world::{Instance, World, at, seconds};

async fn all(api: &Instance, query: &str) -> Vec<Value> {
    let mut visits = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api.ok(&format!("/api/v1/visits?{query}{cursor}")).await;
        visits.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return visits,
        }
    }
}

fn briefly(visits: &[Value]) -> Value {
    let brief = |visit: &Value| {
        json!([
            visit["sensor"],
            visit["traveler_id"],
            visit["samples"],
            visit["state"]
        ])
    };
    visits.iter().map(brief).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_visit_is_listed_once_as_it_goes_on_closes_and_becomes_final() {
    let start = at("2026-03-02T10:00:00Z");
    let world = World::new("2026-03-02T10:00:00Z").await;
    let mut owner = world.owner(0).await;
    let api = world.api(&[]).await;
    for second in [0, 4, 8] {
        owner.position(
            "lib-1",
            ("ann", "student"),
            start + seconds(second),
            6.0 * second as f64 / 4.0,
        );
    }
    owner.position("lib-1", ("bob", "staff"), start, 0.0);
    owner.position("cafe-1", ("ann", "student"), start, 0.0);
    owner.flush().await;
    api.caught_up(&owner).await;
    world.pass(seconds(10));
    let query = "start=today&limit=2";
    let visits = all(&api, query).await;
    assert_eq!(
        briefly(&visits),
        json!([
            ["cafe-1", "ann", 1, "live"],
            ["lib-1", "ann", 3, "live"],
            ["lib-1", "bob", 1, "live"]
        ])
    );
    assert_eq!(
        visits[1],
        json!({
            "sensor": "lib-1", "traveler_id": "ann", "traveler_type": "student",
            "entered_at": "2026-03-02T10:00:00+00:00", "left_at": "2026-03-02T10:00:08+00:00", "samples": 3,
            "distance_m": 12.0, "speed_min": 1.5, "speed_max": 1.5, "speed_avg": 1.5, "state": "live",
        })
    );
    assert_eq!(
        visits[2]["speed_avg"],
        Value::Null,
        "one sample has no speed"
    );

    // They close. Whether Postgres has them or not makes no difference.
    owner.position("lib-1", ("cy", "student"), start + seconds(60), 0.0);
    owner.flush().await;
    api.caught_up(&owner).await;
    world.pass(seconds(60));
    let closed = json!([
        ["cafe-1", "ann", 1, "live"],
        ["lib-1", "ann", 3, "provisional"],
        ["lib-1", "bob", 1, "provisional"],
        ["lib-1", "cy", 1, "live"]
    ]);
    assert_eq!(briefly(&all(&api, query).await), closed);
    owner.checkpoint().await;
    for limit in [1, 2, 3, 4, 5] {
        let query = format!("start=today&limit={limit}");
        assert_eq!(briefly(&all(&api, &query).await), closed, "limit {limit}");
    }
    check_filters(&api).await;
    api.stop().await;
}

async fn check_filters(api: &Instance) {
    assert_eq!(
        briefly(&all(api, "sensor=lib-1&type=student").await),
        json!([
            ["lib-1", "ann", 3, "provisional"],
            ["lib-1", "cy", 1, "live"]
        ])
    );
    assert_eq!(
        briefly(&all(api, "zone=cafe").await),
        json!([["cafe-1", "ann", 1, "live"]])
    );
    assert_eq!(
        briefly(&all(api, "start=2026-03-02T10:00:00.000001Z").await),
        json!([["lib-1", "cy", 1, "live"]])
    );
    assert_eq!(
        all(api, "end=2026-03-02T10:00:00Z").await,
        Vec::<Value>::new()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn late_samples_join_visits_and_a_watermark_makes_them_final() {
    let start = at("2026-03-02T10:00:00Z");
    let world = World::new("2026-03-02T10:00:00Z").await;
    let mut owner = world.owner(0).await;
    let api = world.api(&[]).await;
    for (second, who) in [(0, "ann"), (0, "bob"), (60, "cy")] {
        owner.position("lib-1", (who, "staff"), start + seconds(second), 0.0);
    }
    owner.checkpoint().await;
    world.pass(seconds(70));
    // What was a row is gone, because the visit goes on.
    owner.position("lib-1", ("bob", "staff"), start + seconds(25), 1.0);
    owner.position("lib-1", ("bob", "staff"), start + seconds(50), 2.0);
    owner.flush().await;
    api.caught_up(&owner).await;
    assert_eq!(
        briefly(&all(&api, "type=staff").await),
        json!([
            ["lib-1", "ann", 1, "provisional"],
            ["lib-1", "bob", 3, "live"],
            ["lib-1", "cy", 1, "live"]
        ])
    );

    // Twenty minutes later nothing changes any more.
    owner.position("lib-1", ("dee", "student"), start + seconds(1400), 0.0);
    owner.flush().await;
    owner.checkpoint().await;
    api.caught_up(&owner).await;
    world.pass(seconds(1400));
    let final_visits = all(&api, "sensor=lib-1&end=2026-03-02T10:00:30Z").await;
    assert_eq!(
        briefly(&final_visits),
        json!([["lib-1", "ann", 1, "final"], ["lib-1", "bob", 3, "final"]])
    );
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_a_longer_visit_took_in_is_not_listed_beside_it() {
    let start = at("2026-03-02T10:00:00Z");
    let world = World::new("2026-03-02T10:02:00Z").await;
    let mut owner = world.owner(0).await;
    let api = world.api(&[]).await;
    owner.position("lib-1", ("bob", "staff"), start + seconds(20), 0.0);
    owner.position("lib-1", ("eve", "staff"), start + seconds(90), 0.0);
    owner.checkpoint().await;
    owner.flush().await;
    api.caught_up(&owner).await;
    assert_eq!(
        all(&api, "start=today").await.len(),
        2,
        "one row, and one that goes on"
    );
    // An earlier sample extends the visit to the front. Its row under the old key goes with the next checkpoint.
    owner.position("lib-1", ("bob", "staff"), start, 0.0);
    owner.flush().await;
    api.caught_up(&owner).await;
    assert_eq!(
        briefly(&all(&api, "type=staff").await),
        json!([
            ["lib-1", "bob", 2, "provisional"],
            ["lib-1", "eve", 1, "live"]
        ])
    );
    owner.checkpoint().await;
    assert_eq!(
        briefly(&all(&api, "type=staff").await),
        json!([
            ["lib-1", "bob", 2, "provisional"],
            ["lib-1", "eve", 1, "live"]
        ])
    );
    api.stop().await;
}
