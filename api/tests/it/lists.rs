//! Lists come page by page, and can be narrowed.

use serde_json::{Value, json};

use crate::resources::ids;
use crate::world::{World, seconds};

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_paged() {
    let world = World::new("2026-03-02T10:00:00Z").await;
    let mut owner = world.owner(0).await;
    owner.position("door-9", ("d0", "visitor"), world.now(), 0.0);
    owner.flush().await;
    let api = world.api(&[]).await;
    api.caught_up(&owner).await;
    let mut found = Vec::new();
    let mut path = "/api/v1/sensors?limit=2".to_owned();
    loop {
        let page = api.ok(&path).await;
        found.extend(ids(&page).into_iter().map(str::to_owned));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/v1/sensors?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(found, ["cafe-1", "door-9", "gym-1", "lib-1"]);
    let first = api.ok("/api/v1/zones?limit=1").await;
    assert_eq!(ids(&first), ["cafe"], "in the site's order");
    let rest = api
        .ok(&format!(
            "/api/v1/zones?cursor={}",
            first["next_cursor"].as_str().unwrap()
        ))
        .await;
    assert_eq!(ids(&rest), ["lib", "gym"]);
    assert_eq!(rest["items"][0]["sensors"], json!(["lib-1"]));
    assert_eq!(ids(&api.ok("/api/v1/traveler-types").await), ["visitor"]);
    let unregistered = api.ok("/api/v1/sensors/door-9").await;
    assert_eq!(
        (
            &unregistered["registered"],
            &unregistered["name"],
            &unregistered["zone"]
        ),
        (&json!(false), &json!("door-9"), &Value::Null)
    );
    let pipeline = api.ok("/api/v1/pipeline").await;
    assert_eq!(
        (
            &pipeline["partitions"][0]["next_offset"],
            &pipeline["partitions"][0]["live_offset"]
        ),
        (&json!(0), &json!(1))
    );
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_names_the_next_one_in_its_heading() {
    let world = World::new("2026-03-02T10:00:00Z").await;
    let mut owner = world.owner(0).await;
    for who in ["a", "b", "c"] {
        owner.position("lib-1", (who, "student"), world.now(), 0.0);
    }
    owner.flush().await;
    world.pass(seconds(5));
    let api = world.api(&[]).await;
    api.caught_up(&owner).await;
    for (path, pages) in [
        ("/api/v1/visits?limit=2&sensor=lib-1&start=today", 2),
        ("/api/v1/visits?limit=2&format=csv", 2),
        ("/api/v1/sensors?kind=movement&limit=1", 3),
        ("/api/v1/zones?limit=2", 2),
    ] {
        let mut found = 0;
        let mut next = Some(path.to_owned());
        while let Some(path) = next.take() {
            let reply = api.get(&path).await;
            assert_eq!(reply.status, 200, "{path}: {}", reply.body);
            found += 1;
            let link = reply.headers.get("link").map(|link| link.to_str().unwrap());
            next = link.map(|link| {
                let target = link.strip_suffix(">; rel=\"next\"").unwrap();
                target.strip_prefix('<').unwrap().to_owned()
            });
        }
        assert_eq!(found, pages, "{path}");
    }
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sensors_are_found_by_name_zone_kind_and_status() {
    let world = World::new("2026-03-02T10:00:00Z").await;
    let mut owner = world.owner(0).await;
    owner.position("gym-1", ("g", "student"), world.now(), 0.0);
    world.pass(seconds(100));
    owner.position("door-9", ("d", "student"), world.now(), 0.0);
    owner.flush().await;
    let api = world.api(&[]).await;
    api.caught_up(&owner).await;
    for (query, expected) in [
        ("q=DOOR", &["door-9", "lib-1"][..]),
        ("q=caf%C3%A9", &["cafe-1"]),
        ("zone=lib,gym", &["gym-1", "lib-1"]),
        ("zone=unassigned", &["door-9"]),
        ("kind=movement", &["cafe-1", "door-9", "gym-1", "lib-1"]),
        ("kind=rfid", &[]),
        ("status=online", &["door-9"]),
        ("status=late,unknown", &["cafe-1", "gym-1", "lib-1"]),
        ("status=unknown&q=lib&zone=lib", &["lib-1"]),
    ] {
        let page = api.ok(&format!("/api/v1/sensors?{query}")).await;
        assert_eq!(ids(&page), expected, "{query}");
    }
    api.stop().await;
}
