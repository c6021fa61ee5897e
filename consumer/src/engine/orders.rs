//! What the member shall do with its Kafka client after a turn of its owner.

use std::collections::BTreeMap;

use domain::fold::Fold;
use tracing::{info, warn};

use super::owner::Owner;
use super::partition::Partition;
use super::slot::Slot;
use crate::store::checkpoint::RowStatement;

/// Collected within one turn, carried out after it.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    /// By partition, whether its records shall flow. Within a turn one partition may be let go and held again: the last word
    /// counts, or it would go on fetching while it waits.
    flowing: BTreeMap<i32, bool>,
    /// Partition and offset, for lag tools and autoscaling.
    pub(crate) commit: Vec<(i32, i64)>,
}

impl Orders {
    /// Nothing of this partition shall come.
    pub(super) fn pause(&mut self, partition: i32) {
        self.flowing.insert(partition, false);
    }

    /// Records of this partition shall come again.
    pub(super) fn resume(&mut self, partition: i32) {
        self.flowing.insert(partition, true);
    }

    /// The partitions to pause.
    pub(crate) fn to_pause(&self) -> Vec<i32> {
        self.that(false)
    }

    /// The partitions to resume.
    pub(crate) fn to_resume(&self) -> Vec<i32> {
        self.that(true)
    }

    fn that(&self, wanted: bool) -> Vec<i32> {
        let flowing = self.flowing.iter();
        flowing
            .filter(|(_, flows)| **flows == wanted)
            .map(|(partition, _)| *partition)
            .collect()
    }
}

impl<F: Fold> Owner<F>
where
    F::Rows: RowStatement,
{
    /// Pauses every partition while too much is unsaved, and resumes when half of it is gone.
    pub(super) fn hold_back(&mut self) {
        let active = self.slots.values().filter_map(Slot::active);
        let unsaved: usize = active.map(Partition::unsaved_bytes).sum();
        let unsaved = unsaved + self.duties.bytes_under_way();
        let max = self.shared.unsaved_bytes_max;
        if !self.holding_back && unsaved > max {
            warn!(
                store.unsaved_bytes = unsaved,
                "{}: {unsaved} bytes wait for Postgres, more than {max}: Kafka holds the rest",
                F::NAME
            );
            self.holding_back = true;
            for id in self.active() {
                self.orders.pause(id);
            }
        } else if self.holding_back && unsaved < max / 2 {
            info!("{}: going on", F::NAME);
            self.holding_back = false;
            for id in self.active() {
                self.orders.resume(id);
            }
        }
    }

    /// Lets the records of a partition come that had to wait for something of its own; not while all partitions wait.
    pub(super) fn let_flow(&mut self, id: i32) {
        if self.holding_back {
            self.orders.pause(id);
        } else {
            self.orders.resume(id);
        }
    }

    fn active(&self) -> Vec<i32> {
        let slots = self.slots.iter();
        slots
            .filter_map(|(id, slot)| slot.active().map(|_| *id))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_a_turn_counts() {
        let mut orders = Orders::default();
        orders.resume(1);
        orders.pause(1);
        orders.pause(2);
        orders.resume(2);
        orders.pause(3);
        assert_eq!(
            (orders.to_pause(), orders.to_resume()),
            (vec![1, 3], vec![2])
        );
    }
}
