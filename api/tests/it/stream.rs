//! The websocket: what a client builds up from snapshots and changes is what REST answers.

use std::time::Duration;

use domain::time::Micros;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::owner::Owner;
use crate::socket::Socket;
use crate::world::{Instance, World, at, seconds};

/// The parts of an answer that a client keeps up.
fn kept(mut answer: Value) -> Value {
    answer.as_object_mut().unwrap().remove("stream");
    answer
}

/// A state without what is null: clients treat null and missing alike.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let some = members.iter().filter(|(_, value)| !value.is_null());
            some.map(|(name, value)| (name.clone(), without_nulls(value)))
                .collect()
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

/// The overview as the websocket shows it.
fn as_state(overview: &Value) -> Value {
    let mut state = overview.clone();
    let members = state.as_object_mut().unwrap();
    members.remove("stream");
    let by_id = |items: &Value, ordered: bool| -> Value {
        let items = items.as_array().unwrap().iter().enumerate();
        items
            .map(|(order, item)| {
                let mut item = item.clone();
                if ordered {
                    item["order"] = json!(order);
                }
                (item["id"].as_str().unwrap().to_owned(), item)
            })
            .collect()
    };
    members["zones"] = by_id(&overview["zones"], true);
    members["silent_sensors"] = by_id(&overview["silent_sensors"], false);
    without_nulls(&state)
}

fn query(params: &Value) -> String {
    let pairs = params.as_object().unwrap().iter();
    pairs
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap()))
        .collect::<Vec<_>>()
        .join("&")
}

/// One step of life: people walk, time passes, the consumer flushes.
async fn live(world: &World, owner: &mut Owner, step: i64) {
    let now = world.now();
    for n in 0..3 {
        let sensor = ["lib-1", "cafe-1", "gym-1"][usize::try_from((step + n) % 3).unwrap()];
        let kind = ["student", "staff"][usize::try_from(step % 2).unwrap()];
        let late = Micros(now.0 - (step % 4) * 7_000_000);
        owner.position(
            sensor,
            (&format!("t{}", (step * 3 + n) % 11), kind),
            late,
            1.1 * (step % 5) as f64,
        );
    }
    if step % 5 == 0 {
        owner.checkpoint().await;
    }
    owner.flush().await;
    world.pass(seconds(3 + step % 4));
}

async fn follow_to_the_end(socket: &mut Socket, api: &Instance, id: u64, params: &Value) {
    let path = format!("/api/v1/series?{}", query(params));
    let expected = kept(api.ok(&path).await);
    let same = |state: &Value| kept(state.clone()) == expected;
    socket.follow_until(id, &path, same).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_followed_becomes_what_rest_answers() {
    let world = World::new("2026-03-02T10:00:00Z").await;
    let mut owner = world.owner(0).await;
    live(&world, &mut owner, 0).await;
    let (first, second) = (world.api(&[]).await, world.api(&[]).await);
    let questions = [
        json!({"metric": "entries,exits,present,speed_avg,speed_max", "start": "2026-03-02T09:58:00Z", "end": "now", "step": "10s", "window": "60s"}),
        json!({"metric": "entries,speed_p95", "start": "2026-03-02T09:30:00Z", "step": "60s", "group_by": "sensor", "type": "student"}),
        json!({"metric": "present", "start": "2026-03-02T10:00:00Z", "end": "2026-03-02T10:02:00Z", "step": "30s", "mode": "bucket"}),
    ];
    let mut socket = Socket::open(&first).await;
    for (id, params) in (1..).zip(&questions) {
        socket.subscribe(id, "series", params.clone(), 20.0).await;
    }
    // The same questions, asked by REST at one instance and gone on from at the other.
    let mut other = Socket::open(&second).await;
    for (id, params) in (1..).zip(&questions) {
        let answer = first.ok(&format!("/api/v1/series?{}", query(params))).await;
        other.go_on(id, "series", params.clone(), answer).await;
    }
    other.subscribe(9, "overview", json!({}), 20.0).await;
    let overview = first.ok("/api/v1/overview").await;
    let mut state = as_state(&overview);
    state["stream"] = overview["stream"].clone();
    socket.go_on(9, "overview", json!({}), state).await;

    for step in 1..40 {
        live(&world, &mut owner, step).await;
        // A client that is slow gets fewer and larger changes.
        if step % 3 == 0 {
            socket.follow().await;
        }
    }
    first.caught_up(&owner).await;
    second.caught_up(&owner).await;
    for (id, params) in (1..).zip(&questions) {
        follow_to_the_end(&mut socket, &first, id, params).await;
        follow_to_the_end(&mut other, &second, id, params).await;
    }
    let expected = as_state(&first.ok("/api/v1/overview").await);
    let same = |state: &Value| {
        let mut state = without_nulls(state);
        let mut expected = expected.clone();
        for state in [&mut state, &mut expected] {
            let members = state.as_object_mut().unwrap();
            for restless in ["as_of", "lag_ms", "stream"] {
                members.remove(restless);
            }
        }
        state == expected
    };
    socket.follow_until(9, "overview", same).await;
    other.follow_until(9, "overview", same).await;
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_goes_on_after_a_while_without_a_connection() {
    let world = World::new("2026-03-02T10:00:00Z").await;
    let mut owner = world.owner(0).await;
    let api = world.api(&[]).await;
    let params = json!({"metric": "entries,present", "start": "today", "step": "10s"});
    for step in 0..20 {
        live(&world, &mut owner, step).await;
    }
    api.caught_up(&owner).await;
    let mut socket = Socket::open(&api).await;
    socket.subscribe(1, "series", params.clone(), 20.0).await;
    let left = socket.subscriptions.remove(&1).unwrap();
    drop(socket);
    for step in 20..60 {
        live(&world, &mut owner, step).await;
    }
    api.caught_up(&owner).await;
    let mut again = Socket::open(&api).await;
    let mut answer = left.state;
    answer["stream"] = json!({"epoch": left.epoch, "offset": left.position});
    again.go_on(1, "series", params.clone(), answer).await;
    follow_to_the_end(&mut again, &api, 1, &params).await;
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_that_cannot_be_gone_on_from_means_resync() {
    let world = World::new("2026-03-02T10:00:00Z").await;
    let mut owner = world.owner(0).await;
    let api = world.api(&[]).await;
    live(&world, &mut owner, 0).await;
    api.caught_up(&owner).await;
    let answer = api.ok("/api/v1/series").await;
    let (epoch, offset) = (
        &answer["stream"]["epoch"],
        answer["stream"]["offset"].as_u64().unwrap(),
    );
    let mut socket = Socket::open(&api).await;
    let mut reason = async |since: Value| {
        socket
            .say(json!({"t": "sub", "id": 1, "topic": "series", "since": since}))
            .await;
        socket.hear_of("resync").await["reason"].clone()
    };
    assert_eq!(
        reason(json!({"epoch": "another", "offset": offset})).await,
        "epoch"
    );
    assert_eq!(
        reason(json!({"epoch": epoch, "offset": offset + 1})).await,
        "expired",
        "in the middle of a change"
    );
    assert_eq!(
        reason(json!({"epoch": epoch, "offset": 0})).await,
        "expired"
    );
    // A sensor that was not there is a new epoch, also for those who are following.
    socket.subscribe(2, "series", json!({}), 20.0).await;
    owner.position("door-9", ("new", "student"), world.now(), 0.0);
    owner.flush().await;
    world.pass(seconds(1));
    let resync = socket.hear_of("resync").await;
    assert_eq!(
        (&resync["id"], &resync["reason"]),
        (&json!(2), &json!("epoch"))
    );
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_says_something_wrong_is_told_or_closed() {
    let world = World::new("2026-03-02T10:00:00Z").await;
    let api = world
        .api(&["--sockets-max", "2", "--socket-heartbeat", "1s"])
        .await;
    let mut socket = Socket::open(&api).await;
    let mut problem = async |message: Value| {
        socket.say(message).await;
        let error = socket.hear_of("error").await;
        (error["id"].clone(), error["problem"].clone())
    };
    let (id, refused) =
        problem(json!({"t": "sub", "id": 5, "topic": "series", "params": {"metric": "x"}})).await;
    assert_eq!(
        (id, &refused["errors"][0]["parameter"]),
        (json!(5), &json!("metric"))
    );
    let (id, refused) = problem(json!({"t": "sub", "id": 6, "topic": "lectures"})).await;
    assert_eq!((id, &refused["status"]), (json!(6), &json!(400)));
    let (_, refused) =
        problem(json!({"t": "sub", "id": 7, "topic": "overview", "rate_hz": 21})).await;
    assert_eq!(refused["errors"][0]["parameter"], "rate_hz");
    let (_, refused) = problem(json!({"t": "rate", "id": 8, "hz": 1})).await;
    assert_eq!(refused["status"], 404);
    let (_, refused) =
        problem(json!({"t": "sub", "id": 9, "topic": "overview", "params": {"x": "y"}})).await;
    assert_eq!(refused["errors"][0]["code"], "unknown_parameter");
    for id in 100..116 {
        socket.subscribe(id, "overview", json!({}), 1.0).await;
    }
    socket
        .say(json!({"t": "sub", "id": 116, "topic": "overview"}))
        .await;
    assert_eq!(socket.hear_of("error").await["problem"]["status"], 429);
    socket.say(json!({"t": "unsub", "id": 100})).await;
    assert_eq!(socket.hear_of("done").await["id"], 100);
    socket.say(json!({"t": "ping", "id": 3})).await;
    assert_eq!(socket.hear_of("pong").await["id"], 3);
    let beat = socket.hear_of("hb").await;
    assert_eq!(
        (&beat["lag_ms"], &beat["watermark"]),
        (&Value::Null, &Value::Null)
    );
    socket.say_text("hello").await;
    assert_eq!(closed(&mut socket).await, 4400);

    let mut stranger = Socket::open_as(&api, Some("https://evil.example.org")).await;
    assert_eq!(closed(&mut stranger).await, 4403);
    let _one = Socket::open(&api).await;
    let mut two = Socket::open(&api).await;
    let mut three = Socket::open_as(&api, None).await;
    assert_eq!(closed(&mut three).await, 4429);
    api.shutdown.cancel();
    assert_eq!(closed(&mut two).await, 1001);
    api.stop().await;
}

/// The code with which the server closes a socket.
async fn closed(socket: &mut Socket) -> u16 {
    loop {
        if let Err(code) = socket.hear().await {
            return code;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_sends_nothing_and_ends_with_one_change() {
    let world = World::new("2026-03-02T10:00:00Z").await;
    let mut owner = world.owner(0).await;
    let api = world.api(&[]).await;
    live(&world, &mut owner, 1).await;
    api.caught_up(&owner).await;
    let mut socket = Socket::open(&api).await;
    let params = json!({"metric": "entries", "start": "2026-03-02T09:59:00Z", "step": "10s"});
    socket.subscribe(1, "series", params.clone(), 20.0).await;
    socket.say(json!({"t": "rate", "id": 1, "hz": 0})).await;
    socket.say(json!({"t": "ping", "id": 1})).await;
    socket.hear_of("pong").await;
    for step in 2..12 {
        live(&world, &mut owner, step).await;
    }
    api.caught_up(&owner).await;
    sleep(Duration::from_millis(200)).await;
    assert!(
        timeout(Duration::from_millis(200), socket.hear())
            .await
            .is_err(),
        "a pause is quiet"
    );
    socket.say(json!({"t": "rate", "id": 1, "hz": 20})).await;
    assert_eq!(socket.follow().await, None);
    let expected = kept(api.ok(&format!("/api/v1/series?{}", query(&params))).await);
    assert_eq!(kept(socket.subscriptions[&1].state.clone()), expected);
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_is_over_is_followed_too() {
    let world = World::new("2026-03-02T10:05:00Z").await;
    let mut owner = world.owner(0).await;
    owner.position("lib-1", ("a", "student"), at("2026-03-02T10:04:00Z"), 0.0);
    owner.flush().await;
    let api = world.api(&[]).await;
    api.caught_up(&owner).await;
    let mut socket = Socket::open(&api).await;
    let params = json!({"metric": "entries", "start": "2026-03-02T10:00:00Z", "end": "2026-03-02T10:05:00Z", "step": "60s"});
    socket.subscribe(1, "series", params.clone(), 20.0).await;
    assert_eq!(
        socket.subscriptions[&1].state["series"][0]["entries"]["v"],
        json!([null, null, null, null, 1])
    );
    // Somebody's positions arrive late: the point that they belong to changes.
    owner.position("lib-1", ("b", "student"), at("2026-03-02T10:04:10Z"), 0.0);
    owner.flush().await;
    world.pass(seconds(1));
    let changed = |state: &Value| state["series"][0]["entries"]["v"][4] == 2;
    socket.follow_until(1, "the late one", changed).await;
    api.stop().await;
}
