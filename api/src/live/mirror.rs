//! The copies of all partitions, and what readers ask of them.
//!
//! One task writes ([`super::Follower`]); everybody reads. Reads are short and never wait for Redis: while Redis is away
//! the values stay and are called stale. Readers that follow the mirror ask for what changed since a version; a reader
//! that is too far behind, or a change that was lost, makes them read everything again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use domain::id::DeviceId;
use domain::live::{Frame, SensorValue};
use domain::time::{Micros, Span};

use super::partition::{Applied, Header, Image, LivePane, Partition, Slot, Who};

/// How many changes are remembered for readers that follow.
const CHANGES_MAX: usize = 1 << 16;
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
}

/// How far the mirror can be trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MirrorStatus {
    /// Whether a part of it may be old.
    pub stale: bool,
    /// How far the newest record was behind when it was shown, ms; `None` if none ever arrived.
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
        let loaded = |partition| state.partitions.contains_key(partition);
        let lag = |partition: &Partition| {
            let age = (now - partition.newest_received?).0;
            let fresh = age <= TICKS_WITHIN.0;
            Some(partition.shown_after.filter(|_| fresh).unwrap_or(age))
        };
        let lag = state.partitions.values().filter_map(lag).max();
        MirrorStatus {
            stale: !state.connected
                || !state.missing.is_empty()
                || !state.expected.iter().all(loaded),
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
        let mut changed = Vec::new();
        let applied = copy.apply(frame, now, &mut changed);
        if applied == Applied::Next {
            state.note(changed);
        }
        applied
    }

    /// Puts what was read in the place of the copy of a partition.
    pub(super) fn replace(&self, partition: i32, image: Image) {
        let copy = Partition::from_image(image);
        let mut state = self.write();
        state.missing.remove(&partition);
        state.partitions.insert(partition, copy);
        state.lose_track();
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

    fn note(&mut self, changed: Vec<Slot>) {
        self.version += 1;
        let version = self.version;
        self.changes
            .extend(changed.into_iter().map(|slot| (version, slot)));
        while self.changes.len() > CHANGES_MAX {
            if let Some((version, _)) = self.changes.pop_front() {
                self.forgotten = version;
            }
        }
    }

    fn lose_track(&mut self) {
        self.version += 1;
        self.gaps += 1;
        self.forgotten = self.version;
        self.changes.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use domain::live::{FrameWrite, LiveMap, PaneValue, pane_field};
    use domain::pane::{Pane, PaneKey};
    use prost::Message;

    use super::*;

    const EVER: Range<Micros> = Micros::MIN..Micros(i64::MAX);

    fn write(sensor: &str, start: i64, entered: Option<u32>, offset: i64) -> FrameWrite {
        let key = PaneKey {
            sensor: sensor.into(),
            traveler_type: "person".into(),
            start: Micros(start),
        };
        let value = entered.map(|entered| {
            let pane = Pane {
                entered,
                ..Pane::default()
            };
            PaneValue::new(&pane, offset, false).encode_to_vec()
        });
        FrameWrite {
            map: LiveMap::Panes.as_str().to_owned(),
            field: pane_field(&key),
            value,
        }
    }

    fn frame(generation: &str, seq: u64, next_offset: i64, writes: Vec<FrameWrite>) -> Frame {
        Frame {
            generation: generation.to_owned(),
            seq,
            next_offset,
            newest_received_us: 1_000_000,
            writes,
            watermark_us: None,
        }
    }

    fn image(generation: &str, seq: u64, next_offset: i64, panes: &[FrameWrite]) -> Image {
        Image {
            header: Header {
                generation: generation.to_owned(),
                seq,
                next_offset,
            },
            panes: panes
                .iter()
                .map(|w| (w.field.clone(), w.value.clone().unwrap()))
                .collect(),
            sensors: Vec::new(),
        }
    }

    fn entered(view: &PaneView) -> HashMap<(i64, &str), Option<u32>> {
        let panes = view.panes.iter();
        panes
            .map(|(start, who, pane)| {
                let entered = pane.as_ref().map(|pane| pane.pane(true).entered);
                ((start.0, who.sensor.as_str()), entered)
            })
            .collect()
    }

    #[test]
    fn announcements_follow_one_another_and_a_hole_is_seen() {
        let mirror = Mirror::default();
        let now = Micros(3_000_000);
        assert_eq!(
            mirror.apply(0, &frame("1-1", 1, 5, vec![]), now),
            Applied::Gap
        );
        mirror.replace(0, image("1-1", 4, 10, &[write("a", 0, Some(1), 9)]));
        assert_eq!(
            mirror.apply(0, &frame("1-1", 4, 10, vec![]), now),
            Applied::Known
        );
        let next = frame(
            "1-1",
            5,
            12,
            vec![write("a", 0, Some(2), 11), write("a", 10, Some(7), 11)],
        );
        assert_eq!(mirror.apply(0, &next, now), Applied::Next);
        let all = mirror.panes(&EVER, |_| true);
        assert_eq!(
            entered(&all),
            HashMap::from([((0, "a"), Some(2)), ((10, "a"), Some(7))])
        );
        assert_eq!(
            mirror.apply(0, &frame("1-1", 7, 14, vec![]), now),
            Applied::Gap
        );
        assert_eq!(
            mirror.apply(0, &frame("2-1", 6, 14, vec![]), now),
            Applied::Gap
        );
        assert_eq!(mirror.status(now).offsets, BTreeMap::from([(0, 12)]));
    }

    #[test]
    fn a_pane_that_left_the_live_view_is_gone_and_said_to_be() {
        let mirror = Mirror::default();
        let now = Micros(3_000_000);
        mirror.replace(0, image("1-1", 1, 10, &[write("a", 0, Some(1), 9)]));
        let (version, _) = mirror.version();
        mirror.apply(0, &frame("1-1", 2, 20, vec![write("a", 0, None, 0)]), now);
        assert!(mirror.panes(&EVER, |_| true).panes.is_empty());
        let since = mirror.panes_since(version, &EVER, |_| true).unwrap();
        assert_eq!(entered(&since), HashMap::from([((0, "a"), None)]));
        mirror.replace(0, image("1-2", 1, 20, &[]));
        let lost = mirror.panes_since(since.version, &EVER, |_| true);
        assert!(lost.is_none(), "what was read anew has no history");
    }

    #[test]
    fn a_reader_learns_what_changed_and_no_more() {
        let mirror = Mirror::default();
        let now = Micros(3_000_000);
        mirror.replace(
            0,
            image(
                "1-1",
                1,
                10,
                &[write("a", 0, Some(1), 9), write("b", 0, Some(1), 9)],
            ),
        );
        let (version, gaps) = mirror.version();
        mirror.apply(
            0,
            &frame(
                "1-1",
                2,
                12,
                vec![write("b", 0, Some(2), 11), write("b", 20, Some(1), 11)],
            ),
            now,
        );
        mirror.apply(
            0,
            &frame("1-1", 3, 14, vec![write("b", 0, Some(3), 13)]),
            now,
        );
        let since = mirror
            .panes_since(version, &(Micros(0)..Micros(10)), |_| true)
            .unwrap();
        assert_eq!(entered(&since), HashMap::from([((0, "b"), Some(3))]));
        assert_eq!(since.gaps, gaps);
        assert!(
            mirror
                .panes_since(since.version, &EVER, |_| true)
                .unwrap()
                .panes
                .is_empty()
        );
        assert!(
            mirror
                .panes_since(version, &EVER, |who| who.sensor.as_str() == "a")
                .unwrap()
                .panes
                .is_empty()
        );
    }

    #[test]
    fn it_is_stale_until_every_partition_was_read_and_while_redis_is_away() {
        let mirror = Mirror::default();
        let stale = || mirror.status(Micros(0)).stale;
        assert!(stale());
        mirror.set_connected(true);
        assert!(!stale(), "there is nothing to know yet");
        mirror.expect(BTreeSet::from([0, 1]));
        assert!(stale());
        mirror.replace(0, image("1-1", 1, 10, &[]));
        mirror.replace(1, image("1-1", 1, 10, &[]));
        assert!(!stale());
        mirror.set_missing(1);
        assert!(stale());
        mirror.replace(1, image("2-1", 1, 10, &[]));
        mirror.set_connected(false);
        assert!(stale());
    }

    #[test]
    fn lag_is_how_late_the_newest_record_was_shown_until_nothing_comes_any_more() {
        let mirror = Mirror::default();
        assert_eq!(mirror.status(Micros(0)).lag_ms, None);
        mirror.replace(0, image("1-1", 1, 10, &[]));
        mirror.apply(0, &frame("1-1", 2, 12, vec![]), Micros(1_250_000));
        assert_eq!(mirror.status(Micros(9_000_000)).lag_ms, Some(250));
        assert_eq!(mirror.status(Micros(61_000_000)).lag_ms, Some(60_000));
    }
}
