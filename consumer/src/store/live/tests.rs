//! The guard of the live view on a real Redis: what a flush finds, and what somebody else does to it between the look and the
//! write, decides whether it stands.

use std::time::Duration;

use domain::fold::Fold;
use domain::live::{LiveKeys, LiveMap, LiveWrite};
use domain::movement::MovementFold;
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use sqlx::PgPool;
use stack::{KafkaSource, Stack, StackConfig};

use super::{LiveStore, flush};
use crate::engine::job::{Flush, Flushed, Generation};
use crate::store::ledger::Ledger;

const DONE: fn(u64) -> Flushed = |seq| Flushed::Done { seq, fields: 2 };

/// Partition 0 in stores of its own, and an eye on Redis.
struct Corner {
    store: LiveStore,
    epoch: i64,
    eye: MultiplexedConnection,
    keys: LiveKeys,
}

impl Corner {
    async fn new(stack: &Stack) -> Self {
        let scratch = stack.scratch(&[]).await.unwrap();
        let pool = PgPool::connect(&scratch.postgres_url).await.unwrap();
        sqlx::migrate!("../migrations").run(&pool).await.unwrap();
        let topic = MovementFold::TOPIC.to_owned();
        let ledger = Ledger {
            pool,
            topic: topic.clone(),
        };
        ledger.ensure::<MovementFold>(&[(0, 0)]).await.unwrap();
        let epoch = ledger.acquire(&[0]).await.unwrap()[0].epoch;
        let client = redis::Client::open(scratch.redis_url).unwrap();
        let mut eye = client.get_multiplexed_async_connection().await.unwrap();
        let () = redis::cmd("FLUSHDB").query_async(&mut eye).await.unwrap();
        Self {
            keys: LiveKeys::new(&topic, 0),
            store: LiveStore {
                client,
                topic,
                fold_version: MovementFold::VERSION,
                ledger,
            },
            epoch,
            eye,
        }
    }

    /// Two fields under a generation that was flushed `seq` times.
    fn values(&self, seq: u64) -> Flush {
        let write = |map| LiveWrite {
            map,
            field: b"field".to_vec(),
            value: Some(seq.to_string().into_bytes()),
        };
        Flush {
            partition: 0,
            epoch: self.epoch,
            generation: Generation {
                name: format!("{}-1", self.epoch),
                seq,
                fields: if seq == 0 { 0 } else { 2 },
            },
            opens: seq == 0,
            writes: vec![write(LiveMap::Panes), write(LiveMap::Visits)],
            next_offset: 100 + i64::try_from(seq).unwrap(),
            newest_received: None,
            watermark: None,
        }
    }

    async fn flush(&self, values: Flush) -> Flushed {
        let (connection, outcomes) = flush(self.store.clone(), None, vec![values]).await;
        assert!(connection.is_some(), "Redis is there");
        outcomes[0].1
    }

    fn map(&self, map: LiveMap) -> String {
        self.keys.map(&format!("{}-1", self.epoch), map)
    }

    /// What stands in the map of panes, and up to which offset the header says that it is.
    async fn shown(&mut self) -> (Option<String>, Option<i64>) {
        let panes = self.map(LiveMap::Panes);
        let value = self.eye.hget(panes, "field").await.unwrap();
        let offset = self.eye.hget(self.keys.header(), "off").await.unwrap();
        (value, offset)
    }
}

async fn stack(folder: &tempfile::TempDir) -> Stack {
    let config = StackConfig {
        kafka: KafkaSource::Mock,
        ..StackConfig::for_tests(folder.path())
    };
    Stack::start(config).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_stands_only_on_what_its_owner_left_there() {
    let folder = tempfile::tempdir().unwrap();
    let stack = stack(&folder).await;
    let mut corner = Corner::new(&stack).await;
    assert_eq!(corner.flush(corner.values(0)).await, DONE(1));
    assert_eq!(corner.flush(corner.values(1)).await, DONE(2));
    let second = (Some("1".to_owned()), Some(101));
    assert_eq!(corner.shown().await, second);

    // The flush before it is not there: an older copy of Redis was restored.
    assert_eq!(corner.flush(corner.values(3)).await, Flushed::Lost);
    assert_eq!(corner.shown().await, second);

    // A map is gone, the header is not: memory was short.
    let () = corner.eye.del(corner.map(LiveMap::Visits)).await.unwrap();
    assert_eq!(corner.flush(corner.values(2)).await, Flushed::Lost);
    assert_eq!(corner.shown().await, second);

    // Everything is gone: only a whole generation may be written, and by its owner.
    let () = redis::cmd("FLUSHDB")
        .query_async(&mut corner.eye)
        .await
        .unwrap();
    assert_eq!(corner.flush(corner.values(2)).await, Flushed::Lost);
    assert_eq!(corner.shown().await, (None, None));
    assert_eq!(corner.flush(corner.values(0)).await, DONE(1));
    drop(corner.store.ledger.acquire(&[0]).await.unwrap());
    assert_eq!(corner.flush(corner.values(0)).await, Flushed::Fenced);
    stack.stop().await;
}

/// What the next owner does while an owner of the past has looked at Redis and waits for the ledger.
async fn overtaken(corner: &mut Corner, meanwhile: impl AsyncFnOnce(&mut Corner)) -> Flushed {
    let mut locked = corner.store.ledger.pool.begin().await.unwrap();
    sqlx::query("lock table ledger in access exclusive mode")
        .execute(&mut *locked)
        .await
        .unwrap();
    let slow = flush(corner.store.clone(), None, vec![corner.values(0)]);
    let overtaking = async {
        let waits =
            "select count(*) > 0 from pg_locks where relation = 'ledger'::regclass and not granted";
        let asked = async || -> bool {
            let waits = sqlx::query_scalar(waits).fetch_one(&mut *locked);
            waits.await.unwrap()
        };
        wait_until(asked).await;
        meanwhile(corner).await;
        locked.commit().await.unwrap();
    };
    let ((_, outcomes), ()) = tokio::join!(slow, overtaking);
    outcomes[0].1
}

async fn wait_until(mut seen: impl AsyncFnMut() -> bool) {
    while !seen().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looked_before_somebody_else_wrote_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let stack = stack(&folder).await;
    let mut corner = Corner::new(&stack).await;
    assert_eq!(corner.flush(corner.values(0)).await, DONE(1));
    assert_eq!(
        overtaken(&mut corner, async |_| ()).await,
        DONE(1),
        "nobody wrote"
    );

    let next_owner = async |corner: &mut Corner| {
        let header = [("gen", "other-1"), ("seq", "7"), ("off", "900")];
        let header_key = corner.keys.header();
        let () = corner.eye.hset_multiple(header_key, &header).await.unwrap();
    };
    assert_eq!(overtaken(&mut corner, next_owner).await, Flushed::Lost);
    assert_eq!(corner.shown().await.1, Some(900));

    // A map that goes meanwhile would leave the header with a number of fields that are not there.
    let evicted = async |corner: &mut Corner| {
        let () = corner.eye.del(corner.map(LiveMap::Panes)).await.unwrap();
    };
    assert_eq!(overtaken(&mut corner, evicted).await, Flushed::Lost);
    assert_eq!(corner.shown().await, (None, Some(900)));
    stack.stop().await;
}
