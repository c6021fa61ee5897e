//! Before a fold goes on, it sometimes has to see rows of its own past: events that come late change what has left memory.
//!
//! The records of the partition wait meanwhile. First the ledger is brought to the present offset, so that the rows in the
//! database are those of the state; then they are read and given to the fold, as often as it asks; then the record is folded,
//! and the ledger is brought to the offset after it. So whatever happens in between, the state of the ledger is one that
//! folding the log gives, and no record that was folded after an amendment is in a delta together with it.
//!
//! A fold that panics on what waited would do so again with every record that is due. So it gives up what waited, and the record
//! stands in quarantine for it ([`super::poison::Poison::Waiting`]).

use domain::fold::{Fold, Rows};
use tokio::task::JoinHandle;

use super::owner::{Owner, Polled};
use super::partition::Partition;
use super::slot::{Amending, Rebuilding, Slot, Stage, Waiting};
use crate::store::checkpoint::RowStatement;
use crate::store::past::PastError;
use crate::store::pause::Pause;

type PastTask<F> = JoinHandle<Result<<<F as Fold>::Rows as Rows>::Past, PastError>>;

impl<F: Fold> Owner<F>
where
    F::Rows: RowStatement,
{
    /// The fold has to see its own past before it folds this record.
    pub(super) fn begin_amend(&mut self, polled: Polled<'_>) {
        let Some(Slot::Active(partition)) = self.slots.remove(&polled.partition) else {
            return;
        };
        let amending = Amending {
            partition,
            stage: Stage::Saving,
            waiting: vec![Waiting::from(polled)],
        };
        self.slots
            .insert(polled.partition, Slot::Amending(Box::new(amending)));
        self.orders.pause(polled.partition);
    }

    /// Goes on with amending, as far as it can without waiting.
    pub(super) fn settle_amends(&mut self) {
        let ids: Vec<i32> = self
            .slots
            .iter()
            .filter(|(_, slot)| matches!(slot, Slot::Amending(_)))
            .map(|(partition, _)| *partition)
            .collect();
        for id in ids {
            if let Some(Slot::Amending(amending)) = self.slots.remove(&id) {
                self.settle_amend(id, *amending);
            }
        }
    }

    fn settle_amend(&mut self, id: i32, mut amending: Amending<F>) {
        match amending.stage {
            Stage::Saving | Stage::Settling if !amending.partition.is_saved() => {
                self.duties.hurry();
            }
            Stage::Saving => match amending.partition.wants() {
                Ok(want) => {
                    let task = self.read_past(&amending.partition, want);
                    amending.stage = Stage::Reading(task);
                }
                Err(detail) => return self.rebuild_instead(id, amending, &detail),
            },
            Stage::Reading(task) if task.is_finished() => {
                amending.stage = Stage::Saving;
                return match self.shared.handle.block_on(task) {
                    Ok(Ok(past)) => self.give_past(id, amending, past),
                    Ok(Err(cause @ PastError::Unreadable { .. })) => {
                        let entry = amending.partition.entry();
                        self.stop(id, entry, cause.into());
                    }
                    Ok(Err(cause)) => self.fail(format!("partition {id}: {cause}")),
                    Err(cause) => self.fail(format!("reading the past of partition {id}: {cause}")),
                };
            }
            Stage::Reading(_) => {}
            Stage::Settling => {
                self.slots.insert(id, Slot::Active(amending.partition));
                self.let_flow(id);
                for waiting in &amending.waiting {
                    self.record(waiting.as_polled(id));
                }
                return;
            }
        }
        self.slots.insert(id, Slot::Amending(Box::new(amending)));
    }

    /// Reads rows for as long as it takes; gives up only when they are not ours any more.
    fn read_past(&self, partition: &Partition<F>, want: <F::Rows as Rows>::Want) -> PastTask<F> {
        let ledger = self.shared.ledger.clone();
        let (id, entry) = (partition.id, partition.entry());
        self.shared.handle.spawn(async move {
            let mut pause = Pause::default();
            loop {
                match ledger.past::<F::Rows>(id, entry, want.clone()).await {
                    Err(PastError::Database(error)) => {
                        pause.wait(&error, "reading rows of the past").await;
                    }
                    outcome => return outcome,
                }
            }
        })
    }

    fn give_past(&mut self, id: i32, mut amending: Amending<F>, past: <F::Rows as Rows>::Past) {
        let first = &amending.waiting[0];
        match amending.partition.amend(past, &first.value) {
            Ok(Some(more)) => {
                amending.stage = Stage::Reading(self.read_past(&amending.partition, more));
                self.slots.insert(id, Slot::Amending(Box::new(amending)));
            }
            Ok(None) => self.fold_first(id, amending),
            Err(detail) => self.rebuild_instead(id, amending, &detail),
        }
    }

    /// The fold panicked on what waited: its state is made again, and it gives that up.
    fn rebuild_instead(&mut self, id: i32, amending: Amending<F>, detail: &str) {
        let rebuilding = Rebuilding {
            partition: amending.partition,
            poison: amending.waiting[0].offset,
            task: None,
            waiting: amending.waiting,
        };
        self.say_panicked(id, rebuilding.poison, detail);
        self.slots
            .insert(id, Slot::Rebuilding(Box::new(rebuilding)));
    }

    /// Folds the record for which the past was needed; the others wait until the ledger has it.
    fn fold_first(&mut self, id: i32, amending: Amending<F>) {
        let Amending {
            partition,
            mut waiting,
            ..
        } = amending;
        let rest = waiting.split_off(1);
        self.slots.insert(id, Slot::Active(partition));
        self.record(waiting[0].as_polled(id));
        match self.slots.remove(&id) {
            Some(Slot::Active(partition)) => {
                let amending = Amending {
                    partition,
                    stage: Stage::Settling,
                    waiting: rest,
                };
                self.slots.insert(id, Slot::Amending(Box::new(amending)));
                self.duties.hurry();
            }
            Some(Slot::Rebuilding(mut rebuilding)) => {
                rebuilding.waiting.extend(rest);
                self.slots.insert(id, Slot::Rebuilding(rebuilding));
            }
            other => self.slots.extend(other.map(|slot| (id, slot))),
        }
    }
}
