//! A reader on a real Redis, while generations take each other's place between its look at the header and its reading.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::sleep;

use super::*;

const TOPIC: &str = "read-while-written";
const MAPS: [LiveMap; 2] = [LiveMap::Panes, LiveMap::Sensors];

#[tokio::test]
async fn what_is_read_belongs_to_the_header_that_comes_with_it() {
    let stack = stack::shared::stack().await.unwrap();
    let scratch = stack.scratch(&[]).await.unwrap();
    let client = redis::Client::open(scratch.redis_url.as_str()).unwrap();
    let connect = async || client.get_multiplexed_async_connection().await.unwrap();
    let (mut reader, mut writer) = (connect().await, connect().await);
    let writes = async {
        for number in 0.. {
            begin(&mut writer, number).await;
            sleep(Duration::from_millis(1)).await;
        }
    };
    let reads = async {
        let mut generations = BTreeSet::new();
        for _ in 0..2_000 {
            let Some(image) = image(&mut reader, TOPIC, 0).await.unwrap() else {
                continue;
            };
            let generation = image.header.generation;
            let value = vec![(b"field".to_vec(), generation.clone().into_bytes())];
            assert_eq!((&image.panes, &image.sensors), (&value, &value));
            generations.insert(generation);
        }
        assert!(generations.len() > 10, "{} seen", generations.len());
    };
    tokio::select! {
        () = writes => {}
        () = reads => {}
    }
}

/// A generation takes the place of the one before; its values name it.
async fn begin(connection: &mut MultiplexedConnection, number: u64) {
    let keys = LiveKeys::new(TOPIC, 0);
    let (old, new) = (
        format!("g{}", number.saturating_sub(1)),
        format!("g{number}"),
    );
    let mut transaction = pipe();
    transaction.atomic();
    for map in MAPS {
        transaction.del(keys.map(&old, map));
        transaction.hset(keys.map(&new, map), "field", &new);
    }
    let header = [("gen", new.as_str()), ("seq", "0"), ("off", "7")];
    transaction.hset_multiple(keys.header(), &header);
    let () = transaction.query_async(connection).await.unwrap();
}
