//! The gateway's clock in the log: a tick to every partition, so that idle ones move on.

use std::sync::Arc;
use std::time::Duration;

use domain::envelope;
use domain::event::{Body, Event, TimeSource};
use domain::event_key::EventKey;
use domain::id::DeviceId;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::producer::{Batch, Record, Stream, headers, timestamp};
use crate::shared::Shared;
use crate::signal::{Flag, Signal};
use crate::window::Slot;

/// Ticks that were handed to Kafka together.
struct Round {
    slot: Arc<Slot>,
    signal: Arc<Signal>,
}

/// Writes a tick to every partition each `every`, until `stop`.
pub(crate) async fn tick(shared: Arc<Shared>, every: Duration, stop: CancellationToken) {
    let mut last: Option<Round> = None;
    let mut timer = interval(every);
    timer.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = timer.tick() => {}
            () = stop.cancelled() => return,
        }
        if let Some(round) = &last {
            if round.slot.is_done() {
                count(&shared);
            } else if !round.signal.is_raised(Flag::KafkaRefused) {
                // While Kafka is away one round waits; more of them would say nothing new.
                debug!("the last ticks are not in Kafka yet; none are added");
                continue;
            }
        }
        last = write(&shared);
    }
}

fn count(shared: &Shared) {
    let partitions = shared.intake.partitions.movements.unsigned_abs();
    shared.metrics.ticks.increment(partitions.into());
}

fn write(shared: &Shared) -> Option<Round> {
    let now = shared.clock.now();
    let value = envelope::encode(Event {
        device: DeviceId(String::new()),
        event_time: now,
        received_at: now,
        time_source: TimeSource::Received,
        key: EventKey::default(),
        has_event_id: false,
        body: Body::Tick,
    });
    let reversed: Vec<Record> = (0..shared.intake.partitions.movements)
        .map(|partition| Record {
            stream: Stream::Movements,
            partition,
            key: String::new(),
            value: value.clone(),
        })
        .collect();
    let signal = Arc::new(Signal::new(Arc::clone(&shared.budget)));
    let slot = Arc::new(Slot::new(reversed.len(), 0, Arc::clone(&signal)));
    let mut batch = Batch {
        reversed,
        headers: Some(headers(&timestamp(now), None)),
        slot: Arc::clone(&slot),
    };
    match shared.producer.send(&mut batch) {
        Ok(()) => Some(Round { slot, signal }),
        Err(_) => {
            debug!("ticks were not taken; the next round writes them");
            None
        }
    }
}
