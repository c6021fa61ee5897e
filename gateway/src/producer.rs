//! Kafka's side of the gateway: records out, delivery reports back.
//!
//! The producer never gives a record up by itself (`message.timeout.ms=0`): a device re-sends only when it reconnects, so a
//! record that was dropped here would leave its publish waiting for ever. What Kafka refuses for good ends the connection
//! it came from; what breaks the producer as a whole ends the process. Either way nothing was acknowledged. A client that
//! has lost Kafka's addresses ([`chassis::lifeline`]) is replaced, and its records go out through the next one.

use std::fmt::{self, Write as _};
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock, RwLockReadGuard};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use chassis::kafka::KafkaArgs;
use chassis::lifeline;
use domain::envelope::{HEADER_RECEIVED_AT, HEADER_TRACEPARENT};
use domain::time::Micros;
use domain::topic;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, PurgeConfig, ThreadedProducer};
use rdkafka::{ClientConfig, Message as _};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::delivery::{DeliveryContext, Salvaged};
use crate::metrics::Metrics;
use crate::window::Slot;

/// How often the client is asked whether it is broken for good.
const FAILURE_INTERVAL: Duration = Duration::from_secs(1);
const FAILURE_PAUSE: Duration = Duration::from_millis(100);
/// How long a client that is left may take to give its records back.
const SALVAGE_TIMEOUT: Duration = Duration::from_secs(5);
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(10);

/// Where a record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Movements,
    DeadLetters,
}

/// A record, ready to be produced.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) stream: Stream,
    pub(crate) partition: i32,
    pub(crate) key: String,
    pub(crate) value: Vec<u8>,
}

/// The records of one publish that Kafka has not taken yet, last one first.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) reversed: Vec<Record>,
    /// Copied for each record but the last, which takes them.
    pub(crate) headers: Option<OwnedHeaders>,
    pub(crate) slot: Arc<Slot>,
}

/// Why a batch was not taken as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendError {
    /// librdkafka has no room, or is being replaced. The rest of the batch can be sent again later.
    QueueFull,
    /// Kafka does not take such a record. Its connection was told.
    Refused,
}

/// How many partitions each topic has. Fixed for the life of a topic: keys depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Partitions {
    pub(crate) movements: i32,
    pub(crate) dead_letters: i32,
}

type Client = ThreadedProducer<DeliveryContext>;

/// See the module.
pub(crate) struct Producer {
    /// Written only by [`Self::renew`], so that no record goes to a client that was left.
    client: RwLock<Client>,
    /// The records of a client that was left have not gone out again yet: nothing may overtake them.
    is_renewing: AtomicBool,
    settings: ClientConfig,
    kafka: KafkaArgs,
    metrics: Arc<Metrics>,
    movements: String,
    dead_letters: String,
    failed: CancellationToken,
    /// Takes the records in place of Kafka.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) tray: Option<crate::fuzzing::Tray>,
}

/// An instant as the header `received_at` has it: RFC 3339.
pub(crate) fn timestamp(at: Micros) -> String {
    // Formatting into a string of the right size saves growing it four times, for every read of every connection.
    let mut text = String::with_capacity(32);
    write!(text, "{at}").expect("writing to a string never fails");
    text
}

/// The headers of the records of one publish.
pub(crate) fn headers(received_at: &str, traceparent: Option<&str>) -> OwnedHeaders {
    let count = 1 + usize::from(traceparent.is_some());
    let headers = OwnedHeaders::new_with_capacity(count).insert(Header {
        key: HEADER_RECEIVED_AT,
        value: Some(received_at),
    });
    match traceparent {
        None => headers,
        Some(context) => headers.insert(Header {
            key: HEADER_TRACEPARENT,
            value: Some(context),
        }),
    }
}

impl Producer {
    /// A producer; it connects by itself, now or whenever Kafka is there.
    pub(crate) fn new(config: &Config, metrics: Arc<Metrics>) -> anyhow::Result<Self> {
        let Config {
            kafka,
            produce,
            limit,
            ..
        } = config;
        let mut settings = kafka.producer("footfall-gateway", produce.linger);
        let kilobytes = u64::from(limit.inflight_bytes_max) / 1024 * 2;
        settings
            .set("compression.type", produce.compression.as_str())
            // The budget bounds what is in flight; librdkafka's own bounds lie beyond it.
            .set("queue.buffering.max.messages", "0")
            .set("queue.buffering.max.kbytes", kilobytes.to_string());
        Self::with_settings(&settings, kafka, metrics)
    }

    pub(crate) fn with_settings(
        settings: &ClientConfig,
        kafka: &KafkaArgs,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        let mut settings = settings.clone();
        lifeline::watch(&mut settings);
        let failed = CancellationToken::new();
        Ok(Self {
            client: RwLock::new(connect(&settings, &metrics, &failed)?),
            is_renewing: AtomicBool::new(false),
            settings,
            kafka: kafka.clone(),
            metrics,
            movements: kafka.topic(topic::SENSOR_MOVEMENTS),
            dead_letters: kafka.topic(topic::DEAD_LETTERS),
            failed,
            #[cfg(any(test, feature = "fuzzing"))]
            tray: None,
        })
    }

    fn client(&self) -> RwLockReadGuard<'_, Client> {
        self.client.read().expect("no holder of this lock panics")
    }

    /// Asks Kafka for the partitions; blocks. The error is a sentence.
    pub(crate) fn partitions(&self, timeout: Duration) -> Result<Partitions, String> {
        Ok(Partitions {
            movements: self.partitions_of(&self.movements, timeout)?,
            dead_letters: self.partitions_of(&self.dead_letters, timeout)?,
        })
    }

    fn partitions_of(&self, topic: &str, timeout: Duration) -> Result<i32, String> {
        let metadata = self
            .client()
            .client()
            .fetch_metadata(Some(topic), timeout)
            .map_err(|error| format!("Kafka does not answer: {error}"))?;
        let partitions = metadata
            .topics()
            .first()
            .map_or(0, |topic| topic.partitions().len());
        match i32::try_from(partitions) {
            Ok(0) | Err(_) => Err(format!("topic {topic} does not exist yet")),
            Ok(partitions) => Ok(partitions),
        }
    }

    /// Hands the records of `batch` to librdkafka, in order. What it did not take stays in `batch`.
    pub(crate) fn send(&self, batch: &mut Batch) -> Result<(), SendError> {
        #[cfg(any(test, feature = "fuzzing"))]
        if let Some(tray) = &self.tray {
            return tray.take(batch);
        }
        let client = self.client();
        if self.is_renewing.load(Ordering::Acquire) {
            return Err(SendError::QueueFull);
        }
        while let Some(record) = batch.reversed.last() {
            let is_last = batch.reversed.len() == 1;
            let headers = if is_last {
                batch.headers.take()
            } else {
                batch.headers.clone()
            };
            let mut message = BaseRecord::with_opaque_to(
                match record.stream {
                    Stream::Movements => self.movements.as_str(),
                    Stream::DeadLetters => self.dead_letters.as_str(),
                },
                Arc::clone(&batch.slot),
            )
            .partition(record.partition)
            .key(record.key.as_str())
            .payload(&record.value);
            message.headers = headers;
            match client.send(message) {
                Ok(()) => {
                    batch.reversed.pop();
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), message)) => {
                    if is_last {
                        batch.headers = message.headers;
                    }
                    return Err(SendError::QueueFull);
                }
                Err((cause, _)) => {
                    client.context().refuse(&cause, &batch.slot);
                    return Err(SendError::Refused);
                }
            }
        }
        Ok(())
    }

    /// Waits until Kafka has everything, at most `timeout`; lingering ends at once. Blocks.
    pub(crate) fn flush(&self, timeout: Duration) -> Result<(), KafkaError> {
        self.client().flush(timeout)
    }

    /// How many records librdkafka holds.
    pub(crate) fn queued(&self) -> i32 {
        self.client().in_flight_count()
    }

    /// How many records Kafka has confirmed since the client was made.
    pub(crate) fn confirmed(&self) -> u64 {
        self.client().context().confirmed()
    }

    /// Whether the client has lost Kafka's addresses, so that only [`Self::renew`] helps.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.client().context().is_cut_off()
    }

    /// Whether Kafka answers others; blocks for a moment.
    pub(crate) fn does_kafka_answer(&self) -> bool {
        lifeline::answers(&self.kafka, &self.movements)
    }

    /// Leaves the client for a new one, which takes over what the old one has not delivered; blocks.
    ///
    /// Kafka may have some of these records although it did not say so: they come twice, like any publish that is sent
    /// again, and are counted once. The publishes meanwhile wait, so that each device keeps its order.
    pub(crate) fn renew(&self) -> anyhow::Result<()> {
        let next = connect(&self.settings, &self.metrics, &self.failed)?;
        let left = {
            let mut client = self.client.write().expect("no holder of this lock panics");
            self.is_renewing.store(true, Ordering::Release);
            mem::replace(&mut *client, next)
        };
        left.context().leave();
        left.purge(PurgeConfig::default().queue().inflight());
        let emptied = left.flush(SALVAGE_TIMEOUT);
        let mut salvaged = left.context().salvaged();
        // What was on its way and what waited is given back by two threads of the client, in no order among them.
        salvaged.sort_by_key(|(_, slot)| slot.number());
        for salvaged in salvaged {
            self.send_again(salvaged);
        }
        self.is_renewing.store(false, Ordering::Release);
        emptied.context("the client that was left did not give all of its records back")
    }

    /// Sends a record as it was, however long it takes to find room.
    fn send_again(&self, (record, slot): Salvaged) {
        let mut message = BaseRecord::with_opaque_to(record.topic(), slot)
            .partition(record.partition())
            .key(record.key().unwrap_or_default())
            .payload(record.payload().unwrap_or_default());
        message.headers = record.headers().cloned();
        message.timestamp = record.timestamp().to_millis();
        loop {
            let client = self.client();
            match client.send(message) {
                Ok(()) => return,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), returned)) => {
                    message = returned;
                }
                Err((cause, message)) => {
                    return client.context().refuse(&cause, &message.delivery_opaque);
                }
            }
            drop(client);
            thread::sleep(QUEUE_FULL_PAUSE);
        }
    }

    /// Waits until the producer is broken for good, and says why.
    ///
    /// The client's error callback brings the cause without saying that it is fatal, so the client is asked: at once when
    /// a record was refused for that reason, and now and then for the case that there are no records.
    pub(crate) async fn failure(&self) -> String {
        loop {
            if let Some((code, reason)) = self.client().client().fatal_error() {
                return format!("{code}: {reason}");
            }
            // The answer may lag behind the refusal, so the pause is kept in either case.
            sleep(FAILURE_PAUSE).await;
            tokio::select! {
                () = self.failed.cancelled() => {}
                () = sleep(FAILURE_INTERVAL) => {}
            }
        }
    }
}

/// A client; it connects by itself, now or whenever Kafka is there.
fn connect(
    settings: &ClientConfig,
    metrics: &Arc<Metrics>,
    failed: &CancellationToken,
) -> anyhow::Result<Client> {
    let context = DeliveryContext::new(Arc::clone(metrics), failed.clone());
    ThreadedProducer::from_config_and_context(settings, context)
        .context("creating the Kafka producer")
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("movements", &self.movements)
            .field("dead_letters", &self.dead_letters)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "producer_tests.rs"]
mod tests;
