//! The task that keeps the mirror equal to Redis.
//!
//! It subscribes first and reads then, so that no announcement falls in between: those that the reading contains already
//! are recognised by their number. Announcements can be lost (Redis promises nothing), so every two seconds the headers
//! are compared with what the mirror had to have by then; whatever is missing is read again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chassis::admin::Health;
use chassis::clock::Clock;
use domain::live::Frame;
use futures_util::StreamExt;
use prost::Message;
use redis::aio::MultiplexedConnection;
use redis::{Msg, RedisError};
use thiserror::Error;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::mirror::Mirror;
use super::partition::{Applied, Header};
use super::redis_read;
use crate::catalog::CatalogView;

/// How often the headers are compared.
const COMPARE_EVERY: Duration = Duration::from_secs(2);
/// How long Redis may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// Pauses between attempts to connect: doubled from the first to the last.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Why following ended.
#[derive(Debug, Error)]
enum Broken {
    #[error("redis does not answer")]
    Redis(#[from] RedisError),
    #[error("redis takes longer than {ANSWER_WITHIN:?}")]
    Slow,
    #[error("the subscription ended")]
    Ended,
}

/// Keeps a mirror equal to Redis.
#[derive(Debug)]
pub struct Follower {
    /// Where Redis is.
    pub client: redis::Client,
    /// The topic, with the deployment's prefix.
    pub topic: String,
    /// The copy.
    pub mirror: Arc<Mirror>,
    /// Which partitions there are.
    pub catalog: CatalogView,
    /// When announcements arrive.
    pub clock: Clock,
    /// Who wants to know how it goes.
    pub health: Health,
}

impl Follower {
    /// Follows until `shutdown`. While Redis is away the mirror keeps its values and is stale.
    pub async fn run(mut self, shutdown: CancellationToken) {
        self.health
            .set_ready("redis", false, "the live view has not been read yet");
        let mut pause = PAUSE_MIN;
        loop {
            let began = Instant::now();
            let broken = tokio::select! {
                () = shutdown.cancelled() => return,
                broken = self.follow() => broken,
            };
            self.mirror.set_connected(false);
            if began.elapsed() > PAUSE_MAX {
                pause = PAUSE_MIN;
                warn!(error = ?broken, "the live view is away, its values stay as they are: {broken}");
            } else {
                debug!(error = ?broken, "the live view is still away: {broken}");
            }
            self.health.beat("redis");
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Follows until something breaks.
    async fn follow(&mut self) -> Broken {
        match self.try_follow().await {
            Ok(()) => Broken::Ended,
            Err(broken) => broken,
        }
    }

    async fn try_follow(&mut self) -> Result<(), Broken> {
        let mut announcements = within(self.client.get_async_pubsub()).await?;
        // Topic names hold no character that means something in a pattern.
        let pattern = format!("fp:{{{}.*}}:live", self.topic);
        within(announcements.psubscribe(&pattern)).await?;
        let mut announcements = announcements.into_on_message();
        let mut connection = within(self.client.get_multiplexed_async_connection()).await?;
        let mut required = self.compare(&mut connection, BTreeMap::new()).await?;
        self.mirror.set_connected(true);
        self.health
            .set_ready("redis", true, "following the live view");
        info!(kafka.topic = %self.topic, "following the live view of {}", self.topic);
        let mut compare = interval(COMPARE_EVERY);
        compare.set_missed_tick_behavior(MissedTickBehavior::Delay);
        compare.reset();
        loop {
            // Every arm is cancel-safe: a stream's next, a tick, a watched value.
            tokio::select! {
                message = announcements.next() => {
                    let message = message.ok_or(Broken::Ended)?;
                    self.take_in(&mut connection, &message).await?;
                }
                _ = compare.tick() => {
                    required = self.compare(&mut connection, required).await?;
                    self.health.beat("redis");
                }
                () = self.catalog.changed() => self.expect(),
            }
        }
    }

    /// Applies an announcement, or reads the partition again when it does not follow what is there.
    async fn take_in(
        &self,
        connection: &mut MultiplexedConnection,
        message: &Msg,
    ) -> Result<(), Broken> {
        let Some(partition) = self.partition_of(message.get_channel_name()) else {
            return Ok(());
        };
        let frame = match Frame::decode(message.get_payload_bytes()) {
            Ok(frame) => frame,
            Err(cause) => {
                // Whatever it said is in Redis, and the next comparison finds it missing here.
                warn!(kafka.partition = partition, error = %cause, "an announcement of partition {partition} cannot be read");
                return Ok(());
            }
        };
        match self.mirror.apply(partition, &frame, self.clock.now()) {
            Applied::Known | Applied::Next => Ok(()),
            Applied::Gap => self.reread(connection, partition).await,
        }
    }

    fn partition_of(&self, channel: &str) -> Option<i32> {
        let rest = channel.strip_prefix("fp:{")?.strip_prefix(&self.topic)?;
        rest.strip_prefix('.')?.strip_suffix("}:live")?.parse().ok()
    }

    /// Compares the headers with the mirror and reads what differs. `required` is what the headers said the last time: by
    /// now the mirror must have come that far. Gives what they say now.
    async fn compare(
        &self,
        connection: &mut MultiplexedConnection,
        required: BTreeMap<i32, Header>,
    ) -> Result<BTreeMap<i32, Header>, Broken> {
        self.expect();
        let expected = self.mirror.expected();
        let found = within(redis_read::headers(connection, &self.topic, expected)).await?;
        let copies = self.mirror.headers();
        let mut next = BTreeMap::new();
        for (partition, header) in found {
            let Some(header) = header else {
                self.mirror.set_missing(partition);
                continue;
            };
            let is_behind = match copies.get(&partition) {
                None => true,
                Some(copy) if copy.generation != header.generation => true,
                Some(copy) => required.get(&partition).is_some_and(|required| {
                    required.generation == copy.generation && required.seq > copy.seq
                }),
            };
            if is_behind {
                self.reread(connection, partition).await?;
            }
            next.insert(partition, header);
        }
        Ok(next)
    }

    async fn reread(
        &self,
        connection: &mut MultiplexedConnection,
        partition: i32,
    ) -> Result<(), Broken> {
        let image = within(redis_read::image(connection, &self.topic, partition)).await?;
        match image {
            Some(image) => {
                debug!(
                    kafka.partition = partition,
                    "read partition {partition} of generation {}", image.header.generation
                );
                self.mirror.replace(partition, image, self.clock.now());
            }
            None => self.mirror.set_missing(partition),
        }
        Ok(())
    }

    /// Tells the mirror which partitions there are.
    fn expect(&self) {
        let Ok(catalog) = self.catalog.get() else {
            return;
        };
        let of_topic = catalog
            .partitions
            .iter()
            .filter(|row| row.topic == self.topic);
        self.mirror
            .expect(of_topic.map(|row| row.partition).collect());
    }
}

/// An answer of Redis, or that it took too long.
async fn within<T>(answer: impl Future<Output = Result<T, RedisError>>) -> Result<T, Broken> {
    match tokio::time::timeout(ANSWER_WITHIN, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Broken::Slow),
    }
}
