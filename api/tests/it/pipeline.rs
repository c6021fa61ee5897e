//! What `/pipeline` says about accounts, canaries and partitions that stand still.

use serde_json::{Value, json};

use crate::world::{World, at, seconds};

async fn run(world: &World, statement: &'static str) {
    sqlx::query(statement)
        .bind(&world.topic)
        .execute(&world.pool)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_stops_are_those_of_the_ledger() {
    let world = World::new("2026-03-02T10:00:00Z").await;
    let (_first, _second) = (world.owner(0).await, world.owner(1).await);
    run(
        &world,
        "update ledger
         set next_offset = 120, began_offset = 100, applied = 9, duplicate = 3, late = 1, marker = 4, dead_letter = 2,
             log_end_offset = 150, reported_at = '2026-03-02T09:59:58Z',
             counted_epoch = case partition when 0 then epoch else epoch - 1 end
         where topic = $1",
    )
    .await;
    run(
        &world,
        "update ledger
         set stopped_reason = 'log_truncated', stopped_why = 'a sentence', stopped_at = '2026-03-02T09:00:00Z'
         where topic = $1 and partition = 1",
    )
    .await;
    let api = world.api(&[]).await;
    let pipeline = api.ok("/api/v1/pipeline").await;
    let of = |partition: usize, name: &str| pipeline["partitions"][partition][name].clone();
    assert_eq!(
        (of(0, "lag"), of(0, "unaccounted"), of(0, "stopped")),
        (json!(30), json!(1), Value::Null)
    );
    assert_eq!(of(0, "reported"), "2026-03-02T09:59:58+00:00");
    let counts = json!({
        "began_offset": 100, "applied": 9, "duplicate": 3, "late": 1, "ignored": 0, "marker": 4, "dead_letter": 2,
        "skipped": 0
    });
    assert_eq!(of(0, "counts"), counts);
    assert_eq!(
        of(1, "unaccounted"),
        Value::Null,
        "its owner does not count"
    );
    let stopped = json!({
        "reason": "log_truncated", "why": "a sentence", "since": "2026-03-02T09:00:00+00:00"
    });
    assert_eq!(of(1, "stopped"), stopped);
    // Nobody tells any more how far it is: what was told last is no figure of today.
    for (seconds_ago, lag, unaccounted) in
        [(10, json!(30), json!(1)), (11, Value::Null, Value::Null)]
    {
        world
            .clock
            .set(at("2026-03-02T09:59:58Z") + seconds(seconds_ago));
        let told = api.ok("/api/v1/pipeline").await["partitions"][0].clone();
        assert_eq!(
            (&told["lag"], &told["unaccounted"], &told["log_end_offset"]),
            (&lag, &unaccounted, &json!(150)),
            "after {seconds_ago} s"
        );
    }
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_is_as_far_as_its_slowest_partition() {
    let world = World::new("2026-03-02T10:00:00Z").await;
    let _owner = world.owner(0).await;
    run(
        &world,
        "insert into canary values
             ($1, 0, 'lives', 20, now(), 0, 1), ($1, 1, 'lives', 17, '2026-03-02T09:59:50Z', 0, 0),
             ($1, 0, 'lost', 9, '2026-03-01T10:00:00Z', 2, 0), ($1, 0, 'ended', 9, '2026-03-01T10:00:00Z', 0, 0)",
    )
    .await;
    run(
        &world,
        "insert into dead_letter (topic, partition, record_offset, reason, detail, payload, received_at, replayed_at)
         select $1, 0, n, 'bad_json', '', '', now(), case when n = 1 then now() end from generate_series(1, 4) as n",
    )
    .await;
    let api = world.api(&[]).await;
    let pipeline = api.ok("/api/v1/pipeline").await;
    let canary = |gateway: &str,
                  partitions: i64,
                  (sequence, age): (i64, i64),
                  (gaps, repeats): (i64, i64)| {
        json!({
            "gateway": gateway, "topic": world.topic, "partitions": partitions, "last_sequence": sequence,
            "age_ms": age, "gaps": gaps, "repeats": repeats
        })
    };
    let expected = json!([
        canary("lives", 2, (17, 10_000), (0, 1)),
        canary("lost", 1, (9, 86_400_000), (2, 0))
    ]);
    assert_eq!(pipeline["canaries"], expected);
    assert_eq!(
        (&pipeline["dead_letters"], &pipeline["dead_letters_more"]),
        (&json!(3), &json!(false))
    );
    world.pass(seconds(5));
    let later = api.ok("/api/v1/pipeline").await;
    assert_eq!(later["canaries"][0]["age_ms"], 15_000);
    api.stop().await;
}
