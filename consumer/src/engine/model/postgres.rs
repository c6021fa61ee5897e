//! Postgres as the protocol sees it: one statement moves a partition's ledger and everything that belongs to it.

use std::collections::BTreeSet;

use domain::fold::Fold;

use super::mutant::Mutant;
use super::subject::{Key, PANE, Row, Subject, Table};
use crate::engine::job::{Checkpoint, LedgerEntry, LogWrite};
use crate::engine::partition::Restored;
use crate::store::ledger::{Acquired, Kind, LoadError, Logged, restore};

/// What the tables hold of one partition.
#[derive(Clone, Debug, Default)]
pub(super) struct Stored {
    pub(super) epoch: i64,
    pub(super) next: i64,
    /// Of how many records it says what became of them.
    pub(super) accounted: i64,
    /// Who the model knows to own it.
    pub(super) holder: u64,
    pub(super) rows: Table,
    pub(super) dead: BTreeSet<i64>,
    log: Vec<Logged>,
}

/// The database, with a backup of it.
#[derive(Debug, Default)]
pub(super) struct Postgres {
    mutant: Option<Mutant>,
    pub(super) partitions: Vec<Stored>,
    backup: Option<Vec<Stored>>,
    /// How often it was restored.
    pub(super) restores: u64,
}

/// The values of a checkpoint as they go over the wire.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) partition: usize,
    pub(super) holder: u64,
    epoch: i64,
    from: i64,
    to: i64,
    /// Records by what became of them, all together.
    records: i64,
    pub(super) rows: Vec<(Key, Option<Row>)>,
    log: Logged,
    dead: Vec<i64>,
}

impl Statement {
    pub(super) fn new<S: Subject>(checkpoint: &Checkpoint<S::Rows>, holder: u64) -> Self {
        let (kind, blob) = match &checkpoint.log {
            LogWrite::Delta(blob) => (Kind::Delta, blob),
            LogWrite::Snapshot(blob) => (Kind::Snapshot, blob),
        };
        Self {
            partition: index(checkpoint.partition),
            holder,
            epoch: checkpoint.epoch,
            from: checkpoint.from,
            to: checkpoint.to,
            records: checkpoint.tally.counts.total(),
            rows: S::rows(&checkpoint.rows),
            log: Logged {
                kind,
                to_offset: checkpoint.to,
                blob: blob.clone(),
            },
            dead: checkpoint.dead.iter().map(|dead| dead.offset).collect(),
        }
    }
}

/// Partitions are numbered from zero.
pub(super) fn index(partition: i32) -> usize {
    usize::try_from(partition).unwrap()
}

impl Postgres {
    pub(super) fn new(partitions: usize, mutant: Option<Mutant>) -> Self {
        Self {
            mutant,
            partitions: vec![Stored::default(); partitions],
            ..Self::default()
        }
    }

    pub(super) fn back_up(&mut self) {
        self.backup = Some(self.partitions.clone());
    }

    /// Goes back to the backup; says whether there is one.
    pub(super) fn restore(&mut self) -> bool {
        let Some(backup) = &self.backup else {
            return false;
        };
        self.partitions = backup.clone();
        self.restores += 1;
        true
    }

    /// The `update` of `Ledger::acquire`; it is later with every owner.
    pub(super) fn acquire<F: Fold>(&mut self, partition: i32, holder: u64) -> Acquired {
        let stored = &mut self.partitions[index(partition)];
        stored.epoch += 1;
        if self.mutant != Some(Mutant::EpochReused) {
            stored.epoch = stored.epoch.max(i64::try_from(holder).unwrap());
        }
        stored.holder = holder;
        Acquired {
            partition,
            epoch: stored.epoch,
            next_offset: stored.next,
            accounted_offset: stored.accounted,
            fold_version: F::VERSION,
            mark: None,
        }
    }

    /// `Ledger::read`.
    pub(super) fn read(&self, partitions: &[i32]) -> Vec<(i32, LedgerEntry)> {
        partitions
            .iter()
            .map(|id| {
                let stored = &self.partitions[index(*id)];
                let entry = LedgerEntry {
                    epoch: stored.epoch,
                    next_offset: stored.next,
                };
                (*id, entry)
            })
            .collect()
    }

    /// `Ledger::load`: the newest snapshot up to the offset and the deltas after it, put together by the real code.
    pub(super) fn load<F: Fold>(
        &self,
        partition: i32,
        next: i64,
        config: &F::Config,
    ) -> Result<Restored<F>, LoadError> {
        let until = |logged: &&Logged| logged.to_offset <= next;
        let log = &self.partitions[index(partition)].log;
        let from = log
            .iter()
            .filter(until)
            .filter(|logged| logged.kind == Kind::Snapshot)
            .map(|logged| logged.to_offset)
            .max()
            .unwrap_or(0);
        let log: Vec<_> = log
            .iter()
            .filter(until)
            .filter(|logged| logged.to_offset >= from)
            .cloned()
            .collect();
        restore(partition, next, &log, config)
    }

    /// The statement of `store::checkpoint`; says which partitions moved.
    pub(super) fn execute(&mut self, statements: &[Statement]) -> Vec<i32> {
        let mut moved = Vec::new();
        for statement in statements {
            let mutant = self.mutant;
            let stored = &mut self.partitions[statement.partition];
            let epoch = stored.epoch == statement.epoch || mutant == Some(Mutant::NoEpoch);
            let offset = stored.next == statement.from || mutant == Some(Mutant::NoOffset);
            let is_moved = epoch && offset;
            if is_moved {
                stored.next = statement.to;
                stored.accounted += statement.records;
                stored.keep(statement, mutant);
                moved.push(i32::try_from(statement.partition).unwrap());
            }
            if is_moved || mutant == Some(Mutant::RowsOutside) {
                stored.upsert(&statement.rows, mutant);
            }
            if is_moved || mutant == Some(Mutant::DeadLettersOutside) {
                stored.dead.extend(&statement.dead);
            }
        }
        moved
    }
}

impl Stored {
    fn keep(&mut self, statement: &Statement, mutant: Option<Mutant>) {
        if statement.log.kind == Kind::Snapshot {
            self.log.retain(|logged| logged.to_offset >= statement.to);
        } else if mutant == Some(Mutant::DeltaNotLogged) && statement.rows.is_empty() {
            return;
        }
        self.log.push(statement.log.clone());
        self.log.sort_by_key(|logged| logged.to_offset);
    }

    fn upsert(&mut self, rows: &[(Key, Option<Row>)], mutant: Option<Mutant>) {
        for (key, row) in rows {
            let Some(row) = row else {
                self.rows.remove(key);
                continue;
            };
            let mut row = row.clone();
            if mutant == Some(Mutant::PaneAdded) && key[0] == PANE {
                row.n += self.rows.get(key).map_or(0, |old| old.n);
            }
            self.rows.insert(key.clone(), row);
        }
    }
}
