//! Late events are folded: what the sensor had let go of is put back, the events are taken in like any other, and it lets
//! go again.
//!
//! Only what a late event can touch is put back: the panes around it, the samples of its traveler, the signs of life, and
//! the samples of others for the extremes of a pane. A traveler of whom nothing in memory is touched is a *guest*: a track
//! that nobody finds by name and that is gone at the end.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::MovementConfig;
use super::archive::Whose;
use super::late::{LateEvent, LateFact, Run, index_at, late_of};
use super::panes::{OpenPane, Slot, TypeIndex};
use super::recalled::Recalled;
use super::rows::{PaneRow, VisitKey};
use super::sensor::{Sensor, Step};
use super::track::{Identity, Sample, Track};
use crate::event::Position;
use crate::event_key::EventKey;
use crate::fold::Outcome;
use crate::id::{TravelerId, TravelerType};
use crate::pane::PaneKey;
use crate::time::Micros;

/// The runs of each traveler of whom something is late.
type RunsOf<'a> = BTreeMap<(&'a TravelerType, &'a TravelerId), Vec<Run>>;

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
        let late = std::mem::take(&mut self.late);
        let runs = self.runs_of_each(&late, recalled, step.config);
        let hopeless = self.hopeless(&late, &runs, recalled, step.config);
        self.recall_signs(recalled);
        let wholes = self.recall_tracks(&runs, recalled, step.config);
        self.recall_others(recalled, step.config, &wholes);
        let slots = self.recall_panes(&recalled.panes);
        for (event, is_hopeless) in late.iter().zip(hopeless) {
            let amended = !is_hopeless && self.take_in_late(event, &wholes, step);
            if amended || is_hopeless {
                step.rows.late.extend(self.late_row(event, amended));
            }
        }
        self.forget_again(&slots, wholes, step);
        self.report_coverage(step.rows);
        self.live_changed = true;
    }

    /// The runs of every traveler of whom something is late.
    fn runs_of_each<'a>(
        &self,
        late: &'a [LateEvent],
        recalled: &Recalled,
        config: &MovementConfig,
    ) -> RunsOf<'a> {
        let runs_of = |(whose, late): (_, Vec<Micros>)| {
            (whose, self.runs(whose, &late, recalled, config.idle_gap))
        };
        late_of(late).into_iter().map(runs_of).collect()
    }

    /// Which of the late events, in order, belong to a visit of which the beginning is not to be had.
    fn hopeless(
        &self,
        late: &[LateEvent],
        runs: &RunsOf<'_>,
        recalled: &Recalled,
        config: &MovementConfig,
    ) -> Vec<bool> {
        let broken_of = |(whose, of_it): (&(_, _), &Vec<Run>)| {
            let touches = self.touches_memory(of_it, config);
            let is_broken = |run: &&Run| {
                run.matters(touches) && !Self::is_whole(run, recalled, config.idle_gap)
            };
            let broken: Vec<Run> = of_it.iter().filter(is_broken).copied().collect();
            // A visit in memory cannot be put together without its beginning, so nothing near it is touched.
            let in_memory = touches && !broken.is_empty();
            (*whose, (broken, in_memory))
        };
        let broken: BTreeMap<_, _> = runs.iter().map(broken_of).collect();
        let is_hopeless = |event: &LateEvent| match &event.fact {
            LateFact::Sign(_) => false,
            LateFact::Position(position, _) => {
                let (broken, in_memory) = &broken[&(&position.traveler_type, &position.traveler)];
                let next = broken.partition_point(|run| run.last < event.event_time);
                let next = broken.get(next);
                *in_memory || next.is_some_and(|run| run.contains(event.event_time))
            }
        };
        late.iter().map(is_hopeless).collect()
    }

    /// Every sample is a sign of life. Tracks keep theirs a little longer than the coverage does.
    fn recall_signs(&mut self, recalled: &Recalled) {
        let mut signs = recalled.signs.clone();
        let forgotten = recalled.samples.values().flatten();
        signs.extend(forgotten.map(|sample| (sample.at, true)));
        let until = recalled.near.last().map_or(Micros::MIN, |last| last.to);
        for track in self.tracks.iter().flatten() {
            let early = track.samples.iter().take_while(|s| s.at < until);
            let near = early.filter(|s| index_at(&recalled.near, s.at).is_some());
            signs.extend(near.map(|sample| (sample.at, true)));
        }
        self.coverage.recall(signs.into_iter(), &recalled.up);
    }

    /// Puts the tracks of the late events' travelers together.
    fn recall_tracks(
        &mut self,
        runs: &RunsOf<'_>,
        recalled: &Recalled,
        config: &MovementConfig,
    ) -> HashMap<Whose, Whole> {
        let mut wholes = HashMap::new();
        for (&(kind, traveler), runs) in runs {
            let is_guest = !self.touches_memory(runs, config);
            let samples = recalled.samples_of((kind, traveler)).to_vec();
            let archived = samples.iter().map(|s| (s.at, s.key)).collect();
            let type_index = self.type_index(kind);
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
            wholes.insert((type_index, traveler.clone()), whole);
        }
        wholes
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
        let index = self.known_track(traveler, self.types.known(kind)?)?;
        self.tracks[index as usize].as_ref()
    }
}
