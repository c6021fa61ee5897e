//! What a sensor publishes, and what the simulator knows about it.

use bytes::Bytes;
use domain::rejection::Reason;
use domain::time::Micros;

use crate::world::Sighting;

/// One PUBLISH of one sensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// When the sensor hands it over; later than its event for one that is held back.
    pub send_at: Micros,
    /// Index of the sensor in the plan.
    pub sensor: u16,
    /// The last level of its topic.
    pub kind: Kind,
    /// The payload.
    pub payload: Bytes,
    /// What is in it.
    pub content: Content,
}

/// The last level of the topic `footfall/{site}/{device}/{kind}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Travelers and their places.
    Positions,
    /// The sensor about itself.
    Status,
}

/// What a message means, for the true answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// An event that was not sent before.
    Event(Event),
    /// The number of an event that is sent again.
    Duplicate(u64),
    /// The sensor about itself.
    Status,
    /// Something that must be refused for `reason`.
    Invalid {
        /// Why.
        reason: Reason,
        /// A good event in the same message, which must be taken.
        beside: Option<Event>,
    },
}

/// A sighting as an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number within the run; names its `event_id`.
    pub number: u64,
    /// What was seen.
    pub sighting: Sighting,
    /// How it is sent.
    pub displacement: Displacement,
}

/// How much later than it happened an event is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Displacement {
    /// At once.
    None,
    /// Seconds to three minutes later: behind younger events of its sensor.
    OutOfOrder,
    /// Two to fifteen minutes later.
    Late,
}

impl Kind {
    /// The name in topics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Positions => "positions",
            Self::Status => "status",
        }
    }
}

impl Message {
    /// The event that the pipeline must take from it, if any.
    #[must_use]
    pub const fn event(&self) -> Option<&Event> {
        match &self.content {
            Content::Event(event) => Some(event),
            Content::Invalid { beside, .. } => beside.as_ref(),
            Content::Duplicate(_) | Content::Status => None,
        }
    }
}
