//! The smallest fold that has everything the protocol can break: dedupe in its state, panes that settle, are revised,
//! become final and leave the live view, events that come too late, and a panic half way.

mod subject;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use domain::fold::{Fold, Outcome, RestoreError, Rows};
use domain::live::{LiveMap, LiveWrite};
use domain::rejection::{Reason, Rejection};
use domain::time::Micros;

use super::mutant::Mutant;
use super::subject::{Fact, Key, PANE, Surroundings};

const PANE_LENGTH: i64 = 4;
const SETTLE: i64 = 1;
const LATENESS: i64 = 6;
/// An event that is older than this amends nothing.
const HORIZON: i64 = 60;

/// Counts events by device and pane.
#[derive(Debug)]
pub(super) struct Tally {
    config: TallyConfig,
    clock: i64,
    panes: BTreeMap<(u8, i64), Pane>,
    seen: BTreeSet<u16>,
    /// Events that came late and wait for a tick: pane and id.
    late: Vec<((u8, i64), u16)>,
    rows: TallyRows,
    changed: BTreeSet<(u8, i64)>,
    gone: Vec<(u8, i64)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Pane {
    n: i64,
    changed: i64,
    revision: u32,
    is_settled: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct TallyConfig {
    surroundings: Surroundings,
    /// Where [`Mutant::DedupeOutside`] keeps what was seen: in the process.
    outside: Arc<Mutex<BTreeSet<u16>>>,
}

#[derive(Debug, Default)]
pub(super) struct TallyRows {
    panes: BTreeMap<(u8, i64), (i64, i64, u32)>,
    /// Id, offset, and one for an event that no pane counts.
    late: Vec<(u16, i64, i64)>,
}

impl Rows for TallyRows {
    type Want = Vec<(u8, i64)>;
    type Past = BTreeMap<(u8, i64), (i64, u32)>;

    fn absorb(&mut self, newer: Self) {
        self.panes.extend(newer.panes);
        self.late.extend(newer.late);
    }

    fn len(&self) -> usize {
        self.panes.len() + self.late.len()
    }
}

impl Tally {
    fn is(&self, mutant: Mutant) -> bool {
        self.config.surroundings.mutant == Some(mutant)
    }

    fn is_new(&mut self, id: u16) -> bool {
        if self.is(Mutant::NoDedupe) {
            return true;
        }
        if self.is(Mutant::DedupeOutside) {
            return self.config.outside.lock().unwrap().insert(id);
        }
        self.seen.insert(id)
    }

    fn see(&mut self, device: u8, id: u16, at: i64, offset: i64) -> Outcome {
        if !self.is_new(id) {
            return Outcome::Duplicate;
        }
        let key = (device, at / PANE_LENGTH);
        if is_final(key.1, self.clock) {
            let is_too_late = at + HORIZON < self.clock;
            if self.is(Mutant::LateDropped) {
                // It is gone.
            } else if is_too_late {
                self.rows.late.push((id, offset, 1));
            } else {
                self.late.push((key, id));
            }
            return if is_too_late {
                Outcome::TooLate
            } else {
                Outcome::Late
            };
        }
        let is_settled = is_settled(key.1, self.clock);
        let pane = self.panes.entry(key).or_default();
        pane.n += 1;
        pane.changed = offset;
        pane.revision += u32::from(pane.is_settled);
        pane.is_settled |= is_settled;
        if pane.is_settled {
            self.rows
                .panes
                .insert(key, (pane.n, pane.changed, pane.revision));
        }
        self.changed.insert(key);
        Outcome::Applied
    }

    fn tick(&mut self, at: i64) {
        let wall = self.config.surroundings.wall.load(Ordering::Relaxed);
        let at = if self.is(Mutant::TickByWallClock) {
            wall
        } else {
            at
        };
        self.clock = self.clock.max(at);
        let clock = self.clock;
        for (key, pane) in &mut self.panes {
            if !pane.is_settled && is_settled(key.1, clock) {
                pane.is_settled = true;
                self.rows
                    .panes
                    .insert(*key, (pane.n, pane.changed, pane.revision));
                self.changed.insert(*key);
            }
        }
        let done: Vec<_> = self
            .panes
            .keys()
            .copied()
            .filter(|key| is_final(key.1, clock))
            .collect();
        for key in done {
            self.panes.remove(&key);
            self.changed.remove(&key);
            self.gone.push(key);
        }
    }

    fn live(&self, key: (u8, i64)) -> LiveWrite {
        let pane = &self.panes[&key];
        let value = [pane.n, pane.changed].map(i64::to_le_bytes).concat();
        LiveWrite {
            map: LiveMap::Panes,
            field: pane_key(key),
            value: Some(value),
        }
    }

    fn clock_write(&self) -> LiveWrite {
        LiveWrite {
            map: LiveMap::Sensors,
            field: b"clock".to_vec(),
            value: Some(self.clock.to_le_bytes().to_vec()),
        }
    }
}

fn is_settled(pane: i64, clock: i64) -> bool {
    (pane + 1) * PANE_LENGTH + SETTLE <= clock
}

fn is_final(pane: i64, clock: i64) -> bool {
    (pane + 1) * PANE_LENGTH + LATENESS <= clock
}

fn pane_key((device, pane): (u8, i64)) -> Key {
    [[PANE, device].as_slice(), &pane.to_be_bytes()].concat()
}

impl Fold for Tally {
    const NAME: &'static str = "tally";
    const TOPIC: &'static str = "tallies";
    const VERSION: i32 = 1;
    type Config = TallyConfig;
    type Record = Fact;
    type Rows = TallyRows;

    fn decode(value: &[u8]) -> Result<Fact, Rejection> {
        let number = |at: usize| i64::from_le_bytes(value[at..at + 8].try_into().unwrap());
        match value.first() {
            Some(b's') => Ok(Fact::Seen {
                device: value[1],
                id: u16::from_le_bytes([value[2], value[3]]),
                at: number(4),
            }),
            Some(b't') => Ok(Fact::Tick { at: number(1) }),
            Some(b'p') => Ok(Fact::Poison),
            _ => Err(Rejection::new(Reason::Undecodable, "junk")),
        }
    }

    fn received_at(_: &Fact) -> Option<Micros> {
        None
    }

    fn new(config: &TallyConfig) -> Self {
        Self {
            config: config.clone(),
            clock: 0,
            panes: BTreeMap::new(),
            seen: BTreeSet::new(),
            late: Vec::new(),
            rows: TallyRows::default(),
            changed: BTreeSet::new(),
            gone: Vec::new(),
        }
    }

    fn apply(&mut self, record: Fact, offset: i64) -> Outcome {
        match record {
            Fact::Seen { device, id, at } => return self.see(device, id, at, offset),
            Fact::Tick { at } => self.tick(at),
            Fact::Poison | Fact::Junk => {
                // Half of the work is done, and then it panics; without the hook that would print it.
                self.clock += 1000;
                std::panic::resume_unwind(Box::new("poison"));
            }
        }
        Outcome::Applied
    }

    fn is_due(&self, record: &Fact) -> bool {
        matches!(record, Fact::Tick { .. }) && !self.late.is_empty()
    }

    fn wants(&self) -> Vec<(u8, i64)> {
        self.late.iter().map(|(key, _)| *key).collect()
    }

    fn amend(
        &mut self,
        past: BTreeMap<(u8, i64), (i64, u32)>,
        _: &Fact,
        offset: i64,
    ) -> Option<Vec<(u8, i64)>> {
        for (key, id) in std::mem::take(&mut self.late) {
            let (n, revision) = match (self.rows.panes.get(&key), past.get(&key)) {
                (Some((n, _, revision)), _) => (*n, *revision),
                (None, Some((n, revision))) => (*n, *revision + 1),
                (None, None) => (0, 0),
            };
            self.rows.panes.insert(key, (n + 1, offset, revision));
            self.rows.late.push((id, offset, 0));
        }
        None
    }

    fn drain_rows(&mut self) -> TallyRows {
        let mut rows = std::mem::take(&mut self.rows);
        if self.is(Mutant::DirtyEvicted) && rows.panes.len() > 1 {
            rows.panes.pop_first();
        }
        rows
    }

    fn drain_live(&mut self, _: bool) -> Vec<LiveWrite> {
        let mut writes = vec![self.clock_write()];
        for key in std::mem::take(&mut self.changed) {
            writes.push(self.live(key));
        }
        writes.extend(
            std::mem::take(&mut self.gone)
                .into_iter()
                .map(|key| LiveWrite {
                    map: LiveMap::Panes,
                    field: pane_key(key),
                    value: None,
                }),
        );
        writes
    }

    fn all_live(&mut self) -> Vec<LiveWrite> {
        self.gone.clear();
        self.changed = self.panes.keys().copied().collect();
        self.drain_live(true)
    }

    fn watermark(&self) -> Option<Micros> {
        Some(Micros(self.clock - LATENESS))
    }

    fn snapshot(&mut self) -> Vec<u8> {
        let mut numbers = vec![self.clock, i64::try_from(self.late.len()).unwrap()];
        for ((device, pane), id) in &self.late {
            numbers.extend([i64::from(*device), *pane, i64::from(*id)]);
        }
        numbers.push(i64::try_from(self.panes.len()).unwrap());
        for ((device, at), pane) in &self.panes {
            let settled = i64::from(pane.is_settled);
            numbers.extend([i64::from(*device), *at, pane.n, pane.changed]);
            numbers.extend([i64::from(pane.revision), settled]);
        }
        if !self.is(Mutant::DedupeForgotten) {
            numbers.extend(self.seen.iter().map(|id| i64::from(*id)));
        }
        numbers.into_iter().flat_map(i64::to_le_bytes).collect()
    }

    fn restore(bytes: &[u8], config: &TallyConfig) -> Result<Self, RestoreError> {
        let mut numbers = bytes
            .chunks_exact(8)
            .map(|chunk| i64::from_le_bytes(chunk.try_into().unwrap()));
        let mut next = || numbers.next().unwrap();
        let mut fold = Self::new(config);
        fold.clock = next();
        for _ in 0..next() {
            let key = (u8::try_from(next()).unwrap(), next());
            fold.late.push((key, u16::try_from(next()).unwrap()));
        }
        for _ in 0..next() {
            let key = (u8::try_from(next()).unwrap(), next());
            let (n, changed) = (next(), next());
            let (revision, is_settled) = (u32::try_from(next()).unwrap(), next() == 1);
            let pane = Pane {
                n,
                changed,
                revision,
                is_settled,
            };
            fold.panes.insert(key, pane);
        }
        fold.seen = numbers.map(|id| u16::try_from(id).unwrap()).collect();
        Ok(fold)
    }
}
