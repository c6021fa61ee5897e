//! One partition in memory: its fold, and every decision about it. No client in here, so that tests drive the same code
//! as the worker does.
//!
//! `repair`: what comes late and what panics.
//!
//! The offsets of a partition stand in this order, always:
//! `saved ≤ from ≤ next`: what the ledger has, what it has once the checkpoint under way is saved, what is folded.

mod repair;

use std::collections::BTreeMap;

use chassis::guard::guarded;
use domain::canary::Canaries;
use domain::fold::{Fold, Outcome};
use domain::rejection::{Reason, Rejection};
use domain::time::Micros;

use super::conservation::Conservation;
use super::delta::Delta;
use super::job::{Checkpoint, DeadRecord, Flush, LedgerEntry, LogWrite};
use super::poison::{Poison, canary_of};
use super::shown::{Shown, Standpoint};
use super::witness::{self, Witness};

/// A snapshot is due when the deltas since the last one are larger than it, and larger than this.
const DELTA_BYTES_MIN: usize = 1 << 20;

/// What became of a record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Folded {
    /// It was folded.
    Done(Outcome),
    /// It could not be read and is quarantined with the next checkpoint.
    Quarantined(Reason),
    /// It was folded before: a second delivery.
    Stale,
    /// It was folded last, and is read once more to see whether the log is the same: it is.
    Known,
    /// It was folded before, and then it was another one: the log has changed.
    Foreign,
    /// Records are missing before it. Folding it would lose them, so it is refused.
    Gap { expected: i64 },
    /// The fold panicked. The state is not to be trusted: rebuild it without this record.
    Panicked { detail: String },
    /// The fold has to see rows of its own past first; the record is not folded yet.
    Due,
}

/// A partition in the hands of its owner.
#[derive(Debug)]
pub(crate) struct Partition<F: Fold> {
    pub(crate) id: i32,
    pub(crate) epoch: i64,
    fold: F,
    saved: i64,
    next: i64,
    /// Until the log has shown that it is the one that was folded.
    witness: Option<Witness>,
    delta: Delta,
    dead: Vec<DeadRecord>,
    /// Bytes of the deltas since the last snapshot, and of that snapshot, as stored.
    log_bytes: (usize, usize),
    /// Records on which the fold panicked, from the ledger's offset on.
    poison: BTreeMap<i64, Poison>,
    conservation: Conservation,
    /// The fold panicked half way: nothing of its state may leave.
    broken: bool,
    /// The fold has seen its own past since the last checkpoint, or has given up what waited for that. Folding the records
    /// once more would not give that, so the next checkpoint stores the whole state.
    amended: bool,
    shown: Shown,
    newest_received: Option<Micros>,
}

/// A state that was made from the ledger's database.
#[derive(Debug)]
pub(crate) struct Restored<F> {
    pub(crate) fold: F,
    pub(crate) next: i64,
    pub(crate) delta_bytes: usize,
    pub(crate) snapshot_bytes: usize,
}

/// What a checkpoint writes into the state log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogTurn {
    Delta,
    Snapshot,
}

/// The partition whose turn it is to write a snapshot: the most overdue one. Only one in a checkpoint, because partitions
/// grow alike and their snapshots, held at the same time, would double the memory of a worker.
pub(crate) fn snapshot_turn<F: Fold>(partitions: &[&mut Partition<F>]) -> Option<i32> {
    partitions
        .iter()
        .filter_map(|partition| Some((partition.snapshot_due()?, partition.id)))
        .max()
        .map(|(_, id)| id)
}

impl<F: Fold> Partition<F> {
    /// A partition as it is acquired: the state at the ledger's offset, a live view that is to be opened.
    pub(crate) fn acquired(id: i32, epoch: i64, restored: Restored<F>) -> Self {
        Self {
            id,
            epoch,
            fold: restored.fold,
            saved: restored.next,
            next: restored.next,
            witness: None,
            delta: Delta::new(restored.next),
            dead: Vec::new(),
            log_bytes: (restored.delta_bytes, restored.snapshot_bytes),
            poison: BTreeMap::new(),
            conservation: Conservation::new(restored.next, Canaries::default()),
            broken: false,
            amended: false,
            shown: Shown::unopened(restored.next),
            newest_received: None,
        }
    }

    /// With what the ledger knows about the gateways' canaries.
    pub(crate) fn with_canaries(mut self, canaries: Canaries) -> Self {
        self.conservation = Conservation::new(self.saved, canaries);
        self
    }

    /// With what the record before the ledger's offset must be.
    pub(crate) fn with_witness(mut self, witness: Option<Witness>) -> Self {
        self.witness = witness;
        self
    }

    /// What the ledger has.
    pub(crate) fn saved(&self) -> i64 {
        self.saved
    }

    /// What the ledger says of it while it is ours.
    pub(crate) fn entry(&self) -> LedgerEntry {
        LedgerEntry {
            epoch: self.epoch,
            next_offset: self.saved,
        }
    }

    /// What became of the records.
    pub(crate) fn conservation(&mut self) -> &mut Conservation {
        &mut self.conservation
    }

    /// Records in the ledger of which nobody knows what became.
    pub(crate) fn unaccounted(&self) -> i64 {
        self.conservation.unaccounted(self.saved)
    }

    /// Bytes of records that no checkpoint has taken yet.
    pub(crate) fn unsaved_bytes(&self) -> usize {
        self.delta.len_bytes()
    }

    /// Folds the record at `offset`.
    pub(crate) fn fold(
        &mut self,
        offset: i64,
        value: &[u8],
        quarantine: impl Fn(Rejection) -> DeadRecord,
    ) -> Folded {
        if offset < self.next {
            return self.hear(offset, value);
        }
        if offset > self.next {
            return Folded::Gap {
                expected: self.next,
            };
        }
        self.witness = None;
        let refused = match self.poison.get(&offset).copied() {
            Some(poison) => self.leave_out(offset, poison),
            None => match self.read(value) {
                Ok(Some(record)) => return self.apply(record, offset, value),
                Ok(None) => return Folded::Due,
                Err(rejection) => Ok(rejection),
            },
        };
        let rejection = match refused {
            Ok(rejection) => rejection,
            Err(detail) => return Folded::Panicked { detail },
        };
        let reason = rejection.reason;
        self.dead.push(quarantine(rejection));
        let canary = (reason == Reason::Poison).then(|| canary_of::<F>(value));
        self.conservation.quarantined(canary.flatten());
        self.delta.push(None);
        self.next += 1;
        Folded::Quarantined(reason)
    }

    /// A record from before: delivered a second time, or read once more to see whether it is the same.
    fn hear(&mut self, offset: i64, value: &[u8]) -> Folded {
        match self.witness.take_if(|witness| witness.is_of(offset)) {
            None => Folded::Stale,
            Some(witness) if witness.knows(value) => Folded::Known,
            Some(_) => Folded::Foreign,
        }
    }

    /// The record; `None` when the fold has to see its past before it. A panic in here has changed nothing of the state, so
    /// it refuses the record and no more.
    fn read(&self, value: &[u8]) -> Result<Option<F::Record>, Rejection> {
        let read = || {
            let record = F::decode(value)?;
            Ok((!self.fold.is_due(&record)).then_some(record))
        };
        guarded(read).unwrap_or_else(|_| Err(Poison::Record.rejection()))
    }

    fn apply(&mut self, record: F::Record, offset: i64, value: &[u8]) -> Folded {
        let (received, canary) = (F::received_at(&record), F::canary(&record));
        match guarded(|| self.fold.apply(record, offset)) {
            Ok(outcome) => {
                self.delta.push(Some(value));
                self.next += 1;
                self.conservation.folded(outcome, canary);
                self.newest_received = self.newest_received.max(received);
                Folded::Done(outcome)
            }
            Err(detail) => {
                self.broken = true;
                Folded::Panicked { detail }
            }
        }
    }

    /// Whether the ledger has everything that is folded, and no checkpoint is under way.
    pub(crate) fn is_saved(&self) -> bool {
        self.saved == self.next && self.delta.from() == self.next
    }

    /// How many bytes of deltas the next snapshot would replace, if they have outgrown the last one: so the cost of
    /// snapshots is amortised.
    pub(crate) fn snapshot_due(&self) -> Option<usize> {
        let (deltas, snapshot) = self.log_bytes;
        (deltas >= DELTA_BYTES_MIN.max(snapshot)).then_some(deltas)
    }

    /// The checkpoint that brings the ledger to the present offset; `None` when it is there.
    pub(crate) fn begin_checkpoint(&mut self, log: LogTurn) -> Option<Checkpoint<F::Rows>> {
        if self.broken || self.delta.from() == self.next {
            return None;
        }
        let rows = self.fold.drain_rows();
        let delta = std::mem::replace(&mut self.delta, Delta::new(self.next));
        let whole = std::mem::take(&mut self.amended);
        let log = self.log_write(&delta, if whole { LogTurn::Snapshot } else { log });
        let dead = std::mem::take(&mut self.dead);
        let last_dead = || dead.last().map(|dead| dead.payload.as_slice());
        let mark = delta.last().or_else(last_dead).map(witness::mark);
        self.shown.checkpoint_begins();
        Some(Checkpoint {
            partition: self.id,
            epoch: self.epoch,
            from: delta.from(),
            to: self.next,
            watermark: self.fold.watermark(),
            rows,
            log,
            dead,
            tally: self.conservation.take(),
            mark,
        })
    }

    fn log_write(&mut self, delta: &Delta, turn: LogTurn) -> LogWrite {
        if F::SMALL || turn == LogTurn::Snapshot {
            let bytes = lz4_flex::block::compress_prepend_size(&self.fold.snapshot());
            self.log_bytes = (0, bytes.len());
            return LogWrite::Snapshot(bytes);
        }
        let bytes = delta.compressed();
        self.log_bytes.0 += bytes.len();
        LogWrite::Delta(bytes)
    }

    /// The ledger is at `to`.
    pub(crate) fn checkpoint_saved(&mut self, to: i64) {
        self.saved = to;
        self.conservation.saved();
        self.poison.retain(|offset, _| *offset >= to);
        self.shown.checkpoint_saved();
    }

    /// What is to be written to Redis; `None` when it is all there.
    pub(crate) fn begin_flush(&mut self, with_visits: bool) -> Option<Flush> {
        if self.broken {
            return None;
        }
        let at = Standpoint {
            epoch: self.epoch,
            next: self.next,
            saved: self.saved,
            from: self.delta.from(),
        };
        let (generation, writes) = self.shown.begin_flush(&mut self.fold, at, with_visits)?;
        Some(Flush {
            partition: self.id,
            epoch: self.epoch,
            opens: generation.seq == 0,
            generation,
            writes,
            next_offset: self.next,
            newest_received: self.newest_received.take(),
            watermark: self.fold.watermark(),
        })
    }

    /// The flush stands in Redis as number `seq` of its generation, whose maps hold so many fields now.
    pub(crate) fn flush_done(&mut self, seq: u64, fields: u64) {
        self.shown.flush_done(seq, fields);
    }

    /// The flush does not stand in Redis: the next one writes everything.
    pub(crate) fn flush_lost(&mut self) {
        self.shown.flush_lost();
    }
}
