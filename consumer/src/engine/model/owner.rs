//! One owner: a worker's slots and what is under way for it. It folds, asks and judges by the engine's own functions; what
//! is told again here is only what Kafka's client and the runtime do around them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use domain::rejection::Rejection;
use domain::time::Micros;

use super::loading::{Load, Loaded};
use super::mutant::{Check, Mutant};
use super::postgres::index;
use super::servers::Servers;
use super::subject::{Subject, Table};
use super::tasks::{Fate, Tasks};
use super::wire::Sent;
use crate::engine::job::DeadRecord;
use crate::engine::partition::{Folded, Partition, Restored};
use crate::engine::work::{self, News, Stores as _};

/// How often an owner asks for a partition before it gives up.
const TRIES: u8 = 3;

/// A partition of an owner.
enum Slot<S: Subject> {
    /// It was asked for so often, in vain.
    Acquiring(u8),
    Loading(Box<Load<S>>),
    Active(Box<Partition<S>>),
    /// The fold panicked at this offset.
    Rebuilding(Box<Partition<S>>, i64, Option<Box<Load<S>>>),
    /// The fold has to see its own past before the record at this offset; or it has seen it, and the ledger is to have what
    /// it made of it.
    Amending(Box<Partition<S>>, Option<i64>),
}

/// See the module.
pub(super) struct Owner<S: Subject> {
    servers: Rc<RefCell<Servers<S>>>,
    config: S::Config,
    slots: BTreeMap<i32, Slot<S>>,
    /// Where Kafka's client stands in each partition.
    positions: BTreeMap<i32, i64>,
    pub(super) tasks: Tasks<S>,
    /// It has to leave the group and come back.
    pub(super) is_failed: bool,
    /// It stands still; the others do not know.
    pub(super) is_paused: bool,
}

impl<S: Subject> Owner<S> {
    pub(super) fn new(servers: &Rc<RefCell<Servers<S>>>) -> Self {
        Self {
            config: S::config(&servers.borrow().surroundings),
            slots: BTreeMap::new(),
            positions: BTreeMap::new(),
            tasks: Tasks::new(Rc::clone(servers)),
            servers: Rc::clone(servers),
            is_failed: false,
            is_paused: false,
        }
    }

    pub(super) fn held(&self) -> Vec<i32> {
        self.slots.keys().copied().collect()
    }

    /// Asks for a partition. Without an answer it asks again, and the first request may have done its work all the same.
    pub(super) fn acquire(&mut self, partition: i32, fate: Fate) {
        self.ask(partition, 0, fate);
    }

    fn ask(&mut self, partition: i32, tries: u8, fate: Fate) {
        let mut servers = self.servers.borrow_mut();
        let acquired = match fate {
            Fate::Down => None,
            _ if servers.is_away() => None,
            Fate::Fine => Some(servers.acquire(partition)),
            Fate::ReplyLost => {
                servers.acquire(partition);
                None
            }
            Fate::Late => {
                servers.wire.push(Sent::Acquire(partition));
                None
            }
        };
        let Some((acquired, hold)) = acquired else {
            self.is_failed |= tries == TRIES;
            self.slots.insert(partition, Slot::Acquiring(tries + 1));
            return;
        };
        self.tasks.holds.insert(partition, hold);
        self.positions.insert(partition, acquired.next_offset);
        self.slots
            .insert(partition, Slot::Loading(Load::of(acquired)));
    }

    /// Partitions that are not there yet are brought on by one atom.
    pub(super) fn load(&mut self) {
        for id in self.held() {
            match self.slots.remove(&id) {
                Some(Slot::Acquiring(tries)) => self.ask(id, tries, Fate::Fine),
                Some(Slot::Loading(load)) => self.load_atom(id, load),
                Some(Slot::Rebuilding(partition, poison, load))
                    if !self.tasks.is_checkpointing() =>
                {
                    self.rebuild_atom(id, partition, poison, load);
                }
                Some(Slot::Amending(partition, waiting)) if partition.is_saved() => {
                    self.amend(id, partition, waiting);
                }
                Some(other) => {
                    self.slots.insert(id, other);
                }
                None => {}
            }
        }
    }

    fn load_atom(&mut self, id: i32, mut load: Box<Load<S>>) {
        let Some(loaded) = load.atom(&self.servers.borrow(), &self.config) else {
            self.slots.insert(id, Slot::Loading(load));
            return;
        };
        if let Some(restored) = self.judge_load(loaded) {
            let partition = Partition::acquired(id, load.epoch(), restored);
            self.slots.insert(id, Slot::Active(Box::new(partition)));
        }
    }

    fn rebuild_atom(
        &mut self,
        id: i32,
        mut partition: Box<Partition<S>>,
        poison: i64,
        load: Option<Box<Load<S>>>,
    ) {
        let begun = || Load::again(id, partition.epoch, partition.saved());
        let mut load = load.unwrap_or_else(begun);
        let Some(loaded) = load.atom(&self.servers.borrow(), &self.config) else {
            let rebuilding = Slot::Rebuilding(partition, poison, Some(load));
            self.slots.insert(id, rebuilding);
            return;
        };
        if let Some(restored) = self.judge_load(loaded) {
            partition.rebuild(restored, poison);
            self.slots.insert(id, Slot::Active(partition));
        }
    }

    /// As `engine::amend` does it, once the ledger has everything.
    fn amend(&mut self, id: i32, mut partition: Box<Partition<S>>, waiting: Option<i64>) {
        let Some(position) = waiting else {
            self.slots.insert(id, Slot::Active(partition));
            return;
        };
        let servers = self.servers.borrow();
        let is_ours = servers.postgres.read(&[id])[0].1 == partition.entry();
        if servers.is_away() || !is_ours {
            // Without an answer it reads again.
            self.is_failed |= !servers.is_away();
            drop(servers);
            self.slots.insert(id, Slot::Amending(partition, waiting));
            return;
        }
        let none = Table::new();
        let rows = match servers.is(Mutant::PastNotRead) {
            true => &none,
            false => &servers.postgres.partitions[index(id)].rows,
        };
        let value = servers.logs[index(id)].value(position);
        let wants = partition.wants();
        let mut wanted = Some(wants.expect("no subject panics when it says what it wants"));
        while let Some(want) = wanted {
            let amended = partition.amend(S::past(want, rows), value);
            wanted = amended.expect("no subject panics when it sees its past");
        }
        let folded = fold(&mut partition, position, value);
        assert!(matches!(folded, Folded::Done(_)), "{folded:?}");
        drop(servers);
        self.slots.insert(id, Slot::Amending(partition, None));
    }

    /// What `Owner::without_state` makes of a state that could not be made: the partition is taken over once more, or it
    /// stops, and a person is needed.
    fn judge_load(&mut self, loaded: Loaded<S>) -> Option<Restored<S>> {
        match loaded {
            Ok(restored) => return Some(restored),
            Err(cause) if cause.is_moved() => self.is_failed = true,
            Err(cause) => {
                let mut servers = self.servers.borrow_mut();
                servers.check(Check::NoHand, false, || cause.to_string());
            }
        }
        None
    }

    /// Folds up to `n` records of a partition.
    pub(super) fn poll(&mut self, id: i32, n: u8) {
        for _ in 0..n {
            let Some(Slot::Active(partition)) = self.slots.get_mut(&id) else {
                return;
            };
            let servers = self.servers.borrow();
            let log = &servers.logs[index(id)];
            let position = self.positions[&id];
            if position >= log.end() {
                return;
            }
            let value = log.value(position);
            let mut folded = fold(partition, position, value);
            if let (Folded::Gap { expected }, true) = (&folded, servers.is(Mutant::GapAccepted)) {
                folded = fold(partition, *expected, value);
            }
            match folded {
                Folded::Done(_) | Folded::Quarantined(_) | Folded::Stale | Folded::Known => {
                    self.positions.insert(id, position + 1);
                }
                Folded::Gap { .. } | Folded::Foreign => {
                    self.is_failed = true;
                    return;
                }
                Folded::Due => {
                    drop(servers);
                    if let Some(Slot::Active(partition)) = self.slots.remove(&id) {
                        // It was taken from Kafka's client, which goes on after it.
                        self.slots
                            .insert(id, Slot::Amending(partition, Some(position)));
                    }
                    self.positions.insert(id, position + 1);
                    return;
                }
                Folded::Panicked { .. } => {
                    // The record waits, and so do those after it.
                    if let Some(Slot::Active(partition)) = self.slots.remove(&id) {
                        self.slots
                            .insert(id, Slot::Rebuilding(partition, position, None));
                    }
                }
            }
        }
    }

    /// Kafka's client goes on somewhere else.
    pub(super) fn jump(&mut self, id: i32, by: i64) {
        let end = self.servers.borrow().logs[index(id)].end();
        if let Some(position) = self.positions.get_mut(&id) {
            *position = (*position + by).clamp(0, end);
        }
    }

    /// Goes on with the flush by one atom; begins one when there is none.
    pub(super) fn flush(&mut self, fate: Fate, with_visits: bool) {
        if self.tasks.is_flushing() {
            self.tasks.flush_atom(fate);
        } else {
            work::start_flush(&mut self.tasks, &mut active(&mut self.slots), with_visits);
        }
    }

    /// Goes on with the checkpoint by one atom; begins one when there is none.
    pub(super) fn checkpoint(&mut self, fate: Fate, snapshot: Option<i32>) {
        if self.tasks.is_checkpointing() {
            self.tasks.checkpoint_atom(fate);
        } else {
            work::start_checkpoint(&mut self.tasks, &mut active(&mut self.slots), snapshot);
        }
    }

    /// Takes in what is done.
    pub(super) fn settle(&mut self) {
        let mut news = News::default();
        work::settle(&mut self.tasks, &mut active(&mut self.slots), &mut news);
        self.take(&news);
    }

    fn take(&mut self, news: &News) {
        let mut servers = self.servers.borrow_mut();
        for (partition, to) in &news.saved {
            servers.send_commit(*partition, *to);
        }
        self.is_failed |= news.failure.is_some();
    }

    /// Hands partitions back, as far as it comes before the deadline.
    pub(super) fn release(&mut self, partitions: &[i32], patience: (u8, u8), fate: Fate) {
        let mut leaving = BTreeMap::new();
        for id in partitions {
            if let Some(slot) = self.slots.remove(id) {
                leaving.insert(*id, slot);
            }
        }
        self.tasks.patience = vec![patience.1, patience.0];
        self.tasks.fate = fate;
        let news = work::finish(
            &mut self.tasks,
            &mut active(&mut self.slots),
            &mut active(&mut leaving),
            None,
        );
        self.take(&news);
    }

    /// Drops partitions that were lost.
    pub(super) fn forget(&mut self, partitions: &[i32]) {
        for id in partitions {
            self.slots.remove(id);
        }
        work::abandon_flush(&mut self.tasks, &mut active(&mut self.slots));
    }
}

fn active<S: Subject>(slots: &mut BTreeMap<i32, Slot<S>>) -> Vec<&mut Partition<S>> {
    slots
        .values_mut()
        .filter_map(|slot| match slot {
            Slot::Active(partition)
            | Slot::Rebuilding(partition, ..)
            | Slot::Amending(partition, _) => Some(&mut **partition),
            Slot::Acquiring(_) | Slot::Loading(_) => None,
        })
        .collect()
}

fn fold<S: Subject>(partition: &mut Partition<S>, offset: i64, value: &[u8]) -> Folded {
    partition.fold(offset, value, |rejection: Rejection| DeadRecord {
        offset,
        rejection,
        device: None,
        payload: value.to_vec(),
        received_at: Micros(0),
    })
}
