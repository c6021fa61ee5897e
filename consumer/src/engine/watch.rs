//! What a member counts and reports. Handles are made once: no label is looked up per record.

use std::time::Duration;

use domain::canary::Flight;
use domain::fold::Outcome;
use domain::rejection::Reason;
use domain::time::Micros;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use super::stop::StopReason;
use crate::metrics as name;

/// Counters of one worker.
#[derive(Debug)]
pub(crate) struct Watch {
    fold: &'static str,
    topic: String,
    outcomes: Vec<(Outcome, Counter, u64)>,
    ignored: Counter,
    fenced: Counter,
    canary_gaps: Counter,
    checkpoint: Histogram,
    acquire: Histogram,
    assigned: Gauge,
    /// Whether the group has given us an assignment, be it an empty one.
    pub(crate) joined: bool,
}

impl Watch {
    pub(crate) fn new(fold: &'static str, topic: &str, worker: usize) -> Self {
        let worker = worker.to_string();
        let outcome = |outcome: Outcome| {
            let counted = counter!(name::RECORDS, "fold" => fold, "outcome" => outcome.as_str());
            (outcome, counted, 0)
        };
        Self {
            fold,
            topic: topic.to_owned(),
            outcomes: Outcome::ALL.into_iter().map(outcome).collect(),
            ignored: counter!(name::RECORDS, "fold" => fold, "outcome" => "stale"),
            fenced: counter!(name::FENCED, "fold" => fold),
            canary_gaps: counter!(name::CANARY_GAPS, "topic" => topic.to_owned()),
            checkpoint: histogram!(name::CHECKPOINT_SECONDS, "fold" => fold),
            acquire: histogram!(name::ACQUIRE_SECONDS, "fold" => fold),
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

    pub(crate) fn stopped(&self, partition: i32, reason: StopReason) {
        self.stop_gauge(partition.to_string(), reason).set(1.0);
    }

    /// The partition left this worker.
    pub(crate) fn not_stopped_here(&self, partition: i32, reason: StopReason) {
        self.stop_gauge(partition.to_string(), reason).set(0.0);
    }

    /// Why nothing at all is consumed, if so.
    pub(crate) fn kept_out(&self, found: Option<StopReason>) {
        for reason in [StopReason::AnotherLog, StopReason::TwoLedgers] {
            let gauge = self.stop_gauge("all".to_owned(), reason);
            gauge.set(f64::from(u8::from(found == Some(reason))));
        }
    }

    fn stop_gauge(&self, partition: String, reason: StopReason) -> Gauge {
        gauge!(name::STOPPED, "fold" => self.fold, "partition" => partition, "reason" => reason.as_str())
    }

    fn of_partition(&self, name: &'static str, partition: i32) -> Gauge {
        gauge!(name, "topic" => self.topic.clone(), "partition" => partition.to_string())
    }

    /// How far a partition is behind its log, and for how many records its ledger does not account.
    #[expect(clippy::cast_precision_loss, reason = "below 2^53 records")]
    pub(crate) fn stands(&self, partition: i32, lag: i64, unaccounted: i64) {
        self.of_partition(name::LAG, partition).set(lag as f64);
        let gauge = self.of_partition(name::UNACCOUNTED, partition);
        gauge.set(unaccounted as f64);
    }

    /// Canaries were found missing, and the ledger knows it.
    pub(crate) fn canary_gaps(&self, gaps: u64) {
        self.canary_gaps.increment(gaps);
    }

    /// The newest canary of a partition.
    #[expect(clippy::cast_precision_loss, reason = "below 2^53 rounds")]
    pub(crate) fn canary(&self, partition: i32, newest: Option<&Flight>, now: Micros) {
        if let Some(flight) = newest {
            let sequence = self.of_partition(name::CANARY_SEQUENCE, partition);
            sequence.set(flight.sequence as f64);
            let age = self.of_partition(name::CANARY_AGE_SECONDS, partition);
            age.set((now - flight.written_at).as_secs_f64());
        }
    }

    /// The partition left this worker: whoever has it now says how it stands. A gauge cannot be taken back one by one, and a
    /// zero would be the best figure of all, so it is no number.
    pub(crate) fn left(&self, partition: i32) {
        let gauges = [
            name::LAG,
            name::UNACCOUNTED,
            name::CANARY_SEQUENCE,
            name::CANARY_AGE_SECONDS,
        ];
        for name in gauges {
            self.of_partition(name, partition).set(f64::NAN);
        }
    }

    pub(crate) fn checkpointed(&self, took: Duration) {
        self.checkpoint.record(took.as_secs_f64());
    }

    /// A partition is ours and its state is there, so long after it was assigned.
    pub(crate) fn acquired(&self, took: Duration) {
        self.acquire.record(took.as_secs_f64());
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
