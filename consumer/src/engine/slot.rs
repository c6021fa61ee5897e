//! Where a partition of a worker is in its life.

use std::collections::BTreeMap;
use std::time::Instant;

use domain::canary::Canaries;
use domain::fold::{Fold, Rows};
use domain::time::Micros;
use tokio::task::JoinHandle;

use super::job::LedgerEntry;
use super::owner::Polled;
use super::partition::{Partition, Restored};
use super::stop::Stop;
use crate::store::ledger::{Acquired, LoadError};
use crate::store::past::PastError;

/// A partition in the hands of this worker.
#[derive(Debug)]
pub(crate) enum Slot<F: Fold> {
    /// Its state is being made; Kafka holds its records back.
    Loading {
        entry: Acquired,
        /// When the group assigned it.
        since: Instant,
        canaries: Canaries,
        task: JoinHandle<Result<Restored<F>, LoadError>>,
    },
    /// Records are folded.
    Active(Box<Partition<F>>),
    /// The fold panicked at `poison`; the records since then wait until the state is made again.
    Rebuilding(Box<Rebuilding<F>>),
    /// The fold has to see rows of its own past; the records since then wait.
    Amending(Box<Amending<F>>),
    /// It cannot go on without a person, who is told why.
    Stopped { stop: Stop, entry: LedgerEntry },
}

#[derive(Debug)]
pub(crate) struct Rebuilding<F: Fold> {
    pub(crate) partition: Box<Partition<F>>,
    pub(crate) poison: i64,
    pub(crate) task: Option<JoinHandle<Result<Restored<F>, LoadError>>>,
    pub(crate) waiting: Vec<Waiting>,
}

/// See [`super::amend`].
#[derive(Debug)]
pub(crate) struct Amending<F: Fold> {
    pub(crate) partition: Box<Partition<F>>,
    pub(crate) stage: Stage<F>,
    /// The first is the record for which it has to.
    pub(crate) waiting: Vec<Waiting>,
}

#[derive(Debug)]
pub(crate) enum Stage<F: Fold> {
    /// The ledger is brought to the present offset, so that the rows are those of the state.
    Saving,
    /// The rows are read.
    Reading(JoinHandle<Result<<F::Rows as Rows>::Past, PastError>>),
    /// The record is folded; the ledger is brought to the offset after it.
    Settling,
}

#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) offset: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Vec<u8>,
    pub(crate) timestamp: Micros,
}

/// The active partitions among some slots.
pub(crate) struct Active<'a, F: Fold> {
    pub(crate) slots: &'a mut BTreeMap<i32, Slot<F>>,
}

impl<F: Fold> Active<'_, F> {
    pub(crate) fn partitions(&mut self) -> Vec<&mut Partition<F>> {
        self.slots
            .values_mut()
            .filter_map(|slot| match slot {
                Slot::Active(partition) => Some(&mut **partition),
                // A checkpoint of it may still be under way; it begins none itself.
                Slot::Rebuilding(rebuilding) => Some(&mut *rebuilding.partition),
                Slot::Amending(amending) => Some(&mut *amending.partition),
                _ => None,
            })
            .collect()
    }
}

/// Which partitions are stopped, and why the first of them is. `None` while all of them go on.
pub(crate) fn standstill<F: Fold>(slots: &BTreeMap<i32, Slot<F>>) -> Option<String> {
    let mut stopped = slots.iter().filter_map(|(id, slot)| match slot {
        Slot::Stopped { stop, .. } => Some((id, &stop.why)),
        _ => None,
    });
    let (first, why) = stopped.next()?;
    let more = match stopped.count() {
        0 => String::new(),
        more => format!(" ({more} more of {} are stopped too)", slots.len()),
    };
    Some(format!("partition {first} is stopped: {why}{more}"))
}

impl<F: Fold> Slot<F> {
    pub(crate) fn active(&self) -> Option<&Partition<F>> {
        match self {
            Self::Active(partition) => Some(partition),
            _ => None,
        }
    }
}

impl Waiting {
    pub(crate) fn from(polled: Polled<'_>) -> Self {
        Self {
            offset: polled.offset,
            key: polled.key.map(<[u8]>::to_vec),
            value: polled.value.to_vec(),
            timestamp: polled.timestamp,
        }
    }

    pub(crate) fn as_polled(&self, partition: i32) -> Polled<'_> {
        Polled {
            partition,
            offset: self.offset,
            key: self.key.as_deref(),
            value: &self.value,
            timestamp: self.timestamp,
        }
    }
}
