//! What Kafka's client says about the records it was given.

use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use chassis::lifeline::Lifeline;
use metrics::Counter;
use rdkafka::Message as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::OwnedMessage;
use rdkafka::producer::{DeliveryResult, NoCustomPartitioner, ProducerContext};
use rdkafka::{ClientContext, Statistics};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::metrics::Metrics;
use crate::window::Slot;

/// A record that its client gave back undelivered, and the publish that waits for it.
pub(crate) type Salvaged = (OwnedMessage, Arc<Slot>);

/// The counters of what Kafka has confirmed, so that no label is looked up for a record. Reports come in runs of one
/// partition, and a gateway writes to two topics.
#[derive(Default)]
struct Acked(Vec<(String, Vec<Option<Counter>>)>);

impl Acked {
    fn count(&mut self, topic: &str, partition: i32) {
        let Ok(position) = usize::try_from(partition) else {
            return;
        };
        let known = self.0.iter().position(|(name, _)| name == topic);
        let known = known.unwrap_or_else(|| {
            self.0.push((topic.to_owned(), Vec::new()));
            self.0.len() - 1
        });
        let counters = &mut self.0[known].1;
        if counters.len() <= position {
            counters.resize(position + 1, None);
        }
        counters[position]
            .get_or_insert_with(|| Metrics::acked(topic, partition))
            .increment(1);
    }
}

/// What librdkafka calls back.
pub(crate) struct DeliveryContext {
    metrics: Arc<Metrics>,
    /// Cancelled when a record was refused because the producer is broken.
    failed: CancellationToken,
    lifeline: Lifeline,
    confirmed: AtomicU64,
    acked: Mutex<Acked>,
    /// The records that were not delivered, once the client is being left for another one.
    salvage: Mutex<Option<Vec<Salvaged>>>,
}

impl DeliveryContext {
    pub(crate) fn new(metrics: Arc<Metrics>, failed: CancellationToken) -> Self {
        Self {
            metrics,
            failed,
            lifeline: Lifeline::default(),
            confirmed: AtomicU64::new(0),
            acked: Mutex::default(),
            salvage: Mutex::new(None),
        }
    }

    /// Whether the client will not find Kafka again by itself.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.lifeline.is_cut()
    }

    /// How many records Kafka has confirmed to this client.
    pub(crate) fn confirmed(&self) -> u64 {
        self.confirmed.load(Ordering::Relaxed)
    }

    /// From now on, what is not delivered is kept for [`Self::salvaged`].
    pub(crate) fn leave(&self) {
        self.salvage().get_or_insert_default();
    }

    /// Takes what was not delivered since [`Self::leave`].
    pub(crate) fn salvaged(&self) -> Vec<Salvaged> {
        mem::take(self.salvage().get_or_insert_default())
    }

    fn salvage(&self) -> MutexGuard<'_, Option<Vec<Salvaged>>> {
        self.salvage.lock().expect("no holder of this lock panics")
    }

    /// Kafka refused a record for good.
    pub(crate) fn refuse(&self, cause: &KafkaError, slot: &Slot) {
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
            Ok(record) => {
                self.confirmed.fetch_add(1, Ordering::Relaxed);
                self.acked
                    .lock()
                    .expect("no holder of this lock panics")
                    .count(record.topic(), record.partition());
                slot.delivered();
            }
            Err((cause, record)) => match self.salvage().as_mut() {
                Some(salvaged) => salvaged.push((record.detach(), slot)),
                None => self.refuse(cause, &slot),
            },
        }
    }
}

impl ClientContext for DeliveryContext {
    fn stats(&self, statistics: Statistics) {
        self.lifeline.observe(&statistics);
    }

    fn error(&self, _: KafkaError, reason: &str) {
        // A broker that is away, mostly; librdkafka keeps trying, and readiness tells when nothing is confirmed.
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

impl fmt::Debug for DeliveryContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliveryContext").finish_non_exhaustive()
    }
}
