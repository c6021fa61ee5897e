//! What the movement fold leaves in Postgres: absolute rows by key.

use std::collections::HashMap;

use super::track::Visit;
use crate::coverage::HourBits;
use crate::event_key::EventKey;
use crate::fold::Rows;
use crate::id::{DeviceId, TravelerId, TravelerType};
use crate::pane::{Pane, PaneKey};
use crate::quantity::{Distance, Speed};
use crate::time::Micros;

/// Rows that a checkpoint writes. The later value of a key wins.
#[derive(Debug, Default)]
pub struct MovementRows {
    /// Closed visits; `None` deletes a row whose visit was extended to an earlier start, merged or reopened.
    pub visits: HashMap<VisitKey, Option<VisitRow>>,
    /// Settled panes.
    pub panes: HashMap<PaneKey, PaneRow>,
    /// Coverage by sensor and hour.
    pub up: HashMap<(DeviceId, Micros), UpRow>,
    /// The newest about each sensor.
    pub sensors: HashMap<DeviceId, SensorRow>,
    /// Events that came too late to be folded.
    pub late: Vec<LateRow>,
}

/// Which visit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VisitKey {
    /// The sensor.
    pub sensor: DeviceId,
    /// Who.
    pub traveler: TravelerId,
    /// What kind of traveler.
    pub traveler_type: TravelerType,
    /// First sample.
    pub entered_at: Micros,
}

/// A closed visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisitRow {
    /// Last sample.
    pub left_at: Micros,
    /// Number of samples.
    pub samples: u32,
    /// Length of the way.
    pub distance: Distance,
    /// Number of speed samples.
    pub speed_n: u32,
    /// Their sum.
    pub speed_sum: Speed,
    /// The smallest; zero when there is none.
    pub speed_min: Speed,
    /// The largest; zero when there is none.
    pub speed_max: Speed,
    /// How often the visit changed after it was closed first.
    pub revision: u32,
}

/// A settled pane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaneRow {
    /// What happened in it.
    pub pane: Pane,
    /// Offset of the record that changed it last.
    pub changed_offset: i64,
    /// How often it changed after it settled.
    pub revision: u32,
}

/// An hour of coverage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpRow {
    /// The covered panes.
    pub bits: HourBits,
}

/// The newest about a sensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SensorRow {
    /// Its latest event time.
    pub last_event: Micros,
    /// Receipt of its newest record.
    pub last_received: Micros,
    /// How far its time has come.
    pub clock: Micros,
    /// See [`crate::live::SensorValue::watermark_us`].
    pub watermark: Micros,
}

/// An event that came too late.
#[derive(Clone, Debug, PartialEq)]
pub struct LateRow {
    /// The sensor.
    pub sensor: DeviceId,
    /// Who.
    pub traveler: TravelerId,
    /// What kind of traveler.
    pub traveler_type: TravelerType,
    /// When it happened.
    pub event_at: Micros,
    /// Its identity.
    pub key: EventKey,
    /// Metres.
    pub x: f64,
    /// Metres.
    pub y: f64,
    /// When it was received.
    pub received_at: Micros,
}

impl Rows for MovementRows {
    fn absorb(&mut self, newer: Self) {
        self.visits.extend(newer.visits);
        self.panes.extend(newer.panes);
        self.up.extend(newer.up);
        self.sensors.extend(newer.sensors);
        self.late.extend(newer.late);
    }

    fn len(&self) -> usize {
        self.visits.len() + self.panes.len() + self.up.len() + self.sensors.len() + self.late.len()
    }
}

impl From<&Visit> for VisitRow {
    fn from(visit: &Visit) -> Self {
        Self {
            left_at: visit.last,
            samples: visit.samples,
            distance: visit.way.distance,
            speed_n: visit.way.speed_n,
            speed_sum: visit.way.speed_sum,
            speed_min: visit.way.speed_min,
            speed_max: visit.way.speed_max,
            revision: visit.closings.saturating_sub(1),
        }
    }
}
