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

use crate::producer::{Batch, Record, Stream, headers};
use crate::shared::Shared;
use crate::signal::Signal;
use crate::window::Slot;

/// Writes a tick to every partition each `every`, until `stop`.
pub(crate) async fn tick(shared: Arc<Shared>, every: Duration, stop: CancellationToken) {
    let signal = Arc::new(Signal::new(Arc::clone(&shared.budget)));
    let mut last: Option<Arc<Slot>> = None;
    let mut timer = interval(every);
    timer.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = timer.tick() => {}
            () = stop.cancelled() => return,
        }
        // While Kafka is away one round of ticks waits; more of them would say nothing new.
        if last.as_ref().is_some_and(|slot| !slot.is_done()) {
            debug!("the last ticks are not in Kafka yet; none are added");
            continue;
        }
        if last.is_some() {
            count(&shared);
        }
        last = Some(write(&shared, &signal));
    }
}

fn count(shared: &Shared) {
    let partitions = shared.intake.partitions.movements.unsigned_abs();
    shared.metrics.ticks.increment(partitions.into());
}

fn write(shared: &Shared, signal: &Arc<Signal>) -> Arc<Slot> {
    let now = shared.clock.now();
    let partitions = shared.intake.partitions.movements;
    let value = envelope::encode(Event {
        device: DeviceId(String::new()),
        event_time: now,
        received_at: now,
        time_source: TimeSource::Received,
        key: EventKey::default(),
        has_event_id: false,
        body: Body::Tick,
    });
    let reversed: Vec<Record> = (0..partitions)
        .rev()
        .map(|partition| Record {
            stream: Stream::Movements,
            partition,
            key: String::new(),
            value: value.clone(),
        })
        .collect();
    let slot = Arc::new(Slot::new(reversed.len(), 0, Arc::clone(signal)));
    let mut batch = Batch {
        reversed,
        headers: headers(&now.to_string(), None),
        slot: Arc::clone(&slot),
    };
    if shared.producer.send(&mut batch).is_err() {
        debug!("ticks were not taken; the next round writes them");
        return Arc::new(Slot::new(0, 0, Arc::clone(signal)));
    }
    slot
}
