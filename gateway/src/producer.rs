//! Kafka's side of the gateway: records out, delivery reports back.
//!
//! The producer never gives a record up by itself (`message.timeout.ms=0`): a device re-sends only when it reconnects, so a
//! record that was dropped here would leave its publish waiting for ever. What Kafka refuses for good ends the connection
//! it came from; what breaks the producer as a whole ends the process. Either way nothing was acknowledged.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chassis::kafka::KafkaArgs;
use domain::envelope::{HEADER_RECEIVED_AT, HEADER_TRACEPARENT};
use domain::time::Micros;
use domain::topic;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, DeliveryResult, NoCustomPartitioner, Producer as _, ProducerContext,
    ThreadedProducer,
};
use rdkafka::{ClientConfig, ClientContext};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::config::Config;
use crate::metrics::Metrics;
use crate::window::Slot;

/// How often the client is asked whether it is broken for good.
const FAILURE_INTERVAL: Duration = Duration::from_secs(1);
const FAILURE_PAUSE: Duration = Duration::from_millis(100);

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
    /// librdkafka has no room. The rest of the batch can be sent again later.
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

/// See the module.
pub(crate) struct Producer {
    inner: ThreadedProducer<DeliveryContext>,
    movements: String,
    dead_letters: String,
    failed: CancellationToken,
}

/// What librdkafka calls back.
struct DeliveryContext {
    metrics: Arc<Metrics>,
    /// Cancelled when a record was refused because the producer is broken.
    failed: CancellationToken,
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
        let failed = CancellationToken::new();
        let context = DeliveryContext {
            metrics,
            failed: failed.clone(),
        };
        let inner = ThreadedProducer::from_config_and_context(settings, context)
            .context("creating the Kafka producer")?;
        Ok(Self {
            inner,
            movements: kafka.topic(topic::SENSOR_MOVEMENTS),
            dead_letters: kafka.topic(topic::DEAD_LETTERS),
            failed,
        })
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
            .inner
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
            match self.inner.send(message) {
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
                    self.inner.context().refuse(&cause, &batch.slot);
                    return Err(SendError::Refused);
                }
            }
        }
        Ok(())
    }

    /// Waits until Kafka has everything, at most `timeout`; lingering ends at once. Blocks.
    pub(crate) fn flush(&self, timeout: Duration) -> Result<(), KafkaError> {
        self.inner.flush(timeout)
    }

    /// How many records librdkafka holds.
    pub(crate) fn queued(&self) -> i32 {
        self.inner.in_flight_count()
    }

    /// Waits until the producer is broken for good, and says why.
    ///
    /// The client's error callback brings the cause without saying that it is fatal, so the client is asked: at once when
    /// a record was refused for that reason, and now and then for the case that there are no records.
    pub(crate) async fn failure(&self) -> String {
        loop {
            if let Some((code, reason)) = self.inner.client().fatal_error() {
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

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("movements", &self.movements)
            .field("dead_letters", &self.dead_letters)
            .finish_non_exhaustive()
    }
}

impl DeliveryContext {
    /// Kafka refused a record for good.
    fn refuse(&self, cause: &KafkaError, slot: &Slot) {
        let code = cause.rdkafka_error_code();
        let is_first = slot.refused();
        match code {
            // The producer is being dropped; whoever waited was told before.
            Some(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight) => return,
            Some(RDKafkaErrorCode::Fatal) => self.failed.cancel(),
            _ if is_first => error!(
                "Kafka refused a record ({cause}); its publish is not acknowledged and its connection ends, so the \
                 device sends it again: check that the topics exist, that this client may write, and message.max.bytes"
            ),
            _ => debug!("Kafka refused another record of that connection ({cause})"),
        }
        let code = code.map_or_else(|| "unknown".to_owned(), |code| format!("{code:?}"));
        self.metrics.delivery_failed(code);
    }
}

impl ProducerContext<NoCustomPartitioner> for DeliveryContext {
    type DeliveryOpaque = Arc<Slot>;

    fn delivery(&self, result: &DeliveryResult<'_>, slot: Arc<Slot>) {
        match result {
            Ok(_) => slot.delivered(),
            Err((cause, _)) => self.refuse(cause, &slot),
        }
    }
}

impl ClientContext for DeliveryContext {
    fn error(&self, _: KafkaError, reason: &str) {
        // A broker that is away, mostly; librdkafka keeps trying, and readiness tells.
        warn!("Kafka: {reason}");
    }

    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        use rdkafka::config::RDKafkaLogLevel as Level;
        match level {
            Level::Emerg | Level::Alert | Level::Critical => {
                error!("librdkafka {facility}: {message}");
            }
            Level::Error | Level::Warning => warn!("librdkafka {facility}: {message}"),
            Level::Notice | Level::Info => info!("librdkafka {facility}: {message}"),
            Level::Debug => debug!("librdkafka {facility}: {message}"),
        }
    }
}
