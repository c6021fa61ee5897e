//! What a device said, once decoded: one fact, at one instant, from one device.

use crate::event_key::EventKey;
use crate::id::{DeviceId, TravelerId, TravelerType};
use crate::time::Micros;

/// One fact from one device.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Who said it; for a [`Body::Tick`], the gateway ([`crate::canary`]).
    pub device: DeviceId,
    /// When it happened.
    pub event_time: Micros,
    /// When the gateway received it.
    pub received_at: Micros,
    /// Where `event_time` comes from.
    pub time_source: TimeSource,
    /// Identity, for recognising a re-sent event.
    pub key: EventKey,
    /// Whether the identity is the device's own `event_id` (else it is made of the values).
    pub has_event_id: bool,
    /// The fact.
    pub body: Body,
}

/// Where the time of an event comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TimeSource {
    /// The device's own stamp.
    #[default]
    Device,
    /// The device gave none: the instant of receipt.
    Received,
    /// The device's stamp was more than 5 s ahead or before 2020 (`clock_suspect`): the instant of receipt.
    Suspect,
}

impl TimeSource {
    /// The name used in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Received => "received",
            Self::Suspect => "clock_suspect",
        }
    }
}

/// The kinds of fact.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A traveler was seen at a place.
    Position(Position),
    /// The device spoke about itself.
    Status(Status),
    /// A gateway's clock and canary, written to every partition so that idle ones move on.
    Tick,
}

/// A traveler seen by a movement sensor, in the sensor's own plane.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    /// Who.
    pub traveler: TravelerId,
    /// What kind of traveler.
    pub traveler_type: TravelerType,
    /// Metres, |x| ≤ 10⁶.
    pub x: f64,
    /// Metres, |y| ≤ 10⁶.
    pub y: f64,
}

/// What a device said about itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// Its state.
    pub state: DeviceState,
    /// Charge of the battery, 0 to 100.
    pub battery_percent: Option<f64>,
    /// Version of the firmware, as the device writes it.
    pub firmware: Option<String>,
}

/// Whether a device says that it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceState {
    /// It came up.
    Online,
    /// It went away, or its connection broke (MQTT will).
    Offline,
    /// It still works.
    Heartbeat,
}

impl DeviceState {
    /// The name used in payloads.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Heartbeat => "heartbeat",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Online, Self::Offline, Self::Heartbeat]
            .into_iter()
            .find(|state| state.as_str() == name)
    }
}
