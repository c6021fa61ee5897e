//! One partition in memory: its fold, and every decision about it. No client in here, so that tests drive the same code
//! as the worker does.
//!
//! The offsets of a partition stand in this order, always:
//! `saved ≤ from ≤ next`: what the ledger has, what it has once the checkpoint under way is saved, what is folded.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use domain::canary::Canaries;
use domain::fold::{Fold, Outcome, Rows};
use domain::rejection::{Reason, Rejection};
use domain::time::Micros;

use super::conservation::Conservation;
use super::delta::Delta;
use super::job::{Checkpoint, DeadRecord, Flush, LedgerEntry, LogWrite};
use super::shown::{Shown, Standpoint};

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
    delta: Delta,
    dead: Vec<DeadRecord>,
    /// Bytes of the deltas since the last snapshot, and of that snapshot, as stored.
    log_bytes: (usize, usize),
    poison: BTreeSet<i64>,
    conservation: Conservation,
    /// The fold panicked half way: nothing of its state may leave.
    broken: bool,
    /// The fold has seen its own past since the last checkpoint. Folding the records once more would not give that, so the
    /// next checkpoint stores the whole state.
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
            delta: Delta::new(restored.next),
            dead: Vec::new(),
            log_bytes: (restored.delta_bytes, restored.snapshot_bytes),
            poison: BTreeSet::new(),
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
            return Folded::Stale;
        }
        if offset > self.next {
            return Folded::Gap {
                expected: self.next,
            };
        }
        let rejection = if self.poison.contains(&offset) {
            poison()
        } else {
            match F::decode(value) {
                Ok(record) if self.fold.is_due(&record) => return Folded::Due,
                Ok(record) => {
                    let (received, canary) = (F::received_at(&record), F::canary(&record));
                    let folded = catch_unwind(AssertUnwindSafe(|| self.fold.apply(record, offset)));
                    return match folded {
                        Ok(outcome) => {
                            self.delta.push(Some(value));
                            self.next += 1;
                            self.conservation.folded(outcome, canary);
                            self.newest_received = self.newest_received.max(received);
                            Folded::Done(outcome)
                        }
                        Err(panic) => {
                            self.broken = true;
                            Folded::Panicked {
                                detail: panic_text(panic.as_ref()),
                            }
                        }
                    };
                }
                Err(rejection) => rejection,
            }
        };
        let reason = rejection.reason;
        self.dead.push(quarantine(rejection));
        self.conservation.quarantined();
        self.delta.push(None);
        self.next += 1;
        Folded::Quarantined(reason)
    }

    /// Whether the ledger has everything that is folded, and no checkpoint is under way.
    pub(crate) fn is_saved(&self) -> bool {
        self.saved == self.next && self.delta.from() == self.next
    }

    /// What of its own past the fold has to see before the next record.
    pub(crate) fn wants(&self) -> <F::Rows as Rows>::Want {
        self.fold.wants()
    }

    /// Gives the fold its past, which was read when the ledger had everything, on behalf of the next record. Says what else it
    /// wants; `None` when the record can be folded.
    ///
    /// # Errors
    /// The panic of a fold: rebuild its state without this record.
    pub(crate) fn amend(
        &mut self,
        past: <F::Rows as Rows>::Past,
        value: &[u8],
    ) -> Result<Option<<F::Rows as Rows>::Want>, String> {
        debug_assert!(self.is_saved(), "the rows are those of the state");
        let Ok(record) = F::decode(value) else {
            return Ok(None);
        };
        let offset = self.next;
        let amended = catch_unwind(AssertUnwindSafe(|| self.fold.amend(past, &record, offset)));
        match amended {
            Ok(Some(more)) => Ok(Some(more)),
            Ok(None) => {
                self.amended = true;
                self.shown.hold();
                Ok(None)
            }
            Err(panic) => {
                self.broken = true;
                Err(panic_text(panic.as_ref()))
            }
        }
    }

    /// Makes the state again after a panic at `poison`: `restored` is the state at the ledger's offset, and the records
    /// since then are folded once more. The record itself will be quarantined when it comes again.
    pub(crate) fn rebuild(&mut self, restored: Restored<F>, poison: i64) {
        debug_assert_eq!(
            restored.next,
            self.delta.from(),
            "no checkpoint is under way"
        );
        self.fold = restored.fold;
        let fold = &mut self.fold;
        self.delta.for_each(|offset, value| {
            if let Some(record) = value.and_then(|value| F::decode(value).ok()) {
                fold.apply(record, offset);
            }
        });
        self.broken = false;
        self.amended = false;
        self.poison.insert(poison);
        self.shown.begin_anew();
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
        self.shown.checkpoint_begins();
        Some(Checkpoint {
            partition: self.id,
            epoch: self.epoch,
            from: delta.from(),
            to: self.next,
            watermark: self.fold.watermark(),
            rows,
            log,
            dead: std::mem::take(&mut self.dead),
            tally: self.conservation.take(),
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
        self.poison.retain(|offset| *offset >= to);
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
            is_saved: self.is_saved(),
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

/// Why a record that made the fold panic is in quarantine.
pub(crate) fn poison() -> Rejection {
    Rejection::new(Reason::Poison, "the fold panicked on this record")
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}
