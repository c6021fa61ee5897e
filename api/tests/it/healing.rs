//! What is lost is found again: announcements, generations, and whole servers.

use serde_json::{Value, json};
use stack::Stack;

use crate::owner::Owner;
use crate::socket::Socket;
use crate::world::{Instance, World, seconds, start, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_announcement_and_a_wiped_redis_heal_by_themselves() {
    let world = World::new("2026-03-02T10:00:00Z").await;
    let mut owner = world.owner(0).await;
    let api = world.api(&[]).await;
    owner.position("lib-1", ("a", "student"), world.now(), 0.0);
    owner.flush().await;
    api.caught_up(&owner).await;
    let present = || async {
        api.ok("/api/v1/overview").await["on_site"]
            .as_u64()
            .unwrap()
    };
    world.pass(seconds(1));

    owner.announces = false;
    owner.position("lib-1", ("b", "student"), world.now(), 0.0);
    owner.flush().await;
    assert_eq!(present().await, 1, "nobody was told");
    until("the comparison finds it", || async { present().await == 2 }).await;
    // The next announcement does not follow what was read before it was lost.
    owner.position("lib-1", ("c", "student"), world.now(), 0.0);
    owner.flush().await;
    owner.announces = true;
    owner.position("lib-1", ("d", "student"), world.now(), 0.0);
    owner.flush().await;
    until("the hole is seen", || async { present().await == 4 }).await;

    let mut redis = world
        .redis
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    redis::cmd("FLUSHDB")
        .query_async::<()>(&mut redis)
        .await
        .unwrap();
    let stale = || async { api.ok("/api/v1/overview").await["stale"] == json!(true) };
    until("it is noticed", stale).await;
    assert_eq!(present().await, 4, "what was known stays");
    owner.open_generation().await;
    owner.position("lib-1", ("e", "student"), world.now(), 0.0);
    owner.flush().await;
    until("the new generation is read", || async {
        !stale().await && present().await == 5
    })
    .await;

    // A partition that nobody knew of.
    let mut more = world.owner(1).await;
    more.position("cafe-1", ("f", "student"), world.now(), 0.0);
    more.flush().await;
    until("the new partition is found", || async {
        present().await == 6
    })
    .await;
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_sees_what_was_lost_on_the_way() {
    let world = World::new("2026-03-02T10:00:00Z").await;
    let mut owner = world.owner(0).await;
    let api = world.api(&[]).await;
    owner.position("lib-1", ("a", "student"), world.now(), 0.0);
    owner.flush().await;
    api.caught_up(&owner).await;
    let mut socket = Socket::open(&api).await;
    let params = json!({"metric": "entries", "start": "2026-03-02T09:59:50Z", "step": "10s"});
    socket.subscribe(1, "series", params, 20.0).await;
    owner.announces = false;
    owner.position("lib-1", ("b", "student"), world.now() + seconds(1), 0.0);
    owner.flush().await;
    // So far that the pane settles, becomes final and leaves before anybody hears of it.
    owner.position("lib-1", ("c", "student"), world.now() + seconds(1500), 0.0);
    owner.flush().await;
    owner.checkpoint().await;
    owner.flush().await;
    api.caught_up(&owner).await;
    world.pass(seconds(1501));
    let found = |state: &Value| {
        let item = &state["series"][0];
        item["entries"]["v"][1] == 2 && item["state"][1] == "final" && item["n"] == 152
    };
    socket.follow_until(1, "what was lost", found).await;
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_named_and_missed_no_longer_than_it_is_away() {
    let folder = std::env::temp_dir().join(format!("footfall-api-outage-{}", std::process::id()));
    let stack = start(&folder).await;
    let world = World::on(&stack, "2026-03-02T10:00:00Z").await;
    let mut owner = world.owner(0).await;
    let api = world.api(&[]).await;
    owner.position("lib-1", ("a", "student"), world.now(), 0.0);
    owner.flush().await;
    owner.checkpoint().await;
    api.caught_up(&owner).await;
    world.pass(seconds(1));

    without_postgres(&stack, &world, &api).await;
    without_redis(&stack, &world, &api, owner).await;
    api.stop().await;
    drop(world);
    stack.stop().await;
    std::fs::remove_dir_all(folder).unwrap();
}

/// Postgres stops and starts again.
async fn without_postgres(stack: &Stack, world: &World, api: &Instance) {
    let postgres = stack.server("postgres").unwrap();
    postgres.stop().await;
    for path in ["/api/v1/series", "/api/v1/visits"] {
        let reply = api.get(path).await;
        assert_eq!(reply.status, 503, "{path}: {}", reply.body);
        assert_eq!(
            (
                &reply.body["component"],
                reply.headers.contains_key("retry-after")
            ),
            (&json!("postgres"), true)
        );
    }
    let overview = api.ok("/api/v1/overview").await;
    assert_eq!(
        (&overview["on_site"], &overview["stale"]),
        (&json!(1), &json!(false)),
        "what is live needs no history"
    );
    assert_eq!(api.ok("/api/v1/site").await["name"], "Main campus");
    let blind = world.api_blind(&[]).await;
    assert_eq!(
        blind.get("/api/v1/site").await.body["component"],
        "postgres",
        "an instance starts without it"
    );
    postgres.start().await.unwrap();
    until("history is back", || async {
        api.get("/api/v1/series").await.status == 200
    })
    .await;
    until("the other instance found it", || async {
        blind.get("/api/v1/visits").await.status == 200
    })
    .await;
    blind.stop().await;
}

/// Redis stops and starts again, empty.
async fn without_redis(stack: &Stack, world: &World, api: &Instance, mut owner: Owner) {
    let redis = stack.server("redis").unwrap();
    redis.stop().await;
    let stale = |answer: Value| answer["stale"] == json!(true);
    until("it is noticed", || async {
        stale(api.ok("/api/v1/overview").await)
    })
    .await;
    assert_eq!(
        api.ok("/api/v1/overview").await["on_site"],
        1,
        "values stay"
    );
    assert!(stale(api.ok("/api/v1/series").await));
    assert!(stale(api.ok("/api/v1/visits").await));
    redis.start().await.unwrap();
    owner.reconnect(
        world
            .redis
            .get_multiplexed_async_connection()
            .await
            .unwrap(),
    );
    owner.open_generation().await;
    until("the live view is back", || async {
        !stale(api.ok("/api/v1/overview").await)
    })
    .await;
    owner.position("lib-1", ("b", "student"), world.now(), 0.0);
    owner.flush().await;
    world.pass(seconds(1));
    until("and moves", || async {
        api.ok("/api/v1/overview").await["on_site"] == json!(2)
    })
    .await;
    until("visits too", || async {
        let visits = api.ok("/api/v1/visits").await;
        !stale(visits.clone()) && visits["items"].as_array().unwrap().len() == 2
    })
    .await;
}
