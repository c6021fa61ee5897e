//! Records that we write to Kafka ourselves: poison, and what comes again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Message};

/// How long Kafka may take to confirm what was queued.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// An idempotent producer that chooses no partition by itself. Blocking.
pub struct Writer {
    producer: BaseProducer<Deliveries>,
}

/// What Kafka said so far: where the newest record is, or what was refused.
#[derive(Debug, Default)]
struct Deliveries {
    newest: Mutex<Option<Result<i64, KafkaError>>>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*newest, Some(Err(_))) {
            return;
        }
        *newest = Some(match result {
            Ok(record) => Ok(record.offset()),
            Err((error, _)) => Err(error.clone()),
        });
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    /// For the Kafka behind `bootstrap`.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn new(bootstrap: &str) -> anyhow::Result<Self> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("enable.idempotence", "true")
            .create_with_context(Deliveries::default())
            .context("making a producer")?;
        Ok(Self { producer })
    }

    /// Queues a record without a key.
    ///
    /// # Errors
    /// When the client refuses it.
    pub fn queue(&self, topic: &str, partition: i32, value: &[u8]) -> anyhow::Result<()> {
        let mut record = BaseRecord::<(), [u8]>::to(topic)
            .partition(partition)
            .payload(value);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    self.producer.poll(POLL);
                    record = again;
                }
                Err((error, _)) => return Err(error).context("queueing a record"),
            }
        }
    }

    /// Waits until Kafka has everything; gives the offset of the last record.
    ///
    /// # Errors
    /// When Kafka refused one, or is not done in time.
    pub fn finish(&self) -> anyhow::Result<i64> {
        self.producer.flush(CONFIRMED_WITHIN)?;
        let context = self.producer.context();
        let newest = context
            .newest
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match &*newest {
            Some(Ok(offset)) => Ok(*offset),
            Some(Err(error)) => bail!("Kafka refused a record: {error}"),
            None => bail!("nothing was written"),
        }
    }
}
