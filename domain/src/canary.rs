//! The canary: what each gateway says about itself in every partition, so that a record that went missing on the way is
//! noticed although no device misses it.
//!
//! It rides on the ticks, which go to every partition anyway: a tick names the process that wrote it and counts its rounds,
//! from 1 and without a gap. A gateway begins the next round only when Kafka has confirmed the last one in all partitions, and
//! writes a round again of which it does not know that; so a number that comes twice is usual after a fault, and a number
//! that is skipped is a confirmed record that was lost. A gateway that starts again has another name and begins at 1.
//!
//! Judging is a pure fold like everything else: its state is saved with the checkpoint, so that a change of owner or a replay
//! neither forgets a gap nor finds one twice.

use std::collections::BTreeMap;

use crate::event::{Body, Event, TimeSource};
use crate::event_key::EventKey;
use crate::id::{DeviceId, GatewayId};
use crate::time::Micros;

/// How many gateway processes a partition remembers: when there are more, the one that wrote least recently is forgotten.
pub const GATEWAYS_MAX: usize = 256;

/// What a row can hold. Only a foreign tick has a number beyond it, and is no canary.
const NUMBER_MAX: u64 = i64::MAX.unsigned_abs();

/// One round of one gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// The process that wrote it.
    pub gateway: GatewayId,
    /// Its number, from 1.
    pub sequence: u64,
}

impl Canary {
    /// The tick that carries it.
    #[must_use]
    pub fn tick(self, at: Micros) -> Event {
        Event {
            device: DeviceId(self.gateway.0),
            event_time: at,
            received_at: at,
            time_source: TimeSource::Received,
            key: EventKey(u128::from(self.sequence).to_be_bytes()),
            has_event_id: false,
            body: Body::Tick,
        }
    }

    /// The canary that a record carries; `None` for what is no tick, and for one of a gateway that has no canary yet.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        let sequence = u64::try_from(u128::from_be_bytes(event.key.0)).ok()?;
        let is_canary = event.body == Body::Tick && !event.device.0.is_empty();
        (is_canary && sequence <= NUMBER_MAX).then(|| Self {
            gateway: GatewayId(event.device.0.clone()),
            sequence,
        })
    }
}

/// What is known in one partition about the canary of one gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flight {
    /// The highest number that arrived.
    pub sequence: u64,
    /// When that one was written, by the gateway's clock.
    pub written_at: Micros,
    /// Numbers that were skipped: records that were lost.
    pub gaps: u64,
    /// Numbers that came again.
    pub repeats: u64,
}

/// The canaries of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Canaries {
    flights: BTreeMap<GatewayId, Flight>,
    changed: BTreeMap<GatewayId, Flight>,
}

impl Canaries {
    /// Those that were saved.
    #[must_use]
    pub fn restored(flights: impl IntoIterator<Item = (GatewayId, Flight)>) -> Self {
        Self {
            flights: flights.into_iter().collect(),
            changed: BTreeMap::new(),
        }
    }

    /// Takes in a canary that was written at `at`; says how many numbers before it are missing.
    ///
    /// The first one that is seen of a gateway may have any number: what was written before it may have left the log, or be of
    /// a time before this partition was followed.
    pub fn observe(&mut self, canary: Canary, at: Micros) -> u64 {
        let Canary { gateway, sequence } = canary;
        let mut missing = 0;
        let flight = match self.flights.get(&gateway) {
            None => Flight {
                sequence,
                written_at: at,
                gaps: 0,
                repeats: 0,
            },
            Some(known) if sequence <= known.sequence => Flight {
                repeats: known.repeats + 1,
                ..*known
            },
            Some(known) => {
                missing = sequence - known.sequence - 1;
                Flight {
                    sequence,
                    written_at: at,
                    gaps: known.gaps.saturating_add(missing).min(NUMBER_MAX),
                    ..*known
                }
            }
        };
        self.flights.insert(gateway.clone(), flight);
        self.changed.insert(gateway, flight);
        if self.flights.len() > GATEWAYS_MAX {
            self.forget_one();
        }
        missing
    }

    fn forget_one(&mut self) {
        let oldest = self
            .flights
            .iter()
            .min_by_key(|(_, flight)| flight.written_at)
            .map(|(gateway, _)| gateway.clone());
        if let Some(gateway) = oldest {
            self.flights.remove(&gateway);
        }
    }

    /// What changed since the last call.
    pub fn drain_changed(&mut self) -> Vec<(GatewayId, Flight)> {
        std::mem::take(&mut self.changed).into_iter().collect()
    }

    /// What is known about each gateway.
    pub fn flights(&self) -> impl Iterator<Item = (&GatewayId, &Flight)> {
        self.flights.iter()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::envelope;

    fn canary(gateway: &str, sequence: u64) -> Canary {
        Canary {
            gateway: gateway.into(),
            sequence,
        }
    }

    #[test]
    fn a_canary_survives_the_way_through_kafka() {
        let sent = canary("0193", 7);
        let tick = sent.clone().tick(Micros(1_700_000_000_000_000));
        let received = envelope::decode(&envelope::encode(tick)).unwrap();
        assert_eq!(Canary::of(&received), Some(sent));
        let nameless = canary("", 0).tick(Micros(0));
        assert_eq!(Canary::of(&nameless), None, "an older gateway's tick");
    }

    /// Anybody may write to the topic. A checkpoint that no row can hold would be tried for ever.
    #[test]
    fn what_no_row_can_hold_is_no_canary() {
        let read = |canary: Canary| envelope::decode(&envelope::encode(canary.tick(Micros(0))));
        assert!(read(canary(&"g".repeat(3_000), 1)).is_err());
        assert!(read(canary("g\0", 1)).is_err());
        assert_eq!(Canary::of(&read(canary("g", u64::MAX)).unwrap()), None);
        let last = read(canary("g", NUMBER_MAX)).unwrap();
        assert!(Canary::of(&last).is_some());
    }

    #[test]
    fn a_number_that_was_skipped_is_a_gap_and_one_that_comes_again_is_none() {
        let mut canaries = Canaries::default();
        let missing: Vec<u64> = [5, 6, 6, 9, 7, 10]
            .map(|n| canaries.observe(canary("a", n), Micros(0)))
            .into();
        assert_eq!(missing, [0, 0, 0, 2, 0, 0]);
        let expected = Flight {
            sequence: 10,
            written_at: Micros(0),
            gaps: 2,
            repeats: 2,
        };
        assert_eq!(canaries.drain_changed(), [(GatewayId::from("a"), expected)]);
        assert_eq!(canaries.drain_changed(), []);
    }

    #[test]
    fn a_gateway_that_is_long_gone_is_forgotten() {
        let mut canaries = Canaries::default();
        canaries.observe(canary("old", 1), Micros(0));
        for (at, n) in (1..).zip(0..GATEWAYS_MAX) {
            canaries.observe(canary(&format!("new-{n}"), 1), Micros(at));
        }
        assert_eq!(canaries.flights().count(), GATEWAYS_MAX);
        assert!(
            canaries
                .flights()
                .all(|(gateway, _)| gateway.as_str() != "old")
        );
    }

    proptest! {
        /// Whatever is sent again and wherever it is cut: what is missing is exactly what was taken out.
        #[test]
        fn gaps_are_what_was_taken_out(
            lost in prop::collection::btree_set(2_u64..60, 0..10),
            again in prop::collection::vec(0_u64..3, 60),
            cut in 0_usize..60,
        ) {
            let mut canaries = Canaries::default();
            let arrived = (1..=60).filter(|n| *n == 60 || !lost.contains(n));
            for (position, n) in arrived.enumerate() {
                if position == cut {
                    // Another owner goes on from what was saved.
                    let saved = canaries.drain_changed();
                    canaries = Canaries::restored(saved);
                }
                for _ in 0..=again[position] {
                    canaries.observe(canary("a", n), Micros(0));
                }
            }
            let (_, flight) = canaries.flights().next().unwrap();
            prop_assert_eq!(flight.gaps, lost.len() as u64);
        }
    }
}
