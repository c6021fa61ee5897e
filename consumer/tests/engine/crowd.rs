//! Travelers at sensors, and the gateways' ticks.

use domain::envelope;
use domain::event::{Body, Event, Position, TimeSource};
use domain::event_key::EventKey;
use domain::time::Micros;
use domain::topic::partition_of;

use crate::corner::{Corner, PARTITIONS, START};

impl Corner {
    pub(crate) fn publish(&mut self, event: Event) {
        let key = event.device.0.clone();
        let partition = partition_of(&key, PARTITIONS);
        self.produce(partition, &key, envelope::encode(event));
    }

    /// A tick to every partition.
    pub(crate) fn tick(&mut self, at: Micros) {
        for partition in 0..PARTITIONS {
            let tick = Event {
                body: Body::Tick,
                ..position("", "", at, 0)
            };
            self.produce(partition, "", envelope::encode(tick));
        }
    }
}

pub(crate) fn position(sensor: &str, traveler: &str, at: Micros, id: u64) -> Event {
    let step = (id % 17) as f64;
    Event {
        device: sensor.into(),
        event_time: at,
        received_at: at,
        time_source: TimeSource::Device,
        key: EventKey::from_event_id(&format!("e{id}")),
        has_event_id: true,
        body: Body::Position(Position {
            traveler: traveler.into(),
            traveler_type: "person".into(),
            x: step * 1.3,
            y: step * 0.7,
        }),
    }
}

/// Some travelers at some sensors over ten minutes, each fifth sample late by some seconds, each seventh sent twice.
pub(crate) fn crowd(corner: &mut Corner, from: u64, to: u64) {
    for id in from..to {
        let sensor = format!("s{}", id % 5);
        let traveler = format!("t{}", id % 23 + id / 400 * 100);
        let jitter = if id.is_multiple_of(5) { 7_000_000 } else { 0 };
        let at = Micros(START + (id as i64) * 200_000 - jitter);
        let event = position(&sensor, &traveler, at, id);
        corner.publish(event.clone());
        if id.is_multiple_of(7) {
            corner.publish(event);
        }
        if id.is_multiple_of(50) {
            corner.tick(at);
        }
    }
}
