//! Filling a topic with records as the gateway writes them.

use std::ops::Range;
use std::time::Duration;

use anyhow::{Context, bail};
use domain::envelope::encode;
use domain::event::{Body, Event, Position, TimeSource};
use domain::event_key::EventKey;
use domain::time::{Micros, Span};
use domain::topic::{SENSOR_MOVEMENTS, partition_of};
use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::setting::kafka;
use crate::trace::{RunNames, Trace};

/// What to produce, and where.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) kafka: String,
    pub(crate) prefix: String,
    pub(crate) partitions: i32,
    pub(crate) trace: Trace,
    pub(crate) names: RunNames,
    pub(crate) start_at: Micros,
}

/// Large batches: the topic is filled as fast as it goes.
const LINGER: Duration = Duration::from_millis(50);
/// How long the last records may take to be written.
const FLUSH_WITHIN: Duration = Duration::from_secs(60);
/// How long after it happened an event was received.
const RECEIVED_AFTER: Span = Span(50_000);

/// Counts records that Kafka did not take.
#[derive(Clone, Debug, Default)]
struct Failures(Arc<AtomicU64>);

impl ClientContext for Failures {}

impl ProducerContext for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Order {
    pub(crate) fn topic(&self) -> String {
        format!("{}{SENSOR_MOVEMENTS}", self.prefix)
    }

    fn admin(&self) -> anyhow::Result<AdminClient<DefaultClientContext>> {
        Ok(kafka(&self.kafka, "").client("bench").create()?)
    }

    /// Makes the topic.
    pub(crate) async fn create_topic(&self) -> anyhow::Result<()> {
        let topic = self.topic();
        let new = NewTopic::new(&topic, self.partitions, TopicReplication::Fixed(1));
        let made = self
            .admin()?
            .create_topics([&new], &AdminOptions::new())
            .await?;
        for outcome in made {
            outcome.map_err(|(topic, code)| anyhow::anyhow!("creating {topic}: {code}"))?;
        }
        Ok(())
    }

    /// Removes the topic.
    pub(crate) async fn delete_topic(&self) -> anyhow::Result<()> {
        self.admin()?
            .delete_topics(&[&self.topic()], &AdminOptions::new())
            .await?;
        Ok(())
    }

    fn event(&self, i: u64, sensor: &str) -> Event {
        let step = self.trace.step(i);
        let at = self.start_at + self.trace.offset(i);
        let metres = |mm: u32| f64::from(mm) / 1e3;
        Event {
            device: sensor.into(),
            event_time: at,
            received_at: at + RECEIVED_AFTER,
            time_source: TimeSource::Device,
            key: EventKey::from_event_id(&format!("{}{i:010}", self.names.run())),
            has_event_id: true,
            body: Body::Position(Position {
                traveler: format!(
                    "b{}.{:07}.{:06}",
                    self.names.run(),
                    step.slot,
                    step.generation
                )
                .into(),
                traveler_type: "person".into(),
                x: metres(step.x_mm),
                y: metres(step.y_mm),
            }),
        }
    }

    /// Produces some of the events of its trace, and then, for each partition, a tick of `closing_at`, so that all visits close.
    /// A blocking job on a thread of its own.
    pub(crate) async fn produce(
        &self,
        events: Range<u64>,
        closing_at: Option<Micros>,
    ) -> anyhow::Result<()> {
        let order = self.clone();
        tokio::task::spawn_blocking(move || produce(&order, events, closing_at))
            .await
            .context("the producer failed")?
    }
}

fn tick(at: Micros) -> Event {
    Event {
        device: "".into(),
        event_time: at,
        received_at: at,
        time_source: TimeSource::Received,
        key: EventKey::default(),
        has_event_id: false,
        body: Body::Tick,
    }
}

fn produce(order: &Order, events: Range<u64>, closing_at: Option<Micros>) -> anyhow::Result<()> {
    let failures = Failures::default();
    let producer: ThreadedProducer<Failures> = kafka(&order.kafka, "")
        .producer("bench", LINGER)
        .create_with_context(failures.clone())?;
    let topic = order.topic();
    let sensors: Vec<(String, i32)> = (0..order.trace.sensors)
        .map(|index| order.names.sensor(index))
        .map(|sensor| {
            let partition = partition_of(&sensor, order.partitions);
            (sensor, partition)
        })
        .collect();
    for i in events {
        let (sensor, partition) = &sensors[usize::from(order.trace.step(i).sensor)];
        let value = encode(order.event(i, sensor));
        send(
            &producer,
            BaseRecord::to(&topic)
                .partition(*partition)
                .key(sensor.as_str())
                .payload(&value),
        )?;
    }
    if let Some(tick) = closing_at.map(|at| encode(tick(at))) {
        for partition in 0..order.partitions {
            let record = BaseRecord::to(&topic).partition(partition).key("");
            send(&producer, record.payload(&tick))?;
        }
    }
    producer
        .flush(FLUSH_WITHIN)
        .context("writing the last records")?;
    match failures.0.load(Ordering::Relaxed) {
        0 => Ok(()),
        failed => bail!("Kafka did not take {failed} records"),
    }
}

/// Waits while the queue is full.
fn send(
    producer: &ThreadedProducer<Failures>,
    record: BaseRecord<'_, str, Vec<u8>>,
) -> anyhow::Result<()> {
    let mut record = record;
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), returned)) => {
                record = returned;
                std::thread::sleep(Duration::from_millis(5));
            }
            Err((error, _)) => return Err(error).context("producing"),
        }
    }
}
