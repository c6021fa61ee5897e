//! Refused messages once more: routed, decoded and enveloped as the gateway does with a new publish, for whoever replays dead
//! letters.

use std::sync::Arc;

use bytes::Bytes;
use domain::dead_letter::DeadLetter;
use domain::time::Micros;

use crate::intake::Intake;
use crate::metrics::Metrics;
use crate::packet::{Publish, Qos};
use crate::producer::{Partitions, Stream};
use crate::route::RouteTable;

/// What a gateway with these routes would make of a message.
#[derive(Debug)]
pub struct Redecoder {
    intake: Intake,
}

/// What a message becomes today.
#[derive(Debug, Default)]
pub struct Redecoded {
    /// Records for `sensor-movements`, in order.
    pub records: Vec<MovementRecord>,
    /// What is refused again, with its reasons.
    pub refused: Vec<Refused>,
}

/// A record for `sensor-movements`.
#[derive(Debug, PartialEq, Eq)]
pub struct MovementRecord {
    /// The partition that owns the key.
    pub partition: i32,
    /// The device.
    pub key: String,
    /// The envelope.
    pub value: Vec<u8>,
}

/// What is refused again.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// The rule that is broken.
    pub reason: String,
    /// What was expected and what was found.
    pub detail: String,
}

impl Redecoder {
    /// With the routes and the limit of today's gateways; `movement_partitions` is how many `sensor-movements` has.
    #[must_use]
    pub fn new(routes: RouteTable, payload_bytes_max: usize, movement_partitions: i32) -> Self {
        Self {
            intake: Intake::new(
                routes,
                Partitions {
                    movements: movement_partitions,
                    dead_letters: 1,
                },
                payload_bytes_max,
                Arc::new(Metrics::new()),
            ),
        }
    }

    /// What `payload` becomes, which was published to `topic` and received at `received_at`. The same arguments give the same
    /// identities, so producing the records twice counts them once.
    #[must_use]
    pub fn redecode(&self, topic: &str, payload: Vec<u8>, received_at: Micros) -> Redecoded {
        let publish = Publish {
            topic: topic.to_owned(),
            alias: None,
            qos: Qos::AtLeastOnce,
            pkid: 1,
            payload_bytes: payload.len(),
            payload: Bytes::from(payload),
            traceparent: None,
        };
        let mut redecoded = Redecoded::default();
        for record in self
            .intake
            .take(&publish, received_at)
            .reversed
            .into_iter()
            .rev()
        {
            match record.stream {
                Stream::Movements => redecoded.records.push(MovementRecord {
                    partition: record.partition,
                    key: record.key,
                    value: record.value,
                }),
                Stream::DeadLetters => {
                    let letter = DeadLetter::from_bytes(&record.value)
                        .expect("the letter was encoded a moment ago");
                    redecoded.refused.push(Refused {
                        reason: letter.reason,
                        detail: letter.detail,
                    });
                }
            }
        }
        redecoded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_message_gives_the_same_records_and_only_what_is_wrong_is_refused() {
        let redecoder = Redecoder::new(RouteTable::native(), 1024, 6);
        let redecode = || {
            let payload = br#"[{"traveler_id":"a","x":1,"y":2},7]"#.to_vec();
            redecoder.redecode(
                "footfall/main/ent-1/positions",
                payload,
                Micros(1_790_000_000_000_000),
            )
        };
        let (once, twice) = (redecode(), redecode());
        assert_eq!((once.records.len(), once.records[0].partition), (1, 2));
        assert_eq!(once.records, twice.records);
        assert_eq!(once.refused.len(), 1);
        assert!(once.refused[0].detail.starts_with("element 2 of 2: "));
        let elsewhere = redecoder.redecode("elsewhere", b"{}".to_vec(), Micros(0));
        assert_eq!(elsewhere.refused[0].reason, "unrouted");
    }
}
