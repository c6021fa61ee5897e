//! What the movement fold leaves in Postgres: absolute rows by key.

use std::collections::HashMap;

use super::archive::Block;
use super::track::Visit;
use crate::coverage::{HOUR, HourBits};
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
    /// Events that came after their sensor's watermark.
    pub late: Vec<LateRow>,
    /// Samples that left memory, packed; see [`BlockRow`].
    pub blocks: Vec<BlockRow>,
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
    /// Whether a late event changed it after it was final.
    pub revised: bool,
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
    /// The covered panes, the goodbyes and the revisions.
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

/// What a sensor saw in an hour, as far as it left memory in one minute: needed again only when an event comes late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRow {
    /// The sensor.
    pub sensor: DeviceId,
    /// The hour of event time.
    pub hour: Micros,
    /// Offset of the record at which it left.
    pub part: i64,
    /// Packed samples and signs of life, in a form that only this fold reads.
    pub bytes: Vec<u8>,
}

impl BlockRow {
    /// Whether the fold can read the bytes. It passes over those that it cannot, and would take the copy of an event in there
    /// for a new one; so whoever reads rows back asks first.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        Block::from_bytes(self.hour, &self.bytes, |_, _, _| false).is_some()
    }
}

/// An event that came late.
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
    /// Whether it amended an answer; an event beyond the horizon does not.
    pub amended: bool,
}

/// Rows that the fold has to see again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// Sensors and stretches of event time, `[from, to)`; disjoint, in order.
    pub stretches: Vec<Stretch>,
}

/// A stretch of a sensor's event time, `[from, to)`; both ends are multiples of a pane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The sensor.
    pub sensor: DeviceId,
    /// Where it begins.
    pub from: Micros,
    /// Where it ends.
    pub to: Micros,
}

impl Stretch {
    /// Whether an instant lies in it.
    #[must_use]
    pub fn contains(&self, at: Micros) -> bool {
        self.from <= at && at < self.to
    }
}

/// The rows of a [`Want`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    /// What was asked for.
    pub want: Want,
    /// The blocks of every hour that a stretch touches.
    pub blocks: Vec<BlockRow>,
    /// The panes that start in a stretch.
    pub panes: Vec<(PaneKey, PaneRow)>,
    /// The visits that began in a stretch.
    pub visits: Vec<(VisitKey, VisitRow)>,
    /// The coverage of every hour that a stretch touches.
    pub up: Vec<((DeviceId, Micros), UpRow)>,
}

impl Past {
    /// The rows of `want` among `rows`, for whoever keeps all of them in memory.
    #[must_use]
    pub fn of(rows: &MovementRows, want: Want) -> Self {
        let mut of_each: HashMap<&DeviceId, Vec<&Stretch>> = HashMap::new();
        for stretch in &want.stretches {
            of_each.entry(&stretch.sensor).or_default().push(stretch);
        }
        let stretches_of = |sensor: &DeviceId| of_each.get(sensor).into_iter().flatten();
        let within = |sensor: &DeviceId, at: Micros| {
            stretches_of(sensor).any(|stretch| stretch.contains(at))
        };
        let touched = |sensor: &DeviceId, hour: Micros| {
            stretches_of(sensor).any(|stretch| hour < stretch.to && stretch.from < hour + HOUR)
        };
        let blocks = rows.blocks.iter();
        let blocks = blocks.filter(|block| touched(&block.sensor, block.hour));
        let panes = rows.panes.iter();
        let panes = panes.filter(|(key, _)| within(&key.sensor, key.start));
        let visits = rows
            .visits
            .iter()
            .filter(|(key, _)| within(&key.sensor, key.entered_at));
        let up = rows
            .up
            .iter()
            .filter(|((sensor, hour), _)| touched(sensor, *hour));
        Self {
            blocks: blocks.cloned().collect(),
            panes: panes.map(|(key, row)| (key.clone(), row.clone())).collect(),
            visits: visits
                .filter_map(|(key, row)| Some((key.clone(), row.clone()?)))
                .collect(),
            up: up.map(|(key, row)| (key.clone(), row.clone())).collect(),
            want,
        }
    }
}

impl Rows for MovementRows {
    type Want = Want;
    type Past = Past;

    fn absorb(&mut self, newer: Self) {
        self.visits.extend(newer.visits);
        self.panes.extend(newer.panes);
        self.up.extend(newer.up);
        self.sensors.extend(newer.sensors);
        self.late.extend(newer.late);
        self.blocks.extend(newer.blocks);
    }

    fn len(&self) -> usize {
        self.visits.len()
            + self.panes.len()
            + self.up.len()
            + self.sensors.len()
            + self.late.len()
            + self.blocks.len()
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
            revised: visit.revised,
        }
    }
}
