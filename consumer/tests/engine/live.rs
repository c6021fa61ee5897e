//! The live view comes back as one pass over the log gives it, whatever Redis lost.

use crate::corner::Corner;
use crate::crowd::crowd;

#[tokio::test(flavor = "multi_thread")]
async fn a_live_view_that_was_wiped_is_written_anew() {
    let mut corner = Corner::new().await;
    let running = corner.start_all(&[]);
    crowd(&mut corner, 0, 400);
    corner.settled(&[0, 1, 2]).await;
    corner.live_is_right().await;
    let client = redis::Client::open(corner.scratch.redis_url.as_str()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    // This database only: other tests share the server.
    redis::cmd("FLUSHDB")
        .query_async::<()>(&mut redis)
        .await
        .unwrap();
    crowd(&mut corner, 400, 800);
    corner.settled(&[0, 1, 2]).await;
    corner.live_is_right().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_that_redis_let_go_of_is_written_anew() {
    let mut corner = Corner::new().await;
    let running = corner.start_all(&[]);
    crowd(&mut corner, 0, 400);
    corner.settled(&[0, 1, 2]).await;
    corner.live_is_right().await;
    let client = redis::Client::open(corner.scratch.redis_url.as_str()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let maps: Vec<String> = redis::cmd("KEYS")
        .arg("fp:*:panes")
        .query_async(&mut redis)
        .await
        .unwrap();
    // The headers stay, as they do when Redis evicts under memory pressure.
    let deleted: usize = redis::cmd("DEL")
        .arg(&maps)
        .query_async(&mut redis)
        .await
        .unwrap();
    assert!(deleted > 0);
    crowd(&mut corner, 400, 800);
    corner.settled(&[0, 1, 2]).await;
    corner.live_is_right().await;
    running.stop().await;
}
