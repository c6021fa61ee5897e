//! What a member counts and reports. Handles are made once: no label is looked up per record.

use std::time::Duration;

use domain::fold::Outcome;
use domain::rejection::Reason;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::metrics as name;

/// Counters of one worker.
#[derive(Debug)]
pub(crate) struct Watch {
    fold: &'static str,
    outcomes: Vec<(Outcome, Counter, u64)>,
    ignored: Counter,
    fenced: Counter,
    checkpoint: Histogram,
    assigned: Gauge,
    /// Whether the group has given us an assignment, be it an empty one.
    pub(crate) joined: bool,
}

impl Watch {
    pub(crate) fn new(fold: &'static str, worker: usize) -> Self {
        let worker = worker.to_string();
        let outcome = |outcome: Outcome| {
            let counted = counter!(name::RECORDS, "fold" => fold, "outcome" => outcome.as_str());
            (outcome, counted, 0)
        };
        Self {
            fold,
            outcomes: Outcome::ALL.into_iter().map(outcome).collect(),
            ignored: counter!(name::RECORDS, "fold" => fold, "outcome" => "stale"),
            fenced: counter!(name::FENCED, "fold" => fold),
            checkpoint: histogram!(name::CHECKPOINT_SECONDS, "fold" => fold),
            assigned: gauge!(name::ASSIGNED, "fold" => fold, "worker" => worker),
            joined: false,
        }
    }

    /// A record was folded. Counted here and handed to the recorder by [`Watch::report`].
    pub(crate) fn folded(&mut self, outcome: Outcome) {
        if let Some((.., n)) = self
            .outcomes
            .iter_mut()
            .find(|(known, ..)| *known == outcome)
        {
            *n += 1;
        }
    }

    pub(crate) fn quarantined(&self, reason: Reason) {
        counter!(name::QUARANTINED, "fold" => self.fold, "reason" => reason.as_str()).increment(1);
    }

    pub(crate) fn ignored(&self) {
        self.ignored.increment(1);
    }

    pub(crate) fn fenced(&self) {
        self.fenced.increment(1);
    }

    pub(crate) fn stopped(&self, partition: i32) {
        gauge!(name::STOPPED, "fold" => self.fold, "partition" => partition.to_string()).set(1.0);
    }

    /// The partition left this worker, stopped or not.
    pub(crate) fn not_stopped_here(&self, partition: i32) {
        gauge!(name::STOPPED, "fold" => self.fold, "partition" => partition.to_string()).set(0.0);
    }

    pub(crate) fn checkpointed(&self, took: Duration) {
        self.checkpoint.record(took.as_secs_f64());
    }

    /// Hands what was counted to the recorder; says how many records there were, by outcome.
    #[expect(clippy::cast_precision_loss, reason = "a worker has few partitions")]
    pub(crate) fn report(&mut self, assigned: usize) -> Vec<(Outcome, u64)> {
        self.assigned.set(assigned as f64);
        self.outcomes
            .iter_mut()
            .map(|(outcome, counted, n)| {
                counted.increment(*n);
                (*outcome, std::mem::take(n))
            })
            .collect()
    }
}
