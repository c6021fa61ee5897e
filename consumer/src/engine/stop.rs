//! Why a partition cannot go on without a person: the faults that nobody survives by waiting. It stands still then, says so,
//! and skips nothing.

use crate::store::ledger::{Acquired, LoadError};
use crate::store::origin::{AnotherLog, TwoLedgers};
use crate::store::past::PastError;

/// A fault that only a person can mend, as metrics and readers name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// Kafka removed records before they were folded.
    LogTruncated,
    /// The log ends before the ledger: the topic was made anew, or Kafka lost its end.
    LogShorter,
    /// Before the ledger's offset stands another record than the one that was folded.
    LogChanged,
    /// The ledger's offset was changed by hand, or by another ledger's consumer.
    LedgerMoved,
    /// The state was made by another version of the fold.
    FoldVersion,
    /// The state cannot be read back, or rows that it has to see again.
    StateUnreadable,
    /// The ledger belongs to another Kafka.
    AnotherLog,
    /// Another ledger moves the offsets of the consumer group.
    TwoLedgers,
}

impl StopReason {
    /// The label in metrics and in the ledger.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::LogTruncated => "log_truncated",
            Self::LogShorter => "log_shorter",
            Self::LogChanged => "log_changed",
            Self::LedgerMoved => "ledger_moved",
            Self::FoldVersion => "fold_version",
            Self::StateUnreadable => "state_unreadable",
            Self::AnotherLog => "another_log",
            Self::TwoLedgers => "two_ledgers",
        }
    }
}

/// A partition that stands still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) reason: StopReason,
    /// What happened, and what to do.
    pub(crate) why: String,
}

/// What a partition's log holds: its first offset, and the one that the next record gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogRange {
    pub(crate) begin: i64,
    pub(crate) end: i64,
}

/// Judges whether a ledger accounts for the records that it says are folded.
pub(crate) fn judge_ledger(topic: &str, acquired: &Acquired) -> Option<Stop> {
    let Acquired {
        partition,
        next_offset: next,
        accounted_offset: accounted,
        ..
    } = *acquired;
    (next != accounted).then(|| Stop {
        reason: StopReason::LedgerMoved,
        why: format!(
            "the ledger is at offset {next}, but it accounts for the records up to {accounted}: next_offset was changed by \
             hand, or a consumer of another ledger wrote here. Set ledger.next_offset back to {accounted}; to leave records \
             out, then run: select skip_to('{topic}', {partition}, <offset>)"
        ),
    })
}

/// Judges whether the log still has the record at `next`, where a partition goes on.
pub(crate) fn judge_log(topic: &str, partition: i32, next: i64, log: LogRange) -> Option<Stop> {
    let LogRange { begin, end } = log;
    if next < begin {
        let lost = begin - next;
        return Some(Stop {
            reason: StopReason::LogTruncated,
            why: format!(
                "the ledger is at offset {next}, Kafka holds {begin} to {end}: {lost} records were removed before they were \
                 folded. Restore the topic, or go on without them: select skip_to('{topic}', {partition}, {begin})"
            ),
        });
    }
    (next > end).then(|| Stop {
        reason: StopReason::LogShorter,
        why: format!(
            "the ledger is at offset {next}, but Kafka's log ends at {end}: the topic was made anew, or Kafka lost records \
             that it had confirmed. Bring that log back, or delete the rows of topic '{topic}' in ledger and state_log to \
             fold this one from its beginning"
        ),
    })
}

impl Stop {
    /// Why nothing at all can be consumed, when `cause` says that ledger, Kafka and group do not belong together.
    pub(crate) fn of_origin(cause: &anyhow::Error) -> Option<Self> {
        let reason = if cause.is::<AnotherLog>() {
            StopReason::AnotherLog
        } else if cause.is::<TwoLedgers>() {
            StopReason::TwoLedgers
        } else {
            return None;
        };
        let why = cause.to_string();
        Some(Self { reason, why })
    }
}

impl From<LoadError> for Stop {
    fn from(error: LoadError) -> Self {
        let reason = match error {
            LoadError::FoldVersion { .. } => StopReason::FoldVersion,
            _ => StopReason::StateUnreadable,
        };
        Self {
            reason,
            why: error.to_string(),
        }
    }
}

impl From<PastError> for Stop {
    fn from(error: PastError) -> Self {
        Self {
            reason: StopReason::StateUnreadable,
            why: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acquired(next_offset: i64, accounted_offset: i64) -> Acquired {
        Acquired {
            partition: 1,
            epoch: 3,
            next_offset,
            accounted_offset,
            fold_version: 1,
            mark: None,
        }
    }

    #[test]
    fn a_ledger_that_was_moved_by_hand_is_told_from_one_that_went_back_with_its_rows() {
        assert_eq!(judge_ledger("t", &acquired(7, 7)), None);
        for moved in [3, 9] {
            let stop = judge_ledger("t", &acquired(moved, 7)).unwrap();
            assert_eq!(stop.reason, StopReason::LedgerMoved);
            assert!(stop.why.contains("back to 7;"), "{}", stop.why);
        }
    }

    #[test]
    fn a_position_outside_of_the_log_stops_and_its_two_ends_do_not() {
        let log = LogRange { begin: 5, end: 9 };
        let judge = |next| judge_log("t", 1, next, log).map(|stop| stop.reason);
        assert_eq!(judge(4), Some(StopReason::LogTruncated));
        assert_eq!(judge(5), None);
        assert_eq!(judge(9), None);
        assert_eq!(judge(10), Some(StopReason::LogShorter));
        let stop = judge_log("t", 1, 2, log).unwrap();
        assert!(stop.why.contains("3 records were removed"), "{}", stop.why);
        assert!(
            stop.why.ends_with("select skip_to('t', 1, 5)"),
            "{}",
            stop.why
        );
    }
}
