//! The value of a record in `dead-letters`: what was refused, where it came from, why, and the bytes themselves, so that
//! a person can repair the cause and send the message again.
//!
//! Field numbers are append-only, as in [`crate::envelope`].

use prost::Message;

use crate::rejection::{Reason, Rejection};
use crate::time::Micros;

/// The version of the record that this build writes.
pub const SCHEMA_VERSION: u32 = 1;

/// How much of a refused payload is kept. A longer one keeps its beginning and its true length.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024;

/// A refused message, or one refused element of a message.
#[derive(Clone, PartialEq, Message)]
pub struct DeadLetter {
    /// [`SCHEMA_VERSION`] of the writer.
    #[prost(uint32, tag = "1")]
    pub schema_version: u32,
    /// The MQTT topic it was published to.
    #[prost(string, tag = "2")]
    pub mqtt_topic: String,
    /// The device that the route names; empty when no route matched or the topic names none.
    #[prost(string, tag = "3")]
    pub device: String,
    /// Name of the decoder that refused it; empty when no route matched.
    #[prost(string, tag = "4")]
    pub decoder: String,
    /// Name of the [`Reason`].
    #[prost(string, tag = "5")]
    pub reason: String,
    /// What was expected, what was found and where.
    #[prost(string, tag = "6")]
    pub detail: String,
    /// The refused bytes, at most [`PAYLOAD_BYTES_MAX`] of them.
    #[prost(bytes = "vec", tag = "7")]
    pub payload: Vec<u8>,
    /// How many bytes were refused.
    #[prost(uint64, tag = "8")]
    pub payload_bytes: u64,
    /// When the gateway received the message, µs since 1970.
    #[prost(sfixed64, tag = "9")]
    pub received_at_us: i64,
}

/// Where refused bytes came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The MQTT topic.
    pub mqtt_topic: &'a str,
    /// The device, or empty.
    pub device: &'a str,
    /// The name of the decoder, or empty.
    pub decoder: &'a str,
    /// When the gateway received the message.
    pub received_at: Micros,
}

impl DeadLetter {
    /// The record of `payload`, refused because of `rejection`.
    #[must_use]
    pub fn new(origin: Origin<'_>, rejection: Rejection, payload: &[u8]) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            mqtt_topic: origin.mqtt_topic.to_owned(),
            device: origin.device.to_owned(),
            decoder: origin.decoder.to_owned(),
            reason: rejection.reason.as_str().to_owned(),
            detail: rejection.detail,
            payload: payload[..payload.len().min(PAYLOAD_BYTES_MAX)].to_vec(),
            payload_bytes: payload.len() as u64,
            received_at_us: origin.received_at.0,
        }
    }

    /// The rule that was broken; `None` for one that only a newer version knows.
    #[must_use]
    pub fn known_reason(&self) -> Option<Reason> {
        Reason::from_name(&self.reason)
    }

    /// When the gateway received the message: an instant that a row can hold, whatever the record says.
    #[must_use]
    pub fn received_at(&self) -> Micros {
        Micros(self.received_at_us).clamp(Micros::FIRST, Micros::LAST)
    }

    /// The bytes of the record.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// Reads [`DeadLetter::to_bytes`].
    ///
    /// # Errors
    /// When the bytes are not a record of this shape.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, prost::DecodeError> {
        Self::decode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin<'static> {
        Origin {
            mqtt_topic: "footfall/main/ent-1/positions",
            device: "ent-1",
            decoder: "native",
            received_at: Micros(1_700_000_000_000_000),
        }
    }

    #[test]
    fn a_dead_letter_survives_the_way_through_kafka() {
        let rejection = Rejection::new(Reason::MissingField, "field x: expected a number");
        let letter = DeadLetter::new(origin(), rejection, b"{}");
        let read = DeadLetter::from_bytes(&letter.to_bytes()).unwrap();
        assert_eq!(read, letter);
        assert_eq!(read.known_reason(), Some(Reason::MissingField));
        assert_eq!(read.received_at(), Micros(1_700_000_000_000_000));
    }

    #[test]
    fn an_instant_that_no_row_can_hold_is_brought_to_the_end_of_the_calendar() {
        let letter = DeadLetter {
            received_at_us: i64::MIN,
            ..DeadLetter::default()
        };
        assert_eq!(letter.received_at(), Micros::FIRST);
    }

    #[test]
    fn long_payloads_keep_their_beginning_and_their_length() {
        let payload = vec![b'x'; PAYLOAD_BYTES_MAX + 1];
        let rejection = Rejection::new(Reason::TooLarge, "too long");
        let letter = DeadLetter::new(origin(), rejection, &payload);
        assert_eq!(letter.payload.len(), PAYLOAD_BYTES_MAX);
        assert_eq!(letter.payload_bytes, payload.len() as u64);
    }
}
