//! Reading a partition from Redis as one consistent state.

use std::collections::BTreeMap;

use domain::live::{LiveKeys, LiveMap};
use domain::time::Micros;
use redis::aio::MultiplexedConnection;
use redis::{RedisResult, pipe};

use super::partition::{Header, Image};

/// How often a state is read again when a new generation began meanwhile.
const ATTEMPTS: usize = 5;

type HeaderFields = (Option<String>, Option<u64>, Option<i64>);
type Hash = Vec<(Vec<u8>, Vec<u8>)>;

/// The headers of `partitions` of `topic`; `None` where there is none.
pub(super) async fn headers(
    connection: &mut MultiplexedConnection,
    topic: &str,
    partitions: impl IntoIterator<Item = i32>,
) -> RedisResult<BTreeMap<i32, Option<Header>>> {
    let partitions: Vec<i32> = partitions.into_iter().collect();
    if partitions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut pipeline = pipe();
    for &partition in &partitions {
        add_header(&mut pipeline, &LiveKeys::new(topic, partition));
    }
    let fields: Vec<HeaderFields> = pipeline.query_async(connection).await?;
    Ok(partitions
        .into_iter()
        .zip(fields.into_iter().map(header))
        .collect())
}

/// A partition as it stands; `None` while it has no header.
pub(super) async fn image(
    connection: &mut MultiplexedConnection,
    topic: &str,
    partition: i32,
) -> RedisResult<Option<Image>> {
    let keys = LiveKeys::new(topic, partition);
    for _ in 0..ATTEMPTS {
        let mut pipeline = pipe();
        add_header(&mut pipeline, &keys);
        let (fields,): (HeaderFields,) = pipeline.query_async(connection).await?;
        let Some(expected) = header(fields) else {
            return Ok(None);
        };
        // One transaction: the header that comes with the hashes is the one that they belong to.
        let mut transaction = pipe();
        transaction.atomic();
        add_header(&mut transaction, &keys);
        transaction.hget(keys.header(), "recv");
        for map in [LiveMap::Panes, LiveMap::Sensors] {
            transaction.hgetall(keys.map(&expected.generation, map));
        }
        let (fields, received, panes, sensors): (HeaderFields, Option<i64>, Hash, Hash) =
            transaction.query_async(connection).await?;
        match header(fields) {
            Some(header) if header.generation == expected.generation => {
                return Ok(Some(Image {
                    header,
                    newest_received: received.map(Micros),
                    panes,
                    sensors,
                }));
            }
            _ => {}
        }
    }
    Ok(None)
}

fn add_header(pipeline: &mut redis::Pipeline, keys: &LiveKeys) {
    pipeline
        .cmd("HMGET")
        .arg(keys.header())
        .arg(&["gen", "seq", "off"]);
}

fn header((generation, seq, next_offset): HeaderFields) -> Option<Header> {
    Some(Header {
        generation: generation?,
        seq: seq?,
        next_offset: next_offset?,
    })
}

#[cfg(test)]
mod tests;
