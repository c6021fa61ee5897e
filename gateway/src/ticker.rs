//! The gateway's clock and canary in the log: a tick to every partition, so that idle ones move on and a record that goes
//! missing on the way is noticed.
//!
//! A round has a number and is begun only when Kafka has confirmed the last one in every partition; one of which that is not
//! known is written again under its number. So whoever finds a number skipped has found a loss.

use std::sync::Arc;
use std::time::Duration;

use domain::canary::Canary;
use domain::envelope;
use domain::id::GatewayId;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};
use uuid::Uuid;

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
    let gateway = GatewayId(Uuid::now_v7().simple().to_string());
    info!(gateway.id = %gateway, "this process's canary is {gateway}");
    let mut sequence = 1;
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
                count(&shared, sequence);
                sequence += 1;
            } else if !round.signal.is_raised(Flag::KafkaRefused) {
                // While Kafka is away one round waits; more of them would say nothing new.
                debug!("the last ticks are not in Kafka yet; none are added");
                continue;
            }
        }
        let canary = Canary {
            gateway: gateway.clone(),
            sequence,
        };
        last = write(&shared, canary);
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "2^53 rounds are 285 million years of ticks"
)]
fn count(shared: &Shared, sequence: u64) {
    let partitions = shared.intake.partitions.movements.unsigned_abs();
    shared.metrics.ticks.increment(partitions.into());
    shared.metrics.canary.set(sequence as f64);
}

fn write(shared: &Shared, canary: Canary) -> Option<Round> {
    let now = shared.clock.now();
    let value = envelope::encode(canary.tick(now));
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
