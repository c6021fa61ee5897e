//! One traveler at one sensor: the samples within the horizon, the visits that they form, and what a new sample changes.

use std::collections::HashSet;

use crate::event::TimeSource;
use crate::event_key::EventKey;
use crate::id::TravelerId;
use crate::pane::PANE;
use crate::time::{Micros, Span};

use super::panes::{PaneEdit, TypeIndex};
pub(super) use super::visit::{Phase, Visit, Way, speed_between};

/// Among so many samples an event id is looked for one by one, which takes a microsecond. From there on the ids are kept apart as
/// well, at 20 to 40 bytes a sample.
const WALKED_MAX: usize = 1024;

/// One position of the traveler. Samples are ordered by time, then by event id.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) at: Micros,
    pub(super) key: EventKey,
    pub(super) x: f64,
    pub(super) y: f64,
}

/// What makes two events the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) key: EventKey,
    pub(super) time_source: TimeSource,
    pub(super) has_event_id: bool,
}

/// One traveler at one sensor.
#[derive(Debug, PartialEq)]
pub(super) struct Track {
    pub(super) traveler: TravelerId,
    pub(super) traveler_type: TypeIndex,
    /// Samples within the horizon, in order.
    pub(super) samples: Vec<Sample>,
    /// The part of the first visit that lies before `samples`: everything up to and including `samples[0]`.
    pub(super) sealed: Option<Box<Visit>>,
    /// The visits, in order. Each covers a run of `samples`.
    pub(super) visits: Vec<Visit>,
    /// The ids of all samples, once one was looked for among very many. Made anew when it is asked for after some were forgotten.
    pub(super) keys: Option<Box<Keys>>,
    /// Whether the sensor's closing queue has an entry for this track.
    pub(super) in_closing: bool,
    /// When the sensor looks what this track may forget. Part of the state, because what is forgotten together is written down
    /// together.
    pub(super) expires_at: Micros,
}

/// The ids of a track's samples.
#[derive(Debug, PartialEq)]
pub(super) struct Keys(HashSet<EventKey>);

/// What became of a sample.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Inserted {
    /// It was there before.
    Duplicate,
    /// It is now part of the visit with this index; rows of visits that began at these instants are obsolete.
    Into { visit: usize, obsolete: Vec<Visit> },
}

/// Grows by half instead of doubling: samples are most of what a consumer holds in memory.
fn make_room(samples: &mut Vec<Sample>) {
    if samples.len() == samples.capacity() {
        samples.reserve_exact(samples.len() / 2 + 2);
    }
}

impl Track {
    pub(super) fn new(traveler: TravelerId, traveler_type: TypeIndex, expires_at: Micros) -> Self {
        Self {
            traveler,
            traveler_type,
            samples: Vec::new(),
            sealed: None,
            visits: Vec::new(),
            keys: None,
            in_closing: false,
            expires_at,
        }
    }

    /// Takes in a sample, wherever it belongs, and changes the panes by what is different now.
    pub(super) fn insert(
        &mut self,
        sample: Sample,
        identity: Identity,
        idle_gap: Span,
        edit: &mut PaneEdit<'_>,
    ) -> Inserted {
        let order = |s: &Sample| (s.at, s.key) < (sample.at, sample.key);
        let at = match self.samples.last() {
            Some(last) if !order(last) => self.samples.partition_point(order),
            _ => self.samples.len(),
        };
        if self.knows(&sample, at, identity) {
            return Inserted::Duplicate;
        }
        let previous = at.checked_sub(1).map(|before| self.samples[before]);
        let next = self.samples.get(at).copied();
        let joins_previous = previous.filter(|p| sample.at - p.at <= idle_gap);
        let joins_next = next.filter(|n| n.at - sample.at <= idle_gap);

        if let (Some(p), Some(n)) = (previous, next)
            && n.at - p.at <= idle_gap
            && let Some(speed) = speed_between(&p, &n)
        {
            edit.remove_speed(n.at, speed);
        }
        if let Some(speed) = joins_previous.and_then(|p| speed_between(&p, &sample)) {
            edit.add_speed(sample.at, speed);
        }
        if let Some((n, speed)) = joins_next.and_then(|n| Some((n, speed_between(&sample, &n)?))) {
            edit.add_speed(n.at, speed);
        }
        make_room(&mut self.samples);
        self.samples.insert(at, sample);
        if let Some(keys) = &mut self.keys {
            keys.0.insert(sample.key);
        }
        if next.is_none()
            && let Some(p) = joins_previous
            && let Some(index) = self.visits.len().checked_sub(1)
        {
            // The usual case: the next sample of the visit that is going on.
            self.visits[index].push(&p, &sample);
            edit.present(p.at.floor(PANE) + PANE, sample.at.floor(PANE), 1);
            return Inserted::Into {
                visit: index,
                obsolete: Vec::new(),
            };
        }
        self.regroup(&sample, joins_previous, joins_next, edit)
    }

    /// Whether this sample was taken in before. `at` is where it would stand.
    fn knows(&mut self, sample: &Sample, at: usize, identity: Identity) -> bool {
        let stands = self
            .samples
            .get(at)
            .is_some_and(|s| s.at == sample.at && s.key == sample.key);
        // The gateway's stamp differs between two copies of one event; its own id does not.
        let stamped_anew = identity.time_source != TimeSource::Device && identity.has_event_id;
        stands || (stamped_anew && self.has_key(sample.key))
    }

    fn has_key(&mut self, key: EventKey) -> bool {
        let mut of_each = self.samples.iter().map(|sample| sample.key);
        if self.samples.len() <= WALKED_MAX {
            return of_each.any(|known| known == key);
        }
        let keys = self
            .keys
            .get_or_insert_with(|| Box::new(Keys(of_each.collect())));
        keys.0.contains(&key)
    }

    /// Brings `visits` and the visit counts of the panes up to a sample that does not simply follow the last one.
    fn regroup(
        &mut self,
        sample: &Sample,
        joins_previous: Option<Sample>,
        joins_next: Option<Sample>,
        edit: &mut PaneEdit<'_>,
    ) -> Inserted {
        let pane = sample.at.floor(PANE);
        match (joins_previous, joins_next) {
            (None, None) => {
                let index = self.visits.partition_point(|visit| visit.first < sample.at);
                // Nearly every traveler has one visit within the horizon.
                self.visits.reserve_exact(1);
                self.visits.insert(index, Visit::of(sample));
                edit.entered(sample.at, 1);
                edit.present(pane, pane, 1);
                Inserted::Into {
                    visit: index,
                    obsolete: Vec::new(),
                }
            }
            (Some(previous), None) => {
                let index = self.visit_of(previous.at);
                edit.present(previous.at.floor(PANE) + PANE, pane, 1);
                self.visits[index].push(&previous, sample);
                Inserted::Into {
                    visit: index,
                    obsolete: Vec::new(),
                }
            }
            (None, Some(next)) => {
                let index = self.visit_of(next.at);
                let obsolete = self.visits[index].clone();
                edit.entered(next.at, -1);
                edit.entered(sample.at, 1);
                edit.present(pane, next.at.floor(PANE) - PANE, 1);
                self.visits[index].begin_with(sample, &next);
                if obsolete.first == sample.at {
                    return Inserted::Into {
                        visit: index,
                        obsolete: Vec::new(),
                    };
                }
                self.visits[index].phase = Phase::New;
                Inserted::Into {
                    visit: index,
                    obsolete: vec![obsolete],
                }
            }
            (Some(previous), Some(next)) => {
                let (left, right) = (self.visit_of(previous.at), self.visit_of(next.at));
                if left == right {
                    if !self.visits[left].put_between(sample, (&previous, &next)) {
                        self.rebuild(left);
                    }
                    return Inserted::Into {
                        visit: left,
                        obsolete: Vec::new(),
                    };
                }
                debug_assert_eq!(left + 1, right, "only neighbours can be merged");
                let obsolete = self.visits.remove(right);
                edit.entered(next.at, -1);
                let (end, start) = (previous.at.floor(PANE), next.at.floor(PANE));
                if end == start {
                    edit.present(end, end, -1);
                } else {
                    edit.present(end + PANE, start - PANE, 1);
                }
                self.visits[left].push(&previous, sample);
                self.visits[left].join(sample, (&next, &obsolete));
                Inserted::Into {
                    visit: left,
                    obsolete: vec![obsolete],
                }
            }
        }
    }

    /// Puts samples that were forgotten before those that are there, and finds the visits of all of them. `rows` says how
    /// often the row of a visit was written that began at an instant, and whether it was revised.
    ///
    /// Right for every visit of which all samples are there; the others may only be forgotten again.
    pub(super) fn recall(
        &mut self,
        forgotten: Vec<Sample>,
        idle_gap: Span,
        rows: impl Fn(Micros) -> Option<(u32, bool)>,
    ) {
        let known = std::mem::take(&mut self.visits);
        self.sealed = None;
        self.keys = None;
        self.samples.splice(0..0, forgotten);
        self.samples.sort_unstable_by_key(|s| (s.at, s.key));
        self.samples.dedup_by_key(|s| (s.at, s.key));
        for run in self.samples.chunk_by(|a, b| b.at - a.at <= idle_gap) {
            let mut visit = Visit::of(&run[0]);
            for pair in run.windows(2) {
                visit.push(&pair[0], &pair[1]);
            }
            visit.phase = Phase::Closed;
            if let Ok(index) = known.binary_search_by_key(&visit.last, |known| known.last) {
                let known = &known[index];
                visit.phase = known.phase;
                visit.closings = known.closings;
                visit.revised = known.revised;
            } else if let Some((closings, revised)) = rows(visit.first) {
                visit.closings = closings;
                visit.revised = revised;
            }
            self.visits.push(visit);
        }
    }

    /// The index of the visit that holds the sample at `at`.
    fn visit_of(&self, at: Micros) -> usize {
        self.visits.partition_point(|visit| visit.last < at)
    }

    /// Computes the visit at `index` again from its samples.
    fn rebuild(&mut self, index: usize) {
        let (first, last) = (self.visits[index].first, self.visits[index].last);
        let from = self.samples.partition_point(|s| s.at < first);
        let to = self.samples.partition_point(|s| s.at <= last);
        let run = &self.samples[from..to];
        let sealed = self.sealed.as_ref().filter(|_| index == 0);
        let mut visit = sealed.map_or_else(|| Visit::of(&run[0]), |sealed| (**sealed).clone());
        for pair in run.windows(2) {
            visit.push(&pair[0], &pair[1]);
        }
        let old = &self.visits[index];
        visit.phase = old.phase;
        visit.closings = old.closings;
        visit.revised = old.revised;
        self.visits[index] = visit;
    }

    /// Drops samples before `horizon`, which only a late event can touch any more, and gives them to `archive`. Returns
    /// false when nothing is left.
    ///
    /// A visit that ended before it goes whole; of one that goes on, the part before the last sample under the horizon
    /// is folded into `sealed`.
    pub(super) fn forget_before(
        &mut self,
        horizon: Micros,
        mut archive: impl FnMut(&TravelerId, &[Sample]),
    ) -> bool {
        self.keys = None;
        let gone = self
            .visits
            .iter()
            .take_while(|visit| visit.last < horizon)
            .count();
        if gone > 0 {
            let last = self.visits[gone - 1].last;
            self.visits.drain(..gone);
            self.sealed = None;
            let samples = self.samples.partition_point(|s| s.at <= last);
            archive(&self.traveler, &self.samples[..samples]);
            self.samples.drain(..samples);
        }
        let old = self.samples.partition_point(|s| s.at < horizon);
        if old > 1 && self.visits[0].first < horizon {
            let mut sealed = self
                .sealed
                .take()
                .unwrap_or_else(|| Box::new(Visit::of(&self.samples[0])));
            for pair in self.samples[..old].windows(2) {
                sealed.push(&pair[0], &pair[1]);
            }
            self.sealed = Some(sealed);
            archive(&self.traveler, &self.samples[..old - 1]);
            self.samples.drain(..old - 1);
        }
        if self.samples.capacity() > 2 * self.samples.len() + 16 {
            self.samples.shrink_to_fit();
        }
        !self.visits.is_empty()
    }
}
