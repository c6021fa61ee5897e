//! One sensor: its travelers, its panes, its coverage, and the two clocks by which things close and become final.
//!
//! - `clock` says how far the sensor's time has come: its newest event, or the gateways' ticks once it fell silent. A
//!   visit closes when the clock is more than `idle_gap` past its last sample; a pane settles `settle` past its end. A
//!   sensor that is sending is believed, so one that uploads yesterday's buffer does not close its visits one by one.
//! - `watermark` says what is final: the newest event minus `lateness`. Ticks do not move it, or a sensor that was cut off
//!   would be late on its return; only after `amend_horizon` they do.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::MovementConfig;
use super::archive::Leaving;
use super::late::LateEvent;
use super::panes::{PaneEdit, Panes, Slot, TypeIndex};
use super::rows::{MovementRows, PaneRow, SensorRow, UpRow, VisitKey};
use super::track::{Identity, Inserted, Phase, Sample, Track};
use super::types::Types;
use crate::coverage::Coverage;
use crate::event::{DeviceState, Position, Status};
use crate::fold::Outcome;
use crate::id::{DeviceId, TravelerId, TravelerType};
use crate::pane::PaneKey;
use crate::time::{Micros, Span};

/// How often a sensor's own row and its coverage are written.
pub(super) const REPORT: Span = Span::from_secs(60);

/// What one record brings to a sensor.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) config: &'a MovementConfig,
    pub(super) rows: &'a mut MovementRows,
    pub(super) tick: Micros,
    pub(super) offset: i64,
    pub(super) event_time: Micros,
    pub(super) received_at: Micros,
    /// Whether it amends what was final.
    pub(super) is_late: bool,
}

/// The state of one sensor.
#[derive(Debug)]
pub(super) struct Sensor {
    pub(super) name: DeviceId,
    pub(super) last_event: Micros,
    pub(super) last_received: Micros,
    pub(super) clock: Micros,
    pub(super) watermark: Micros,
    /// The tick that was newest when the sensor spoke last.
    pub(super) spoke_at_tick: Micros,
    pub(super) declared: Option<DeviceState>,
    pub(super) types: Types,
    /// Open visits by type.
    pub(super) open: Vec<u32>,
    /// The same, when the sensor spoke last; empty while ticks have not moved its clock since.
    pub(super) last_known: Vec<u32>,
    pub(super) coverage: Coverage,
    pub(super) panes: Panes,
    /// Tracks by index; free places are `None` and listed in `free`.
    pub(super) tracks: Vec<Option<Track>>,
    pub(super) free: Vec<u32>,
    pub(super) by_traveler: HashTable<u32>,
    /// When to look whether a track's last visit has closed.
    pub(super) closing: BinaryHeap<Reverse<(Micros, u32)>>,
    /// When to look what a track may forget, on the watermark.
    pub(super) expiring: BinaryHeap<Reverse<(Micros, u32)>>,
    /// Tracks with a visit that closed not long ago, by the clock at which it did.
    pub(super) recently_closed: VecDeque<(Micros, u32)>,
    /// What left memory and is not written down yet.
    pub(super) leaving: Leaving,
    /// Events behind the watermark that wait for a tick, in order of arrival.
    pub(super) late: Vec<LateEvent>,
    /// While late events are folded: samples of other travelers around them.
    pub(super) recalled: Vec<(TypeIndex, Vec<Sample>)>,
    pub(super) live_changed: bool,
    pub(super) visits_changed: bool,
}

impl Sensor {
    pub(super) fn new(name: DeviceId) -> Self {
        Self {
            name,
            last_event: Micros::MIN,
            last_received: Micros::MIN,
            clock: Micros::MIN,
            watermark: Micros::MIN,
            spoke_at_tick: Micros::MIN,
            declared: None,
            types: Types::default(),
            open: Vec::new(),
            last_known: Vec::new(),
            coverage: Coverage::default(),
            panes: Panes::new(),
            tracks: Vec::new(),
            free: Vec::new(),
            by_traveler: HashTable::new(),
            closing: BinaryHeap::new(),
            expiring: BinaryHeap::new(),
            recently_closed: VecDeque::new(),
            leaving: Leaving::default(),
            late: Vec::new(),
            recalled: Vec::new(),
            live_changed: false,
            visits_changed: false,
        }
    }

    /// A traveler was seen.
    pub(super) fn position(
        &mut self,
        position: Position,
        identity: Identity,
        step: &mut Step<'_>,
    ) -> Outcome {
        if step.event_time < self.watermark {
            return self.put_off(LateEvent::position(position, identity, step), step);
        }
        let kind = self.type_index(&position.traveler_type);
        let index = self.track_index(position.traveler, kind, step.event_time);
        let at = (position.x, position.y);
        let outcome = self.take_in(index, at, identity, step);
        self.spoke(true, step);
        outcome
    }

    /// Adds a sample to a track, and brings visits, rows and counts up to it.
    pub(super) fn take_in(
        &mut self,
        index: u32,
        (x, y): (f64, f64),
        identity: Identity,
        step: &mut Step<'_>,
    ) -> Outcome {
        let sample = Sample {
            at: step.event_time,
            key: identity.key,
            x,
            y,
        };
        let track = self.tracks[index as usize]
            .as_mut()
            .expect("the index was just looked up");
        let mut edit = PaneEdit {
            panes: &mut self.panes,
            traveler_type: track.traveler_type,
            offset: step.offset,
            final_before: step.is_late.then_some(self.watermark),
        };
        let inserted = track.insert(sample, identity, step.config.idle_gap, &mut edit);
        match inserted {
            Inserted::Duplicate => Outcome::Duplicate,
            Inserted::Into { visit, obsolete } => {
                for gone in &obsolete {
                    self.retract(index, gone, step.rows);
                }
                self.reconsider(index, visit, step);
                Outcome::Applied
            }
        }
    }

    /// The sensor spoke about itself.
    pub(super) fn status(&mut self, status: &Status, step: &mut Step<'_>) -> Outcome {
        let is_online = status.state != DeviceState::Offline;
        if step.event_time < self.watermark {
            return self.put_off(LateEvent::status(is_online, step), step);
        }
        if step.event_time >= self.last_event {
            self.declared = Some(status.state);
        }
        self.leaving.signs.push((step.event_time, is_online));
        self.spoke(is_online, step);
        Outcome::Applied
    }

    /// A sign of life: time moves on.
    fn spoke(&mut self, online: bool, step: &mut Step<'_>) {
        self.coverage
            .sign(step.event_time, online, step.config.silent_after);
        self.last_received = self.last_received.max(step.received_at);
        self.spoke_at_tick = step.tick;
        // What is open now is measured again.
        self.last_known.clear();
        self.live_changed = true;
        if step.event_time > self.last_event {
            let clock = self.clock;
            self.last_event = step.event_time;
            self.advance_clock(step.event_time, step.config, step.rows);
            self.advance_watermark(
                step.event_time - step.config.lateness,
                step.offset,
                step.config,
                step.rows,
            );
            self.report_since(clock, step.rows);
        }
    }

    /// A gateway's tick: moves on a sensor that fell silent.
    pub(super) fn tick(
        &mut self,
        at: Micros,
        offset: i64,
        config: &MovementConfig,
        rows: &mut MovementRows,
    ) {
        let clock = self.clock;
        if at - self.spoke_at_tick >= config.quiet_after {
            if self.last_known.is_empty() {
                // The last that the sensor itself let us know.
                self.last_known.clone_from(&self.open);
            }
            self.advance_clock(at, config, rows);
        }
        let watermark = self.watermark;
        self.advance_watermark(at - config.amend_horizon, offset, config, rows);
        self.live_changed |= self.watermark != watermark;
        self.report_since(clock, rows);
    }

    /// Moves the rows that are due into `rows`.
    pub(super) fn drain_rows(&mut self, config: &MovementConfig, rows: &mut MovementRows) {
        for slot in std::mem::take(&mut self.panes.rows_due) {
            self.refresh_extremes(slot, config.idle_gap);
            let Some(open) = self.panes.by_slot.get_mut(&slot) else {
                continue;
            };
            open.in_rows_due = false;
            let row = PaneRow {
                pane: open.pane.clone(),
                changed_offset: open.changed_offset,
                revision: open.revision,
            };
            rows.panes.insert(self.pane_key(slot), row);
        }
    }

    /// Once a minute of the sensor's time: its own row, and the hours of coverage that changed.
    fn report_since(&mut self, clock: Micros, rows: &mut MovementRows) {
        if self.clock.floor(REPORT) <= clock.floor(REPORT) {
            return;
        }
        self.report_coverage(rows);
        rows.sensors.insert(self.name.clone(), self.sensor_row());
    }

    pub(super) fn report_coverage(&mut self, rows: &mut MovementRows) {
        for (hour, bits) in self.coverage.drain() {
            rows.up.insert((self.name.clone(), hour), UpRow { bits });
        }
    }

    fn sensor_row(&self) -> SensorRow {
        SensorRow {
            last_event: self.last_event,
            last_received: self.last_received,
            clock: self.clock,
            watermark: self.watermark,
        }
    }

    pub(super) fn pane_key(&self, (start, kind): Slot) -> PaneKey {
        PaneKey {
            sensor: self.name.clone(),
            traveler_type: self.types.names[usize::from(kind)].clone(),
            start,
        }
    }

    /// The index of a type of traveler, given to it when it is new.
    pub(super) fn type_index(&mut self, name: &TravelerType) -> TypeIndex {
        let (index, is_new) = self.types.index_of(name);
        if is_new {
            self.open.push(0);
        }
        index
    }

    /// The track of a traveler, made when there is none.
    pub(super) fn track_index(&mut self, traveler: TravelerId, kind: TypeIndex, at: Micros) -> u32 {
        self.known_track(&traveler, kind)
            .unwrap_or_else(|| self.place(Track::new(traveler, kind, at)))
    }

    /// The track of a traveler, when there is one.
    pub(super) fn known_track(&self, traveler: &TravelerId, kind: TypeIndex) -> Option<u32> {
        let is_it = |&index: &u32| {
            self.tracks[index as usize]
                .as_ref()
                .is_some_and(|t| t.traveler_type == kind && t.traveler == *traveler)
        };
        self.by_traveler
            .find(traveler_hash(traveler, kind), is_it)
            .copied()
    }

    /// Gives a track an index and its places in the queues.
    pub(super) fn place(&mut self, track: Track) -> u32 {
        let expires_at = track.expires_at;
        let hash = traveler_hash(&track.traveler, track.traveler_type);
        let closing = track
            .visits
            .iter()
            .find(|visit| visit.phase == Phase::Open)
            .map(|visit| visit.last);
        let index = self.free_index();
        let in_closing = closing.is_some();
        self.tracks[index as usize] = Some(Track {
            in_closing,
            ..track
        });
        let tracks = &self.tracks;
        self.by_traveler.insert_unique(hash, index, |&other| {
            let track = tracks[other as usize]
                .as_ref()
                .expect("a listed track exists");
            traveler_hash(&track.traveler, track.traveler_type)
        });
        if let Some(last) = closing {
            self.closing.push(Reverse((last, index)));
        }
        self.expiring.push(Reverse((expires_at, index)));
        index
    }
}

impl Sensor {
    /// A place for a track.
    pub(super) fn free_index(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.tracks.push(None);
            u32::try_from(self.tracks.len() - 1).expect("fewer than 2^32 travelers at one sensor")
        })
    }
}

pub(super) fn visit_key(
    sensor: &DeviceId,
    types: &[TravelerType],
    track: &Track,
    entered_at: Micros,
) -> VisitKey {
    VisitKey {
        sensor: sensor.clone(),
        traveler: track.traveler.clone(),
        traveler_type: types[usize::from(track.traveler_type)].clone(),
        entered_at,
    }
}

pub(super) fn traveler_hash(traveler: &TravelerId, kind: TypeIndex) -> u64 {
    xxh3_64_with_seed(traveler.0.as_bytes(), u64::from(kind))
}
