//! The exceptions in the life of a partition: its fold has to see its own past, or panics, and its state is made again.

use chassis::guard::guarded;
use domain::fold::{Fold, Rows};
use domain::rejection::Rejection;

use super::{Partition, Restored};
use crate::engine::poison::Poison;

impl<F: Fold> Partition<F> {
    /// What of its own past the fold has to see before the next record.
    ///
    /// # Errors
    /// As with [`Partition::amend`].
    pub(crate) fn wants(&mut self) -> Result<<F::Rows as Rows>::Want, String> {
        let wanted = guarded(|| self.fold.wants());
        wanted.inspect_err(|_| self.give_up_at(self.next))
    }

    /// Gives the fold its past, which was read when the ledger had everything, on behalf of the next record. Says what else it
    /// wants; `None` when the record can be folded.
    ///
    /// # Errors
    /// The panic of a fold: rebuild its state. What waited for the record is given up then.
    pub(crate) fn amend(
        &mut self,
        past: <F::Rows as Rows>::Past,
        value: &[u8],
    ) -> Result<Option<<F::Rows as Rows>::Want>, String> {
        debug_assert!(self.is_saved(), "the rows are those of the state");
        let offset = self.next;
        let amend = || {
            let record = F::decode(value).ok()?;
            self.fold.amend(past, &record, offset)
        };
        let more = guarded(amend).inspect_err(|_| self.give_up_at(offset))?;
        if more.is_none() {
            self.amended = true;
            self.shown.hold();
        }
        Ok(more)
    }

    fn give_up_at(&mut self, offset: i64) {
        self.broken = true;
        self.poison.insert(offset, Poison::Waiting);
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
        self.amended = false;
        let (fold, amended, known) = (&mut self.fold, &mut self.amended, &self.poison);
        self.delta.for_each(|offset, value| {
            if let Some(record) = value.and_then(|value| F::decode(value).ok()) {
                fold.apply(record, offset);
            } else if known.get(&offset) == Some(&Poison::Waiting) {
                fold.give_up();
                *amended = true;
            }
        });
        self.broken = false;
        self.poison.entry(poison).or_insert(Poison::Record);
        self.shown.begin_anew();
    }

    /// Does what is left to do about a record that is left out.
    pub(super) fn leave_out(&mut self, offset: i64, poison: Poison) -> Result<Rejection, String> {
        if poison == Poison::Waiting {
            if let Err(detail) = guarded(|| self.fold.give_up()) {
                self.broken = true;
                self.poison.insert(offset, Poison::Record);
                return Err(detail);
            }
            self.amended = true;
        }
        Ok(poison.rejection())
    }
}
