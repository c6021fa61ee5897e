//! Producing what letters became, and knowing of each letter whether Kafka has all of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use chassis::kafka::KafkaArgs;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};

/// How long Kafka may take to confirm a batch. A replay is asked for by a person, who can ask again.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(30);

/// How long to wait for room in the client's queue.
const PAUSE: Duration = Duration::from_millis(5);

/// A record and the letter that it comes from.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) letter: i64,
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Vec<u8>,
}

/// Sends records; blocking.
pub(super) struct Sender {
    producer: ThreadedProducer<Reports>,
    reports: Reports,
}

/// Letters of which Kafka refused a record, with the reason.
#[derive(Clone, Debug, Default)]
struct Reports(Arc<Mutex<BTreeMap<i64, String>>>);

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<i64>;

    fn delivery(&self, result: &DeliveryResult<'_>, letter: Box<i64>) {
        if let Err((error, _)) = result {
            let mut failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            failed.insert(*letter, error.to_string());
        }
    }
}

impl Sender {
    pub(super) fn new(kafka: &KafkaArgs) -> anyhow::Result<Self> {
        let reports = Reports::default();
        let mut config = kafka.producer("footfall-replay", Duration::from_millis(5));
        config.set(
            "message.timeout.ms",
            CONFIRMED_WITHIN.as_millis().to_string(),
        );
        let producer = config
            .create_with_context(reports.clone())
            .with_context(|| format!("connecting to Kafka at {}", kafka.kafka))?;
        Ok(Self { producer, reports })
    }

    /// Sends a batch and waits until Kafka has it; gives the letters of which it refused a record.
    pub(super) fn send(&self, records: &[Record]) -> anyhow::Result<BTreeMap<i64, String>> {
        for record in records {
            self.queue(record)?;
        }
        // A little longer than each record may take, so that every report is in.
        self.producer
            .flush(CONFIRMED_WITHIN + Duration::from_secs(5))
            .context("waiting for Kafka to confirm")?;
        let mut failed = self
            .reports
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut failed))
    }

    fn queue(&self, record: &Record) -> anyhow::Result<()> {
        loop {
            let mut sent = BaseRecord::with_opaque_to(&record.topic, Box::new(record.letter))
                .partition(record.partition)
                .payload(record.value.as_slice());
            if let Some(key) = &record.key {
                sent = sent.key(key.as_slice());
            }
            match self.producer.send(sent) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    std::thread::sleep(PAUSE);
                }
                Err((error, _)) => {
                    return Err(error).with_context(|| format!("producing to {}", record.topic));
                }
            }
        }
    }
}
