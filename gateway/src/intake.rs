//! From a publish to the records that it becomes: route, decode, envelope, dead letters.

use std::sync::Arc;

use chassis::guard::guarded;
use decoders::{Decoded, Decoder, Message, Refused, decode};
use domain::dead_letter::{DeadLetter, Origin};
use domain::envelope;
use domain::rejection::{Reason, Rejection};
use domain::time::Micros;
use domain::topic::partition_of;

use crate::budget::RECORD_OVERHEAD_BYTES;
use crate::metrics::Metrics;
use crate::packet::{Outcome, Publish};
use crate::producer::{Partitions, Record, Stream};
use crate::route::{RouteMatch, RouteTable};

/// See the module.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) routes: RouteTable,
    pub(crate) partitions: Partitions,
    pub(crate) payload_bytes_max: usize,
    pub(crate) metrics: Arc<Metrics>,
    decode: Decode,
}

/// Reads a message; tests have one with a bug.
type Decode = for<'a> fn(Decoder, &Message<'a>) -> Decoded<'a>;

/// What a publish becomes.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Its records, last one first: events, and before them the dead letters, which are produced first.
    pub(crate) reversed: Vec<Record>,
    pub(crate) outcome: Outcome,
    /// What the records cost in memory.
    pub(crate) bytes: usize,
    events: u64,
    rejections: Vec<Reason>,
}

impl Intake {
    /// What takes payloads of up to `payload_bytes_max` bytes on `routes`.
    pub(crate) fn new(
        routes: RouteTable,
        partitions: Partitions,
        payload_bytes_max: usize,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            routes,
            partitions,
            payload_bytes_max,
            metrics,
            decode,
        }
    }

    /// Counts what was taken in. Apart from [`Self::take`], because a publish that has to wait is taken twice.
    pub(crate) fn count(&self, taken: &Taken) {
        self.metrics.events.increment(taken.events);
        for reason in &taken.rejections {
            self.metrics.rejected(*reason).increment(1);
        }
    }

    /// What `publish`, received at `received_at`, becomes.
    pub(crate) fn take(&self, publish: &Publish, received_at: Micros) -> Taken {
        let route = self.routes.find(&publish.topic);
        let mut origin = Origin {
            mqtt_topic: &publish.topic,
            device: "",
            decoder: "",
            received_at,
        };
        let mut taken = Taken {
            reversed: Vec::with_capacity(1),
            outcome: Outcome::Accepted,
            bytes: 0,
            events: 0,
            rejections: Vec::new(),
        };
        let Some(RouteMatch {
            route,
            device,
            kind,
        }) = route
        else {
            let detail = format!(
                "expected a topic that a route takes, found {:?}",
                publish.topic
            );
            let rejection = Rejection::new(Reason::Unrouted, detail);
            self.bury(&mut taken, origin, rejection, publish);
            taken.outcome = Outcome::TopicRefused;
            return taken;
        };
        origin.device = device.unwrap_or_default();
        origin.decoder = route.decoder.as_str();
        if publish.payload_bytes > self.payload_bytes_max {
            let (limit, found) = (self.payload_bytes_max, publish.payload_bytes);
            let detail = format!("expected at most {limit} bytes, found {found}");
            self.bury(
                &mut taken,
                origin,
                Rejection::new(Reason::TooLarge, detail),
                publish,
            );
            taken.outcome = Outcome::PayloadRefused;
            return taken;
        }
        let message = Message {
            topic: &publish.topic,
            device,
            kind,
            payload: &publish.payload,
            received_at,
            overrides: &route.overrides,
        };
        let decoded = guarded(|| (self.decode)(route.decoder, &message))
            .unwrap_or_else(|panic| poison(route.decoder, &publish.payload, &panic));
        self.fill(&mut taken, origin, decoded);
        taken
    }

    fn fill(&self, taken: &mut Taken, origin: Origin<'_>, decoded: Decoded<'_>) {
        if decoded.events.is_empty() && !decoded.refused.is_empty() {
            taken.outcome = Outcome::PayloadRefused;
        }
        taken.events = decoded.events.len() as u64;
        taken
            .reversed
            .reserve(decoded.events.len() + decoded.refused.len());
        for event in decoded.events.into_iter().rev() {
            let key = event.device.as_str().to_owned();
            taken.push(Record {
                stream: Stream::Movements,
                partition: partition_of(&key, self.partitions.movements),
                value: envelope::encode(event),
                key,
            });
        }
        for refused in decoded.refused.into_iter().rev() {
            taken.rejections.push(refused.rejection.reason);
            let letter = DeadLetter::new(origin, refused.rejection, refused.bytes);
            taken.push(self.letter_record(&letter));
        }
    }

    /// The whole publish becomes one dead letter.
    fn bury(&self, taken: &mut Taken, origin: Origin<'_>, rejection: Rejection, publish: &Publish) {
        taken.rejections.push(rejection.reason);
        let letter = DeadLetter {
            payload_bytes: publish.payload_bytes as u64,
            ..DeadLetter::new(origin, rejection, &publish.payload)
        };
        taken.push(self.letter_record(&letter));
    }

    fn letter_record(&self, letter: &DeadLetter) -> Record {
        Record {
            stream: Stream::DeadLetters,
            partition: partition_of(&letter.device, self.partitions.dead_letters),
            key: letter.device.clone(),
            value: letter.to_bytes(),
        }
    }
}

/// What a message becomes on which its decoder panics. Its device would send it again on each new connection, and each would end.
fn poison<'a>(decoder: Decoder, payload: &'a [u8], panic: &str) -> Decoded<'a> {
    let detail = format!("the decoder {} panicked: {panic}", decoder.as_str());
    Decoded {
        events: Vec::new(),
        refused: vec![Refused {
            rejection: Rejection::new(Reason::Poison, detail),
            bytes: payload,
        }],
    }
}

impl Taken {
    fn push(&mut self, record: Record) {
        self.bytes += record.key.len() + record.value.len() + RECORD_OVERHEAD_BYTES;
        self.reversed.push(record);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::packet::Qos;

    fn intake() -> Intake {
        let partitions = Partitions {
            movements: 6,
            dead_letters: 1,
        };
        Intake::new(
            RouteTable::native(),
            partitions,
            1024,
            Arc::new(Metrics::new()),
        )
    }

    fn take(topic: &str, payload: &str) -> Taken {
        take_with(&intake(), topic, payload)
    }

    fn take_with(intake: &Intake, topic: &str, payload: &str) -> Taken {
        let publish = Publish {
            topic: topic.to_owned(),
            alias: None,
            qos: Qos::AtLeastOnce,
            pkid: 1,
            payload: Bytes::copy_from_slice(payload.as_bytes()),
            payload_bytes: payload.len(),
            traceparent: None,
        };
        intake.take(&publish, Micros(1_742_375_113_000_000))
    }

    #[test]
    fn dead_letters_are_produced_before_events_and_events_in_their_order() {
        let taken = take(
            "footfall/main/ent-1/positions",
            r#"[{"traveler_id":"a","x":1,"y":2},7,{"traveler_id":"b","x":1,"y":2}]"#,
        );
        assert_eq!(taken.outcome, Outcome::Accepted);
        let mut records = taken.reversed;
        records.reverse();
        assert_eq!(records[0].stream, Stream::DeadLetters);
        let letter = DeadLetter::from_bytes(&records[0].value).unwrap();
        assert_eq!(letter.payload, b"7");
        let travelers: Vec<String> = records[1..]
            .iter()
            .map(|record| {
                assert_eq!((record.key.as_str(), record.partition), ("ent-1", 2));
                match envelope::decode(&record.value).unwrap().body {
                    domain::event::Body::Position(position) => position.traveler.0,
                    other => panic!("{other:?}"),
                }
            })
            .collect();
        assert_eq!(travelers, ["a", "b"]);
        assert!(taken.bytes > 3 * RECORD_OVERHEAD_BYTES);
    }

    #[test]
    fn what_no_route_takes_is_a_dead_letter_without_a_decoder() {
        let taken = take("elsewhere", "hello");
        assert_eq!(taken.outcome, Outcome::TopicRefused);
        let letter = DeadLetter::from_bytes(&taken.reversed[0].value).unwrap();
        assert_eq!(
            (
                letter.reason.as_str(),
                letter.decoder.as_str(),
                letter.payload.as_slice()
            ),
            ("unrouted", "", b"hello".as_slice())
        );
    }

    #[test]
    fn a_message_on_which_the_decoder_panics_is_a_dead_letter_whole() {
        let broken = Intake {
            decode: |_, _| panic!("a bug"),
            ..intake()
        };
        let taken = take_with(&broken, "footfall/main/ent-1/positions", "{}");
        assert_eq!(taken.outcome, Outcome::PayloadRefused);
        let letter = DeadLetter::from_bytes(&taken.reversed[0].value).unwrap();
        assert_eq!(
            (letter.reason.as_str(), letter.detail.as_str()),
            ("poison", "the decoder native panicked: a bug")
        );
        assert_eq!(
            (letter.device.as_str(), letter.payload.as_slice()),
            ("ent-1", b"{}".as_slice())
        );
    }

    #[test]
    fn a_message_beyond_the_limit_is_not_even_read() {
        let taken = take("footfall/main/ent-1/positions", &" ".repeat(1025));
        assert_eq!(taken.outcome, Outcome::PayloadRefused);
        let letter = DeadLetter::from_bytes(&taken.reversed[0].value).unwrap();
        assert_eq!(
            (letter.reason.as_str(), letter.payload_bytes),
            ("too_large", 1025)
        );
    }
}
