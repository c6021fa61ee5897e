//! The live view in Redis: absolute values under a generation, guarded by the partition's header.
//!
//! `WATCH` the headers and maps, look at them, and write values, headers and announcements in one `MULTI`. If anybody else
//! wrote a header in between, or a map went, `EXEC` does nothing. Correctness never depends on this store: whatever is lost here is written
//! anew from memory.

use std::time::Duration;

use domain::live::{Frame, FrameWrite, LiveKeys, LiveMap};
use prost::Message;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Pipeline, RedisResult, cmd, from_redis_value};

use super::ledger::Ledger;
use crate::engine::job::{Flush, Flushed, Generation, Header, asks_ledger, judge_flush};

/// How long values of a generation stay when nobody writes them any more.
const TTL_SECONDS: i64 = 2 * 24 * 3600;
/// How long readers may still look at a generation that was replaced.
const REPLACED_TTL_SECONDS: i64 = 60;
/// Every so many flushes the time to live is renewed.
const RENEW_EVERY: u64 = 1000;
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// Writing everything anew is some megabytes.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Fields a command, so that Redis never works on one for long.
const FIELDS_A_COMMAND: usize = 1000;

/// The live view of one topic.
#[derive(Clone, Debug)]
pub(crate) struct LiveStore {
    pub(crate) client: redis::Client,
    pub(crate) topic: String,
    pub(crate) fold_version: i32,
    pub(crate) ledger: Ledger,
}

/// Writes flushes over `connection` (made when there is none); says of each partition what became of it. The connection
/// comes back unless it broke.
pub(crate) async fn flush(
    store: LiveStore,
    connection: Option<MultiplexedConnection>,
    flushes: Vec<Flush>,
) -> (Option<MultiplexedConnection>, Vec<(i32, Flushed)>) {
    let connected = match connection {
        Some(connection) => Ok(connection),
        None => store.connect().await,
    };
    let written = match connected {
        Ok(mut connection) => store
            .write(&mut connection, &flushes)
            .await
            .map(|outcomes| (connection, outcomes)),
        Err(error) => Err(error),
    };
    match written {
        Ok((connection, outcomes)) => (Some(connection), outcomes),
        Err(error) => {
            tracing::debug!(error = %error, "the live view is away: {error}");
            (
                None,
                flushes
                    .iter()
                    .map(|flush| (flush.partition, Flushed::Lost))
                    .collect(),
            )
        }
    }
}

impl LiveStore {
    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN));
        self.client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    async fn write(
        &self,
        connection: &mut MultiplexedConnection,
        flushes: &[Flush],
    ) -> RedisResult<Vec<(i32, Flushed)>> {
        let keys: Vec<_> = flushes
            .iter()
            .map(|flush| LiveKeys::new(&self.topic, flush.partition))
            .collect();
        let headers = read_headers(connection, &keys, flushes).await?;
        let owned = self.owned(flushes, &headers).await;
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        let mut judged = Vec::with_capacity(flushes.len());
        for (((flush, keys), header), owned) in flushes.iter().zip(&keys).zip(&headers).zip(owned) {
            let outcome = judge_flush(flush, header.as_ref(), owned);
            if outcome.is_none() {
                self.queue(&mut pipeline, keys, flush, header.as_ref());
            }
            judged.push((flush, outcome));
        }
        let mut fields = if judged.iter().all(|(_, outcome)| outcome.is_some()) {
            cmd("UNWATCH").query_async::<()>(connection).await?;
            Vec::new().into_iter()
        } else {
            let executed: Option<Vec<u64>> = pipeline.query_async(connection).await?;
            let Some(fields) = executed else {
                // Somebody wrote a header after we had looked, or a map is gone.
                return Ok(flushes
                    .iter()
                    .map(|flush| (flush.partition, Flushed::Lost))
                    .collect());
            };
            fields.into_iter()
        };
        let written = |flush: &Flush| Flushed::Done {
            seq: flush.generation.seq + 1,
            fields: fields.by_ref().take(LiveMap::ALL.len()).sum(),
        };
        Ok(outcomes(judged, written))
    }

    /// Whether the ledger says that we own each partition, where that has to be asked; `None` where it cannot be known.
    async fn owned(&self, flushes: &[Flush], headers: &[Option<Header>]) -> Vec<Option<bool>> {
        let ask: Vec<i32> = flushes
            .iter()
            .zip(headers)
            .filter(|(flush, header)| asks_ledger(flush, header.as_ref()))
            .map(|(flush, _)| flush.partition)
            .collect();
        if ask.is_empty() {
            return vec![None; flushes.len()];
        }
        let Ok(entries) = self.ledger.read(&ask).await else {
            return vec![None; flushes.len()];
        };
        flushes
            .iter()
            .map(|flush| {
                let (_, entry) = entries
                    .iter()
                    .find(|(partition, _)| *partition == flush.partition)?;
                Some(entry.epoch == flush.epoch)
            })
            .collect()
    }

    fn queue(
        &self,
        pipeline: &mut Pipeline,
        keys: &LiveKeys,
        flush: &Flush,
        header: Option<&Header>,
    ) {
        let generation = &flush.generation.name;
        for map in LiveMap::ALL {
            let key = keys.map(generation, map);
            let of_map = || flush.writes.iter().filter(move |write| write.map == map);
            let set: Vec<_> = of_map()
                .filter_map(|write| write.value.as_ref().map(|value| (&write.field, value)))
                .collect();
            for fields in set.chunks(FIELDS_A_COMMAND) {
                pipeline.hset_multiple(&key, fields).ignore();
            }
            let gone: Vec<_> = of_map()
                .filter(|write| write.value.is_none())
                .map(|write| &write.field)
                .collect();
            for fields in gone.chunks(FIELDS_A_COMMAND) {
                pipeline.hdel(&key, fields).ignore();
            }
            if flush.generation.seq.is_multiple_of(RENEW_EVERY) {
                pipeline.expire(&key, TTL_SECONDS).ignore();
            }
        }
        let seq = flush.generation.seq + 1;
        pipeline
            .cmd("HSET")
            .arg(keys.header())
            .arg(&[
                ("gen", generation.clone()),
                ("epoch", flush.epoch.to_string()),
            ])
            .arg(&[
                ("off", flush.next_offset.to_string()),
                ("seq", seq.to_string()),
            ])
            .arg(&[("fold", self.fold_version.to_string())])
            .ignore();
        if let Some(received) = flush.newest_received {
            pipeline
                .hset(keys.header(), "recv", received.0.to_string())
                .ignore();
        }
        if let Some(replaced) = header.filter(|header| header.generation.name != *generation) {
            for map in LiveMap::ALL {
                pipeline
                    .expire(
                        keys.map(&replaced.generation.name, map),
                        REPLACED_TTL_SECONDS,
                    )
                    .ignore();
            }
        }
        pipeline
            .publish(keys.channel(), frame(flush, seq).encode_to_vec())
            .ignore();
        for map in LiveMap::ALL {
            pipeline.hlen(keys.map(generation, map));
        }
    }
}

/// What became of each flush: judged, or written.
fn outcomes(
    judged: Vec<(&Flush, Option<Flushed>)>,
    mut written: impl FnMut(&Flush) -> Flushed,
) -> Vec<(i32, Flushed)> {
    judged
        .into_iter()
        .map(|(flush, outcome)| (flush.partition, outcome.unwrap_or_else(|| written(flush))))
        .collect()
}

/// Watches the headers and the maps that are to be written, and looks at them. A header says which generation counts; how
/// many fields the maps of ours hold is counted, because Redis may let go of one under memory pressure.
async fn read_headers(
    connection: &mut MultiplexedConnection,
    keys: &[LiveKeys],
    flushes: &[Flush],
) -> RedisResult<Vec<Option<Header>>> {
    type Fields = (Option<String>, Option<i64>, Option<u64>);
    let mut watch = cmd("WATCH");
    let mut counts = redis::pipe();
    for (keys, flush) in keys.iter().zip(flushes) {
        watch.arg(keys.header());
        for map in LiveMap::ALL {
            let map = keys.map(&flush.generation.name, map);
            watch.arg(&map);
            counts.hlen(map);
        }
    }
    let mut pipeline = redis::pipe();
    pipeline.add_command(watch).ignore();
    for keys in keys {
        pipeline
            .cmd("HMGET")
            .arg(keys.header())
            .arg(&["gen", "epoch", "seq"]);
    }
    for count in counts.cmd_iter() {
        pipeline.add_command(count.clone());
    }
    let mut found: Vec<redis::Value> = pipeline.query_async(connection).await?;
    let counts: Vec<u64> = from_redis_value(redis::Value::Array(found.split_off(keys.len())))?;
    let headers: Vec<Fields> = from_redis_value(redis::Value::Array(found))?;
    let header = |((name, epoch, seq), counts): (Fields, &[u64])| {
        let generation = Generation {
            name: name?,
            seq: seq?,
            fields: counts.iter().sum(),
        };
        Some(Header {
            epoch: epoch?,
            generation,
        })
    };
    let counts = counts.chunks(LiveMap::ALL.len());
    Ok(headers.into_iter().zip(counts).map(header).collect())
}

/// The announcement of a flush. A generation is announced empty: its readers read Redis.
fn frame(flush: &Flush, seq: u64) -> Frame {
    let announced = flush
        .writes
        .iter()
        .filter(|write| !flush.opens && write.map != LiveMap::Visits);
    Frame {
        generation: flush.generation.name.clone(),
        seq,
        next_offset: flush.next_offset,
        newest_received_us: flush.newest_received.map_or(0, |received| received.0),
        writes: announced
            .map(|write| FrameWrite {
                map: write.map.as_str().to_owned(),
                field: write.field.clone(),
                value: write.value.clone(),
            })
            .collect(),
        watermark_us: flush.watermark.map(|watermark| watermark.0),
    }
}

#[cfg(test)]
mod tests;
