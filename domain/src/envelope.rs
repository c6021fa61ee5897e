//! The value of a Kafka record: an [`Event`] as protobuf.
//!
//! Field numbers are append-only; unknown fields are ignored, so an older consumer reads a newer gateway. A value whose
//! first byte is `{` is the documented JSON instead and is not read here.

use prost::Message;
use thiserror::Error;

use crate::event::{Body, DeviceState, Event, Position, Status, TimeSource};
use crate::event_key::EventKey;
use crate::id::{DeviceId, is_name};
use crate::time::Micros;

/// The version of the envelope that this build writes.
pub const SCHEMA_VERSION: u32 = 1;

/// Kafka header with the instant of receipt, RFC 3339.
pub const HEADER_RECEIVED_AT: &str = "received_at";
/// Kafka header with the W3C trace context of the publish, when it had one.
pub const HEADER_TRACEPARENT: &str = "traceparent";

/// The record as it is written.
#[derive(Clone, PartialEq, Message)]
pub struct Envelope {
    /// [`SCHEMA_VERSION`] of the writer.
    #[prost(uint32, tag = "1")]
    pub schema_version: u32,
    /// Who said it.
    #[prost(string, tag = "2")]
    pub device: String,
    /// When it happened, µs since 1970.
    #[prost(sfixed64, tag = "3")]
    pub event_time_us: i64,
    /// Receipt minus event time, µs (small in the usual case).
    #[prost(sint64, tag = "4")]
    pub received_after_us: i64,
    /// 0 device, 1 received, 2 suspect.
    #[prost(uint32, tag = "5")]
    pub time_source: u32,
    /// The sixteen bytes of [`EventKey`].
    #[prost(bytes = "vec", tag = "6")]
    pub event_key: Vec<u8>,
    /// Whether the key is the device's own `event_id`.
    #[prost(bool, tag = "7")]
    pub has_event_id: bool,
    /// The fact.
    #[prost(oneof = "EnvelopeBody", tags = "10, 11, 12")]
    pub body: Option<EnvelopeBody>,
}

/// The kinds of fact.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum EnvelopeBody {
    /// See [`Position`].
    #[prost(message, tag = "10")]
    Position(EnvelopePosition),
    /// See [`Status`].
    #[prost(message, tag = "11")]
    Status(EnvelopeStatus),
    /// See [`Body::Tick`].
    #[prost(message, tag = "12")]
    Tick(EnvelopeTick),
}

/// See [`Position`].
#[derive(Clone, PartialEq, Message)]
pub struct EnvelopePosition {
    /// Who.
    #[prost(string, tag = "1")]
    pub traveler: String,
    /// What kind of traveler.
    #[prost(string, tag = "2")]
    pub traveler_type: String,
    /// Metres.
    #[prost(double, tag = "3")]
    pub x: f64,
    /// Metres.
    #[prost(double, tag = "4")]
    pub y: f64,
}

/// See [`Status`].
#[derive(Clone, PartialEq, Message)]
pub struct EnvelopeStatus {
    /// `online`, `offline`, `heartbeat`.
    #[prost(string, tag = "1")]
    pub state: String,
    /// 0 to 100.
    #[prost(double, optional, tag = "2")]
    pub battery_percent: Option<f64>,
    /// As the device writes it.
    #[prost(string, optional, tag = "3")]
    pub firmware: Option<String>,
}

/// See [`Body::Tick`].
#[derive(Clone, PartialEq, Message)]
pub struct EnvelopeTick {}

/// Why the value of a record could not be read.
#[derive(Debug, Error)]
pub enum EnvelopeError {
    /// Not protobuf of this shape.
    #[error("not an envelope")]
    Malformed(#[source] prost::DecodeError),
    /// Written by a newer version that says it cannot be read by this one.
    #[error("envelope of schema version {found}, expected 1 to {SCHEMA_VERSION}")]
    Version {
        /// The version that was found.
        found: u32,
    },
    /// No body, or one that this version does not know.
    #[error("envelope without a body that schema version {SCHEMA_VERSION} knows")]
    NoBody,
    /// A value that the rules exclude; the gateway would have rejected it.
    #[error("envelope with {field} {found}, expected {expected}")]
    Field {
        /// The field.
        field: &'static str,
        /// The value.
        found: String,
        /// What it should have been.
        expected: &'static str,
    },
}

/// The bytes of `event`.
#[must_use]
pub fn encode(event: Event) -> Vec<u8> {
    Envelope::from(event).encode_to_vec()
}

/// The event in `bytes`.
///
/// # Errors
/// [`EnvelopeError`], which says what was expected.
pub fn decode(bytes: &[u8]) -> Result<Event, EnvelopeError> {
    Envelope::decode(bytes)
        .map_err(EnvelopeError::Malformed)?
        .try_into()
}

impl From<Event> for Envelope {
    fn from(event: Event) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            device: event.device.0,
            event_time_us: event.event_time.0,
            received_after_us: (event.received_at - event.event_time).0,
            time_source: match event.time_source {
                TimeSource::Device => 0,
                TimeSource::Received => 1,
                TimeSource::Suspect => 2,
            },
            event_key: event.key.0.to_vec(),
            has_event_id: event.has_event_id,
            body: Some(match event.body {
                Body::Position(position) => EnvelopeBody::Position(EnvelopePosition {
                    traveler: position.traveler.0,
                    traveler_type: position.traveler_type.0,
                    x: position.x,
                    y: position.y,
                }),
                Body::Status(status) => EnvelopeBody::Status(EnvelopeStatus {
                    state: status.state.as_str().to_owned(),
                    battery_percent: status.battery_percent,
                    firmware: status.firmware,
                }),
                Body::Tick => EnvelopeBody::Tick(EnvelopeTick {}),
            }),
        }
    }
}

impl TryFrom<Envelope> for Event {
    type Error = EnvelopeError;

    fn try_from(envelope: Envelope) -> Result<Self, EnvelopeError> {
        if !(1..=SCHEMA_VERSION).contains(&envelope.schema_version) {
            return Err(EnvelopeError::Version {
                found: envelope.schema_version,
            });
        }
        let received_at = envelope
            .event_time_us
            .saturating_add(envelope.received_after_us);
        let body = body(envelope.body.ok_or(EnvelopeError::NoBody)?)?;
        // A tick of a gateway that has no canary yet names nobody.
        if !matches!(body, Body::Tick) || !envelope.device.is_empty() {
            check_name("device", &envelope.device)?;
        }
        Ok(Self {
            device: DeviceId(envelope.device),
            event_time: checked_time("event_time", envelope.event_time_us)?,
            received_at: checked_time("received_at", received_at)?,
            time_source: match envelope.time_source {
                0 => TimeSource::Device,
                1 => TimeSource::Received,
                _ => TimeSource::Suspect,
            },
            key: EventKey::from_bytes(&envelope.event_key),
            has_event_id: envelope.has_event_id,
            body,
        })
    }
}

/// Instants that a calendar and a row can hold; anything else would overflow the arithmetic of windows.
fn checked_time(field: &'static str, micros: i64) -> Result<Micros, EnvelopeError> {
    let time = Micros(micros);
    if (Micros::FIRST..=Micros::LAST).contains(&time) {
        return Ok(time);
    }
    Err(EnvelopeError::Field {
        field,
        found: micros.to_string(),
        expected: "µs since 1970 of a year between 1 and 9999",
    })
}

/// Names that a row can hold. One that cannot would stop the partition at every checkpoint.
fn check_name(field: &'static str, name: &str) -> Result<(), EnvelopeError> {
    if is_name(name) {
        return Ok(());
    }
    Err(EnvelopeError::Field {
        field,
        found: name
            .chars()
            .take(40)
            .flat_map(char::escape_default)
            .collect(),
        expected: "1 to 256 bytes of printable text",
    })
}

fn body(body: EnvelopeBody) -> Result<Body, EnvelopeError> {
    Ok(match body {
        EnvelopeBody::Position(position) => {
            check_name("traveler", &position.traveler)?;
            check_name("traveler_type", &position.traveler_type)?;
            for coordinate in [position.x, position.y] {
                if !coordinate.is_finite() || coordinate.abs() > 1e6 {
                    return Err(EnvelopeError::Field {
                        field: "x or y",
                        found: coordinate.to_string(),
                        expected: "a number of metres within ±10^6",
                    });
                }
            }
            Body::Position(Position {
                traveler: position.traveler.into(),
                traveler_type: position.traveler_type.into(),
                x: position.x,
                y: position.y,
            })
        }
        EnvelopeBody::Status(status) => Body::Status(self::status(status)?),
        EnvelopeBody::Tick(EnvelopeTick {}) => Body::Tick,
    })
}

fn status(status: EnvelopeStatus) -> Result<Status, EnvelopeError> {
    let state = DeviceState::from_name(&status.state).ok_or_else(|| EnvelopeError::Field {
        field: "state",
        found: status.state.clone(),
        expected: "online, offline or heartbeat",
    })?;
    if let Some(percent) = status.battery_percent
        && !(0.0..=100.0).contains(&percent)
    {
        return Err(EnvelopeError::Field {
            field: "battery_percent",
            found: percent.to_string(),
            expected: "0 to 100",
        });
    }
    if let Some(firmware) = &status.firmware {
        check_name("firmware", firmware)?;
    }
    Ok(Status {
        state,
        battery_percent: status.battery_percent,
        firmware: status.firmware,
    })
}

#[cfg(test)]
mod tests;
