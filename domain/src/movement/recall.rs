//! Late events are folded: what the sensor had let go of is put back, the events are taken in like any other, and it lets
//! go again.
//!
//! Only what a late event can touch is put back: the panes around it, the samples of its traveler, the signs of life, and
//! the samples of others for the extremes of a pane. A traveler of whom nothing in memory is touched is a *guest*: a track
//! that nobody finds by name and that is gone at the end.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::MovementConfig;
use super::archive::{Block, Whose};
use super::late::{LateEvent, LateFact, Run};
use super::panes::{OpenPane, Slot, TypeIndex};
use super::rows::{BlockRow, PaneRow, Past, Stretch, VisitKey, VisitRow};
use super::sensor::{Sensor, Step};
use super::track::{Identity, Sample, Track};
use crate::coverage::HourBits;
use crate::event::Position;
use crate::event_key::EventKey;
use crate::fold::Outcome;
use crate::id::{TravelerId, TravelerType};
use crate::pane::PaneKey;
use crate::time::Micros;

type Name = (TravelerType, TravelerId);

/// The past of one sensor, as far as it was asked for.
#[derive(Debug, Default)]
pub(super) struct Recalled {
    pub(super) stretches: Vec<Stretch>,
    samples: HashMap<Name, Vec<Sample>>,
    signs: Vec<(Micros, bool)>,
    panes: Vec<(PaneKey, PaneRow)>,
    visits: HashMap<VisitKey, VisitRow>,
    up: BTreeMap<Micros, HourBits>,
}

impl Recalled {
    pub(super) fn samples_of(&self, (kind, traveler): (&TravelerType, &TravelerId)) -> &[Sample] {
        let name = (kind.clone(), traveler.clone());
        self.samples.get(&name).map_or(&[], Vec::as_slice)
    }

    /// What `past` says of a sensor, together with what left its memory and is in no block yet.
    pub(super) fn of(sensor: &Sensor, past: &Past, config: &MovementConfig) -> Self {
        let is_its = |name: &crate::id::DeviceId| *name == sensor.name;
        let of_it = past.want.stretches.iter().filter(|s| is_its(&s.sensor));
        let panes = past.panes.iter().filter(|(key, _)| is_its(&key.sensor));
        let visits = past.visits.iter().filter(|(key, _)| is_its(&key.sensor));
        let up = past.up.iter().filter(|((name, _), _)| is_its(name));
        let mut recalled = Self {
            stretches: of_it.cloned().collect(),
            panes: panes.cloned().collect(),
            visits: visits.cloned().collect(),
            up: up.map(|((_, hour), row)| (*hour, row.bits)).collect(),
            ..Self::default()
        };
        recalled.panes.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        recalled.take_samples(
            sensor,
            past.blocks.iter().filter(|b| is_its(&b.sensor)),
            config,
        );
        recalled
    }

    fn take_samples<'a>(
        &mut self,
        sensor: &Sensor,
        blocks: impl Iterator<Item = &'a BlockRow>,
        config: &MovementConfig,
    ) {
        let travelers = sensor.late_travelers();
        let near = sensor.stretches(config);
        let all = self.stretches.clone();
        // Of all the others only what lies around the late events is of use.
        let wanted = |kind: &TravelerType, traveler: &TravelerId, at: Micros| {
            let stretches = if travelers.contains(&(kind, traveler)) {
                &all
            } else {
                &near
            };
            stretches.iter().any(|stretch| stretch.contains(at))
        };
        for row in blocks {
            // One that cannot be read was not written by this fold. Who reads rows back says so before (`BlockRow::is_readable`).
            let Some(block) = Block::from_bytes(row.hour, &row.bytes, wanted) else {
                continue;
            };
            self.signs.extend(block.signs);
            for (kind, traveler, samples) in block.tracks {
                self.samples
                    .entry((kind, traveler))
                    .or_default()
                    .extend(samples);
            }
        }
        self.signs.extend(&sensor.leaving.signs);
        for ((kind, traveler), samples) in &sensor.leaving.samples {
            let kind = &sensor.types[usize::from(*kind)];
            let samples = samples
                .iter()
                .filter(|sample| wanted(kind, traveler, sample.at));
            self.samples
                .entry((kind.clone(), traveler.clone()))
                .or_default()
                .extend(samples);
        }
        for samples in self.samples.values_mut() {
            samples.sort_unstable_by_key(|sample| (sample.at, sample.key));
            samples.dedup_by_key(|sample| (sample.at, sample.key));
        }
        self.signs
            .retain(|(at, _)| near.iter().any(|s| s.contains(*at)));
        self.signs.sort_unstable();
    }
}

/// A track that was put together with what it had forgotten.
#[derive(Debug)]
struct Whole {
    index: u32,
    /// What was written down of it before.
    archived: HashSet<(Micros, EventKey)>,
    is_guest: bool,
}

impl Sensor {
    /// Folds the late events. `step` is that of the tick on whose behalf it happens.
    pub(super) fn amend(&mut self, recalled: &Recalled, step: &mut Step<'_>) {
        let hopeless = self.hopeless(recalled, step.config);
        self.recall_signs(recalled, step.config);
        let mut wholes: HashMap<Whose, Whole> = HashMap::new();
        self.recall_tracks(recalled, step.config, &mut wholes);
        self.recall_others(recalled, step.config, &wholes);
        let slots = self.recall_panes(&recalled.panes);
        for (event, is_hopeless) in std::mem::take(&mut self.late).into_iter().zip(hopeless) {
            let amended = !is_hopeless && self.take_in_late(&event, &wholes, step);
            if amended || is_hopeless {
                step.rows.late.extend(self.late_row(&event, amended));
            }
        }
        self.forget_again(&slots, wholes, step);
        self.report_coverage(step.rows);
        self.live_changed = true;
    }

    /// Which of the late events, in order, belong to a visit of which the beginning is not to be had.
    fn hopeless(&self, recalled: &Recalled, config: &MovementConfig) -> Vec<bool> {
        let mut runs: HashMap<Name, (Vec<Run>, bool)> = HashMap::new();
        for (kind, traveler) in self.late_travelers() {
            let of_it = self.runs((kind, traveler), recalled, config.idle_gap);
            let touches = self.touches_memory(&of_it, config);
            let is_broken = |run: &&Run| {
                run.matters(touches) && !Self::is_whole(run, recalled, config.idle_gap)
            };
            let broken: Vec<Run> = of_it.iter().filter(is_broken).copied().collect();
            // A visit in memory cannot be put together without its beginning, so nothing near it is touched.
            let in_memory = touches && !broken.is_empty();
            runs.insert((kind.clone(), traveler.clone()), (broken, in_memory));
        }
        let is_hopeless = |event: &LateEvent| match &event.fact {
            LateFact::Sign(_) => false,
            LateFact::Position(position, _) => {
                let name = (position.traveler_type.clone(), position.traveler.clone());
                let (broken, in_memory) = &runs[&name];
                *in_memory || broken.iter().any(|run| run.contains(event.event_time))
            }
        };
        self.late.iter().map(is_hopeless).collect()
    }

    /// Every sample is a sign of life. Tracks keep theirs a little longer than the coverage does.
    fn recall_signs(&mut self, recalled: &Recalled, config: &MovementConfig) {
        let mut signs = recalled.signs.clone();
        let forgotten = recalled.samples.values().flatten();
        signs.extend(forgotten.map(|sample| (sample.at, true)));
        for stretch in self.stretches(config) {
            for track in self.tracks.iter().flatten() {
                let from = track.samples.partition_point(|s| s.at < stretch.from);
                let in_memory = track.samples[from..].iter();
                let within = in_memory.take_while(|sample| sample.at < stretch.to);
                signs.extend(within.map(|sample| (sample.at, true)));
            }
        }
        self.coverage.recall(signs.into_iter(), &recalled.up);
    }

    /// Puts the tracks of the late events' travelers together.
    fn recall_tracks(
        &mut self,
        recalled: &Recalled,
        config: &MovementConfig,
        wholes: &mut HashMap<Whose, Whole>,
    ) {
        let mut names: Vec<Name> = self
            .late_travelers()
            .into_iter()
            .map(|(kind, traveler)| (kind.clone(), traveler.clone()))
            .collect();
        names.sort_unstable();
        for (kind, traveler) in names {
            let runs = self.runs((&kind, &traveler), recalled, config.idle_gap);
            let is_guest = !self.touches_memory(&runs, config);
            let samples = recalled.samples_of((&kind, &traveler)).to_vec();
            let archived = samples.iter().map(|s| (s.at, s.key)).collect();
            let type_index = self.type_index(&kind);
            let index = if is_guest {
                let index = self.free_index();
                self.tracks[index as usize] =
                    Some(Track::new(traveler.clone(), type_index, Micros::MIN));
                index
            } else {
                let first = runs.first().map_or(self.watermark, |run| run.first);
                self.track_index(traveler.clone(), type_index, first)
            };
            let sensor = self.name.clone();
            let row_of = |entered_at| {
                let row = recalled.visits.get(&VisitKey {
                    sensor: sensor.clone(),
                    traveler: traveler.clone(),
                    traveler_type: kind.clone(),
                    entered_at,
                })?;
                Some((row.revision + 1, row.revised))
            };
            let track = self.tracks[index as usize].as_mut();
            let track = track.expect("it was made or found just now");
            track.recall(samples, config.idle_gap, row_of);
            let whole = Whole {
                index,
                archived,
                is_guest,
            };
            wholes.insert((type_index, traveler), whole);
        }
    }

    /// Keeps the samples of all others at hand, for the extremes of the panes.
    fn recall_others(
        &mut self,
        recalled: &Recalled,
        config: &MovementConfig,
        wholes: &HashMap<Whose, Whole>,
    ) {
        let horizon = self.horizon(config) + config.idle_gap;
        for ((kind, traveler), samples) in &recalled.samples {
            let type_index = self.type_index(kind);
            let mut run = match wholes.get(&(type_index, traveler.clone())) {
                None => samples.clone(),
                // The guest has them; what it lacks is its last step into memory, which no late event changes.
                Some(whole) if whole.is_guest => samples.last().copied().into_iter().collect(),
                Some(_) => continue,
            };
            // The step from the last sample that was forgotten to the first in memory counts too.
            let known = self.known_track(traveler, type_index);
            if let Some(track) = known.and_then(|index| self.tracks[index as usize].as_ref()) {
                run.extend(track.samples.iter().take_while(|s| s.at < horizon));
            }
            self.recalled.push((type_index, run));
        }
    }

    /// Puts panes back that were let go; says which.
    fn recall_panes(&mut self, panes: &[(PaneKey, PaneRow)]) -> Vec<Slot> {
        let mut slots = Vec::new();
        for (key, row) in panes {
            let slot = (key.start, self.type_index(&key.traveler_type));
            // One in memory is newer than its row.
            self.panes.by_slot.entry(slot).or_insert_with(|| {
                slots.push(slot);
                OpenPane {
                    pane: row.pane.clone(),
                    changed_offset: row.changed_offset,
                    revision: row.revision,
                    ..OpenPane::default()
                }
            });
        }
        slots
    }

    /// Takes in one late event; says whether it was new.
    fn take_in_late(
        &mut self,
        event: &LateEvent,
        wholes: &HashMap<Whose, Whole>,
        step: &mut Step<'_>,
    ) -> bool {
        let mut step = Step {
            config: step.config,
            rows: &mut *step.rows,
            tick: step.tick,
            offset: step.offset,
            event_time: event.event_time,
            received_at: event.received_at,
            is_late: true,
        };
        let online = match &event.fact {
            LateFact::Position(position, identity) => {
                if self.take_in_position(position, *identity, wholes, &mut step)
                    == Outcome::Duplicate
                {
                    return false;
                }
                true
            }
            LateFact::Sign(online) => {
                self.leaving.signs.push((event.event_time, *online));
                *online
            }
        };
        let sign = (event.event_time, online);
        self.coverage
            .late_sign(sign, self.watermark, step.config.silent_after);
        true
    }

    fn take_in_position(
        &mut self,
        position: &Position,
        identity: Identity,
        wholes: &HashMap<Whose, Whole>,
        step: &mut Step<'_>,
    ) -> Outcome {
        let kind: TypeIndex = self.type_index(&position.traveler_type);
        let whole = &wholes[&(kind, position.traveler.clone())];
        self.take_in(whole.index, (position.x, position.y), identity, step)
    }

    /// Lets go of everything that was put back, and writes down what is new of it.
    fn forget_again(&mut self, slots: &[Slot], wholes: HashMap<Whose, Whole>, step: &mut Step<'_>) {
        let horizon = self.horizon(step.config);
        for slot in slots {
            let untouched = |open: &OpenPane| !open.in_rows_due;
            if self.panes.by_slot.get(slot).is_some_and(untouched) {
                self.panes.by_slot.remove(slot);
            }
        }
        self.expire_panes(horizon, step.config.idle_gap, step.rows);
        self.recalled.clear();
        let mut wholes: Vec<_> = wholes.into_iter().collect();
        wholes.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        for ((kind, _), whole) in wholes {
            let leaving = &mut self.leaving;
            let archive = |traveler: &TravelerId, samples: &[Sample]| {
                let is_new = |sample: &&Sample| !whole.archived.contains(&(sample.at, sample.key));
                let new: Vec<Sample> = samples.iter().filter(is_new).copied().collect();
                leaving.add(kind, traveler, &new);
            };
            let track = self.tracks[whole.index as usize].as_mut();
            let track = track.expect("it was put together at the beginning");
            let remains = track.forget_before(horizon, archive);
            debug_assert!(
                !(whole.is_guest && remains),
                "a guest touches nothing in memory"
            );
            if whole.is_guest {
                self.tracks[whole.index as usize] = None;
                self.free.push(whole.index);
            }
        }
        self.coverage
            .forget_before(self.watermark, step.config.silent_after);
    }

    /// The track of a traveler in memory.
    pub(super) fn track_named(
        &self,
        (kind, traveler): (&TravelerType, &TravelerId),
    ) -> Option<&Track> {
        let kind = self.types.iter().position(|known| known == kind)?;
        let index = self.known_track(traveler, TypeIndex::try_from(kind).ok()?)?;
        self.tracks[index as usize].as_ref()
    }
}
