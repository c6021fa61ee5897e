//! Checkpoints on their way into the ledger: which are still to be written, and what became of the others.

use super::job::{Checkpoint, LedgerEntry, Verdict, judge_checkpoint};

/// A partition, the offset its checkpoint goes to, and what became of it.
pub(crate) type Saved = (i32, i64, Verdict);

/// The checkpoints of one worker until something is known of each.
#[derive(Debug)]
pub(crate) struct Saving<R> {
    waiting: Vec<Checkpoint<R>>,
    verdicts: Vec<Saved>,
}

impl<R> Saving<R> {
    pub(crate) fn new(mut checkpoints: Vec<Checkpoint<R>>) -> Self {
        // Two workers that write the same partitions (one is a zombie) take the locks in the same order.
        checkpoints.sort_unstable_by_key(|checkpoint| checkpoint.partition);
        Self {
            verdicts: Vec::with_capacity(checkpoints.len()),
            waiting: checkpoints,
        }
    }

    /// What is to be written, again if need be: the compare-and-set makes that safe.
    pub(crate) fn waiting(&self) -> &[Checkpoint<R>] {
        &self.waiting
    }

    /// The partitions of which the ledger is to be asked.
    pub(crate) fn partitions(&self) -> Vec<i32> {
        self.waiting
            .iter()
            .map(|checkpoint| checkpoint.partition)
            .collect()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The statement says that it moved these partitions.
    pub(crate) fn moved(&mut self, partitions: &[i32]) {
        self.take(|checkpoint| {
            partitions
                .contains(&checkpoint.partition)
                .then_some(Verdict::Saved)
        });
    }

    /// The statement was refused, or its reply was lost: this is what the ledger says.
    pub(crate) fn judge(&mut self, ledger: &[(i32, LedgerEntry)]) {
        self.take(|checkpoint| {
            let (_, entry) = ledger
                .iter()
                .find(|(partition, _)| *partition == checkpoint.partition)?;
            let verdict =
                judge_checkpoint(checkpoint.epoch, checkpoint.from, checkpoint.to, *entry);
            (verdict != Verdict::Again).then_some(verdict)
        });
    }

    pub(crate) fn verdicts(self) -> Vec<Saved> {
        self.verdicts
    }

    /// Moves the checkpoints of which `judge` knows the verdict.
    fn take(&mut self, judge: impl Fn(&Checkpoint<R>) -> Option<Verdict>) {
        let verdicts = &mut self.verdicts;
        self.waiting.retain(|checkpoint| match judge(checkpoint) {
            Some(verdict) => {
                verdicts.push((checkpoint.partition, checkpoint.to, verdict));
                false
            }
            None => true,
        });
    }
}
