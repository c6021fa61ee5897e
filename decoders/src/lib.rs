//! What devices say, as domain events.
//!
//! One module per device family; [`decode`] is the only way in. A message gives any number of events and any number of
//! refused elements: one bad element never takes its neighbours with it.
//!
//! **Architecture invariant.** Nothing here does IO, reads a clock or fails: the instant of receipt is passed in, and bad
//! input is a [`Rejection`], which is a value. Whatever bytes arrive, [`decode`] returns.
//!
//! ```
//! use decoders::{Decoder, Message, Overrides, decode};
//! use domain::time::Micros;
//!
//! let overrides = Overrides::default();
//! let decoded = decode(Decoder::Native, &Message {
//!     topic: "footfall/main/ent-1/positions",
//!     device: Some("ent-1"),
//!     kind: "positions",
//!     payload: br#"{"traveler_id": 7, "x": 1.5, "y": 2}"#,
//!     received_at: Micros(1_700_000_000_000_000),
//!     overrides: &overrides,
//! });
//! assert_eq!(decoded.events.len(), 1);
//! ```

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod json;
mod line;
mod native;
mod text;
mod timestamp;
mod unit;

use domain::event::Event;
use domain::rejection::{Reason, Rejection};
use domain::time::Micros;
use jiff::tz::TimeZone;

pub use json::DEPTH_MAX;
pub use native::ELEMENTS_MAX;
pub use text::{NAME_BYTES_MAX, check_name};
pub use timestamp::FUTURE_TOLERANCE;
pub use unit::Unit;

/// The device families, by the name that `routes.toml` uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decoder {
    /// Our own topics and payloads.
    Native,
}

impl Decoder {
    /// Every decoder.
    pub const ALL: [Self; 1] = [Self::Native];

    /// The name that route tables, metrics and dead letters use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
        }
    }

    /// The decoder of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|decoder| decoder.as_str() == name)
    }
}

/// What a route knows better than the device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// The zone that the device stands in, for kinds that speak of zones; positions and status do not.
    pub zone: Option<String>,
    /// Zone of the device's clock, for timestamps that name none.
    pub timezone: Option<TimeZone>,
    /// Unit of the device's coordinates.
    pub unit: Unit,
}

/// A published message and what its route says about it.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The MQTT topic, for decoders that read more from it than the route does.
    pub topic: &'a str,
    /// The device that the topic or the route names.
    pub device: Option<&'a str>,
    /// What the message is about: `positions`, `status`, …
    pub kind: &'a str,
    /// The bytes.
    pub payload: &'a [u8],
    /// When the gateway received it.
    pub received_at: Micros,
    /// What the route knows better.
    pub overrides: &'a Overrides,
}

/// What a message says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded<'a> {
    /// Its events, in the order of the message.
    pub events: Vec<Event>,
    /// Its refused elements, in the order of the message.
    pub refused: Vec<Refused<'a>>,
}

/// An element that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused<'a> {
    /// The rule that it broke.
    pub rejection: Rejection,
    /// Its bytes, as the device sent them.
    pub bytes: &'a [u8],
}

impl<'a> Decoded<'a> {
    /// A message that is refused as a whole.
    fn refused(payload: &'a [u8], reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            events: Vec::new(),
            refused: vec![Refused {
                rejection: Rejection::new(reason, detail),
                bytes: payload,
            }],
        }
    }
}

/// What `message` says, read as `decoder` reads it.
#[must_use]
pub fn decode<'a>(decoder: Decoder, message: &Message<'a>) -> Decoded<'a> {
    match decoder {
        Decoder::Native => native::decode(message),
    }
}
