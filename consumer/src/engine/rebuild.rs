//! After a fold panicked: the state is made again from the ledger, without the record that did it.

use domain::fold::Fold;
use tokio::task::JoinHandle;
use tracing::error;

use super::owner::{Owner, Polled};
use super::partition::Restored;
use super::slot::{Rebuilding, Slot, Waiting};
use crate::store::checkpoint::RowStatement;
use crate::store::ledger::{Acquired, LoadError};

impl<F: Fold> Owner<F>
where
    F::Rows: RowStatement,
{
    /// The state of the partition is not to be trusted: it is made again from the ledger, without this record.
    pub(super) fn begin_rebuild(&mut self, polled: Polled<'_>, detail: &str) {
        self.say_panicked(polled.partition, polled.offset, detail);
        if let Some(Slot::Active(partition)) = self.slots.remove(&polled.partition) {
            let waiting = vec![Waiting::from(polled)];
            let rebuilding = Rebuilding {
                partition,
                poison: polled.offset,
                task: None,
                waiting,
            };
            self.slots
                .insert(polled.partition, Slot::Rebuilding(Box::new(rebuilding)));
            self.orders.pause(polled.partition);
        }
    }

    pub(super) fn say_panicked(&self, partition: i32, offset: i64, detail: &str) {
        error!(
            kafka.partition = partition,
            kafka.offset = offset,
            "{}: the fold panicked at {partition}:{offset} ({detail}); rebuilding without it",
            F::NAME
        );
    }

    /// Goes on with rebuilding: first no checkpoint of the partition may be under way, then its state is loaded.
    pub(super) fn settle_rebuilds(&mut self) {
        let ids: Vec<i32> = self
            .slots
            .iter()
            .filter(|(_, slot)| matches!(slot, Slot::Rebuilding(_)))
            .map(|(partition, _)| *partition)
            .collect();
        if self.duties.is_checkpointing() {
            return;
        }
        for id in ids {
            let Some(Slot::Rebuilding(mut rebuilding)) = self.slots.remove(&id) else {
                continue;
            };
            let entry = Acquired {
                partition: id,
                epoch: rebuilding.partition.epoch,
                next_offset: rebuilding.partition.saved(),
                accounted_offset: rebuilding.partition.saved(),
                fold_version: F::VERSION,
                mark: None,
            };
            match rebuilding.task.take() {
                None => rebuilding.task = Some(self.load(entry)),
                Some(task) if !task.is_finished() => rebuilding.task = Some(task),
                Some(task) => {
                    self.finish_rebuild(id, *rebuilding, task);
                    continue;
                }
            }
            self.slots.insert(id, Slot::Rebuilding(rebuilding));
        }
    }

    fn finish_rebuild(
        &mut self,
        id: i32,
        mut rebuilding: Rebuilding<F>,
        task: JoinHandle<Result<Restored<F>, LoadError>>,
    ) {
        match self.shared.handle.block_on(task) {
            Ok(Ok(restored)) => rebuilding.partition.rebuild(restored, rebuilding.poison),
            Ok(Err(cause)) => {
                let entry = rebuilding.partition.entry();
                return self.without_state(id, entry, cause);
            }
            Err(cause) => return self.fail(format!("rebuilding partition {id} ended: {cause}")),
        }
        self.slots.insert(id, Slot::Active(rebuilding.partition));
        self.let_flow(id);
        for waiting in &rebuilding.waiting {
            self.record(waiting.as_polled(id));
        }
    }
}
