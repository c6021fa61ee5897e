//! The copies of all partitions, and what readers ask of them.
//!
//! One task writes ([`super::Follower`]); everybody reads. Reads are short and never wait for Redis: while Redis is away
//! the values stay and are called stale. Readers that follow the mirror ask for what changed since a version; a reader
//! that is too far behind, or a change that was lost, makes them read everything again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use domain::coverage::HOUR;
use domain::id::DeviceId;
use domain::live::{Frame, SensorValue};
use domain::time::{Micros, Span};

use super::partition::{Applied, Changes, Header, Image, LivePane, Partition, Slot, Who};

/// How many changes are remembered for readers that follow.
const CHANGES_MAX: usize = 1 << 16;
/// How many hours with revisions are remembered one by one: a week of them.
const REVISED_MAX: usize = 168;
/// Gateways write a tick to every partition every 10 s: one that is silent for longer is behind.
const TICKS_WITHIN: Span = Span::from_secs(15);

/// The live view in memory.
#[derive(Debug, Default)]
pub struct Mirror {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    partitions: BTreeMap<i32, Partition>,
    /// The partitions that there are, as the ledger says.
    expected: BTreeSet<i32>,
    /// Those whose header is not in Redis.
    missing: BTreeSet<i32>,
    connected: bool,
    version: u64,
    changes: VecDeque<(u64, Slot)>,
    /// Changes up to this version are not remembered.
    forgotten: u64,
    /// How often a change may have been lost.
    gaps: u64,
    /// When an hour was revised last.
    revised: BTreeMap<Micros, Revision>,
    /// The version up to which a revision of any hour may have been missed.
    revised_unknown: u64,
    /// From this instant on every revision was heard; `None` while nothing was read yet.
    revised_known_from: Option<Micros>,
}

/// That something final was revised.
#[derive(Clone, Copy, Debug)]
struct Revision {
    version: u64,
    /// When it was announced here.
    heard: Micros,
}

/// How far the mirror can be trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MirrorStatus {
    /// Whether a part of it may be old.
    pub stale: bool,
    /// How far the newest record, or tick, was behind when it was shown, ms; `None` if none ever arrived.
    pub lag_ms: Option<i64>,
    /// The offset after the last record that is contained, by partition.
    pub offsets: BTreeMap<i32, i64>,
}

/// Some panes at one version.
#[derive(Clone, Debug, Default)]
pub struct PaneView {
    /// The version.
    pub version: u64,
    /// How often a change may have been lost before it.
    pub gaps: u64,
    /// The panes: all of them, or those that changed. `None` is one that is gone: Postgres has it.
    pub panes: Vec<(Micros, Arc<Who>, Option<Arc<LivePane>>)>,
}

impl Mirror {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().expect("no holder of this lock panics")
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().expect("no holder of this lock panics")
    }

    /// The panes that start in `range` and belong to whom `filter` takes.
    #[must_use]
    pub fn panes(&self, range: &Range<Micros>, filter: impl Fn(&Who) -> bool) -> PaneView {
        let state = self.read();
        let mut panes = Vec::new();
        for partition in state.partitions.values() {
            for (&start, at_start) in partition.panes.range(range.clone()) {
                let wanted = at_start.iter().filter(|(who, _)| filter(who));
                panes.extend(
                    wanted.map(|(who, pane)| (start, Arc::clone(who), Some(Arc::clone(pane)))),
                );
            }
        }
        PaneView {
            version: state.version,
            gaps: state.gaps,
            panes,
        }
    }

    /// What changed after `version` in `range`; `None` when that is not remembered, or a change may have been lost.
    #[must_use]
    pub fn panes_since(
        &self,
        version: u64,
        range: &Range<Micros>,
        filter: impl Fn(&Who) -> bool,
    ) -> Option<PaneView> {
        let state = self.read();
        if version < state.forgotten {
            return None;
        }
        let from = state.changes.partition_point(|(at, _)| *at <= version);
        let mut seen = BTreeSet::new();
        let mut panes = Vec::new();
        for (_, (start, who)) in state.changes.range(from..) {
            if range.contains(start) && filter(who) && seen.insert((*start, who)) {
                panes.push((*start, Arc::clone(who), state.pane(*start, who)));
            }
        }
        Some(PaneView {
            version: state.version,
            gaps: state.gaps,
            panes,
        })
    }

    /// Whether what was final in `range` was revised after `version`, or may have been: what was read of it by then is old.
    #[must_use]
    pub fn is_revised_since(&self, version: u64, range: &Range<Micros>) -> bool {
        let state = self.read();
        let hours = range.start.floor(HOUR)..range.end;
        version < state.revised_unknown
            || state
                .revised
                .range(hours)
                .any(|(_, revised)| revised.version > version)
    }

    /// Whether a revision of what was final in `range` was heard at `instant` or later, or may have been missed since then.
    #[must_use]
    pub fn is_revised_since_instant(&self, instant: Micros, range: &Range<Micros>) -> bool {
        let state = self.read();
        let hours = range.start.floor(HOUR)..range.end;
        let is_known = state.revised_known_from.is_some_and(|from| from <= instant);
        !is_known
            || state.may_be_old()
            || state
                .revised
                .range(hours)
                .any(|(_, revised)| revised.heard >= instant)
    }

    /// The version and how often a change may have been lost: equal pairs mean that nothing changed.
    #[must_use]
    pub fn version(&self) -> (u64, u64) {
        let state = self.read();
        (state.version, state.gaps)
    }

    /// What is known about each sensor.
    #[must_use]
    pub fn sensors(&self) -> BTreeMap<DeviceId, Arc<SensorValue>> {
        let state = self.read();
        let sensors = state
            .partitions
            .values()
            .flat_map(|partition| &partition.sensors);
        sensors
            .map(|(id, value)| (id.clone(), Arc::clone(value)))
            .collect()
    }

    /// The kinds of traveler that panes were seen of.
    #[must_use]
    pub fn traveler_types(&self) -> BTreeSet<String> {
        let state = self.read();
        let names = state
            .partitions
            .values()
            .flat_map(Partition::traveler_types);
        names.map(str::to_owned).collect()
    }

    /// How far the mirror can be trusted at `now`.
    #[must_use]
    pub fn status(&self, now: Micros) -> MirrorStatus {
        let state = self.read();
        let lag = |partition: &Partition| {
            let age = (now - partition.newest_received?).0;
            let fresh = age <= TICKS_WITHIN.0;
            Some(partition.shown_after.filter(|_| fresh).unwrap_or(age))
        };
        let lag = state.partitions.values().filter_map(lag).max();
        MirrorStatus {
            stale: state.may_be_old(),
            lag_ms: lag.map(|micros| micros.max(0) / 1000),
            offsets: state
                .partitions
                .iter()
                .map(|(&number, partition)| (number, partition.header.next_offset))
                .collect(),
        }
    }

    /// Applies an announcement that arrived at `now`.
    pub(super) fn apply(&self, partition: i32, frame: &Frame, now: Micros) -> Applied {
        let mut state = self.write();
        let Some(copy) = state.partitions.get_mut(&partition) else {
            return Applied::Gap;
        };
        let mut changed = Changes::default();
        let applied = copy.apply(frame, now, &mut changed);
        if applied == Applied::Next {
            state.note(changed, now);
        }
        applied
    }

    /// Puts what was read until `now` in the place of the copy of a partition.
    pub(super) fn replace(&self, partition: i32, image: Image, now: Micros) {
        let copy = Partition::from_image(image);
        let mut state = self.write();
        state.missing.remove(&partition);
        state.partitions.insert(partition, copy);
        state.lose_track(now);
    }

    /// Says which partitions there are.
    pub(super) fn expect(&self, partitions: BTreeSet<i32>) {
        self.write().expected = partitions;
    }

    /// Says whether Redis answers.
    pub(super) fn set_connected(&self, connected: bool) {
        self.write().connected = connected;
    }

    /// Says that the header of a partition is not in Redis. Its values stay.
    pub(super) fn set_missing(&self, partition: i32) {
        self.write().missing.insert(partition);
    }

    /// The header of the copy of each partition.
    pub(super) fn headers(&self) -> BTreeMap<i32, Header> {
        let state = self.read();
        let headers = state.partitions.iter();
        headers
            .map(|(&number, partition)| (number, partition.header.clone()))
            .collect()
    }

    /// The partitions that there are.
    pub(super) fn expected(&self) -> BTreeSet<i32> {
        self.read().expected.clone()
    }
}

impl State {
    fn pane(&self, start: Micros, who: &Who) -> Option<Arc<LivePane>> {
        let mut copies = self.partitions.values();
        copies.find_map(|partition| partition.panes.get(&start)?.get(who).cloned())
    }

    /// Whether a part of it is not there, or may have changed without a word.
    fn may_be_old(&self) -> bool {
        let is_loaded = |partition| self.partitions.contains_key(partition);
        !self.connected || !self.missing.is_empty() || !self.expected.iter().all(is_loaded)
    }

    fn note(&mut self, changed: Changes, heard: Micros) {
        self.version += 1;
        let version = self.version;
        for start in changed.revised {
            self.revised
                .insert(start.floor(HOUR), Revision { version, heard });
        }
        while self.revised.len() > REVISED_MAX {
            // The oldest hours are those that are least likely to be asked for.
            if let Some((_, revision)) = self.revised.pop_first() {
                self.revised_unknown = self.revised_unknown.max(revision.version);
                let after = revision.heard + Span(1);
                self.revised_known_from = self.revised_known_from.max(Some(after));
            }
        }
        self.changes
            .extend(changed.panes.into_iter().map(|slot| (version, slot)));
        while self.changes.len() > CHANGES_MAX {
            if let Some((version, _)) = self.changes.pop_front() {
                self.forgotten = version;
            }
        }
    }

    fn lose_track(&mut self, now: Micros) {
        self.version += 1;
        self.gaps += 1;
        self.forgotten = self.version;
        self.revised_unknown = self.version;
        self.revised_known_from = Some(now);
        self.revised.clear();
        self.changes.clear();
    }
}

#[cfg(test)]
mod tests;
