//! Conservation: what is folded is accounted for, record by record, and by the kind that the log has; and the canary: no
//! gateway's sequence has a gap.
//!
//! Both are what the product says of itself, in Postgres and on `/api/v1/pipeline`; D1 compares the log itself.

use serde_json::Value;

use super::loss::Tally;
use super::{Checker, Finding};
use crate::log::Log;

/// What the ledger says of a partition once everything is folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Up to where it is folded.
    pub next: i64,
    /// Up to where the ledger says of each record what became of it.
    pub accounted: i64,
}

/// A gateway's canary in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flight {
    /// The gateway's process.
    pub gateway: String,
    /// The partition.
    pub partition: i32,
    /// Numbers of its sequence that never arrived.
    pub gaps: i64,
}

/// How many records the ledger counts of each kind, all partitions of `sensor-movements` together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Positions and signs of life that were taken in.
    pub taken: i64,
    /// Positions that were there before.
    pub duplicates: i64,
    /// Records that went into quarantine.
    pub quarantined: i64,
}

impl Counts {
    /// What the log has of a run.
    #[must_use]
    pub fn of(tally: &Tally, log: &Log) -> Self {
        let count = |n: u64| i64::try_from(n).expect("fewer records than 2^63");
        Self {
            taken: count(tally.stored + log.signs),
            duplicates: count(tally.duplicates),
            quarantined: count(log.undecodable),
        }
    }

    /// What came on top of `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            taken: self.taken - before.taken,
            duplicates: self.duplicates - before.duplicates,
            quarantined: self.quarantined - before.quarantined,
        }
    }
}

/// Whether the ledger counted anything but what the log has.
#[must_use]
pub fn check_counts(counted: Counts, log: Counts) -> Option<Finding> {
    let sentence = format!("the ledger counts {counted:?}, and the log has {log:?}");
    (counted != log).then(|| Finding::new(Checker::Conservation, sentence))
}

/// The first account that does not add up, and the first canary that is missing.
#[must_use]
pub fn check(accounts: &[Account], flights: &[Flight]) -> Vec<Finding> {
    let broken = accounts
        .iter()
        .find(|account| account.accounted != account.next);
    let missing = flights.iter().find(|flight| flight.gaps > 0);
    let broken = broken.map(|account| {
        let Account {
            topic,
            partition,
            next,
            accounted,
        } = account;
        let sentence = format!(
            "{topic} {partition}: folded up to {next}, but accounted for up to {accounted}"
        );
        Finding::new(Checker::Conservation, sentence)
    });
    let missing = missing.map(|flight| {
        let Flight {
            gateway,
            partition,
            gaps,
        } = flight;
        let sentence = format!(
            "{gaps} of the canaries of gateway {gateway} never arrived in partition {partition}"
        );
        Finding::new(Checker::Canary, sentence)
    });
    broken.into_iter().chain(missing).collect()
}

/// The same as the api says it: nothing unaccounted for, and no gap.
#[must_use]
pub fn check_pipeline(pipeline: &Value) -> Vec<Finding> {
    let empty = Vec::new();
    let items = |name: &str| pipeline[name].as_array().unwrap_or(&empty);
    let partitions = items("partitions");
    let broken = partitions
        .iter()
        .find(|partition| !partition["unaccounted"].is_null() && partition["unaccounted"] != 0);
    let missing = items("canaries").iter().find(|canary| canary["gaps"] != 0);
    let mut findings = Vec::new();
    if partitions.is_empty() {
        findings.push(Finding::new(
            Checker::Conservation,
            "/pipeline lists no partition",
        ));
    }
    findings.extend(
        broken.map(|partition| {
            Finding::new(Checker::Conservation, format!("/pipeline: {partition}"))
        }),
    );
    findings.extend(
        missing.map(|canary| Finding::new(Checker::Canary, format!("/pipeline: {canary}"))),
    );
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn account(next: i64, accounted: i64) -> Account {
        Account {
            topic: "t".to_owned(),
            partition: 3,
            next,
            accounted,
        }
    }

    fn flight(gaps: i64) -> Flight {
        Flight {
            gateway: "g".to_owned(),
            partition: 3,
            gaps,
        }
    }

    #[test]
    fn a_record_that_nobody_accounts_for_is_noticed() {
        assert!(check(&[account(7, 7)], &[flight(0)]).is_empty());
        let found = check(&[account(7, 7), account(7, 6)], &[]);
        assert_eq!(found[0].checker, Checker::Conservation);
        assert!(
            found[0]
                .sentence
                .contains("up to 7, but accounted for up to 6")
        );
    }

    #[test]
    fn a_canary_that_never_arrived_is_noticed() {
        let found = check(&[account(7, 7)], &[flight(0), flight(2)]);
        assert_eq!(found[0].checker, Checker::Canary);
    }

    #[test]
    fn a_duplicate_that_was_counted_as_new_is_noticed() {
        let tally = Tally {
            stored: 90,
            duplicates: 9,
            ..Tally::default()
        };
        let log = Log {
            signs: 5,
            undecodable: 1,
            ..Log::default()
        };
        let log = Counts::of(&tally, &log);
        let before = Counts {
            taken: 1000,
            duplicates: 100,
            quarantined: 10,
        };
        let after = |taken, duplicates| Counts {
            taken,
            duplicates,
            quarantined: 11,
        };
        assert_eq!(check_counts(after(1095, 109).since(before), log), None);
        for wrong in [after(1096, 108), after(1095, 108), after(1094, 109)] {
            let found = check_counts(wrong.since(before), log).unwrap();
            assert_eq!(found.checker, Checker::Conservation);
        }
    }

    #[test]
    fn the_api_is_held_to_the_same() {
        let fine = json!({"partitions": [{"unaccounted": 0}, {"unaccounted": null}], "canaries": [{"gaps": 0}]});
        assert!(check_pipeline(&fine).is_empty());
        let broken = json!({"partitions": [{"unaccounted": 1}], "canaries": [{"gaps": 1}]});
        let found: Vec<Checker> = check_pipeline(&broken).iter().map(|f| f.checker).collect();
        assert_eq!(found, [Checker::Conservation, Checker::Canary]);
        assert_eq!(check_pipeline(&json!({})).len(), 1);
    }
}
