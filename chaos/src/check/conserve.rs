//! Conservation: what is folded is accounted for, record by record, and by the kind that the log has; and the canary: no
//! gateway's sequence has a gap.
//!
//! Both are what the product says of itself, in Postgres and on `/api/v1/pipeline`; D1 compares the log itself. What is not there
//! is a finding too: nothing passes because nobody counted.

use std::collections::{BTreeMap, BTreeSet};

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
    /// The highest number of its sequence that arrived.
    pub sequence: i64,
    /// Numbers before it that never did.
    pub gaps: i64,
}

/// What must be there, as Kafka and the gateways themselves say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Topic and number of each partition of which there must be an account.
    pub accounts: BTreeSet<(String, i32)>,
    /// The partitions that every gateway writes ticks to.
    pub ticked: BTreeSet<i32>,
    /// By gateway process, the number of the newest tick that Kafka had confirmed before the log was read to its end.
    pub canaries: BTreeMap<String, i64>,
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

/// The first account that is missing or does not add up, and the first canary that never arrived.
#[must_use]
pub fn check(accounts: &[Account], flights: &[Flight], expected: &Expected) -> Vec<Finding> {
    let found = [
        account_missing(accounts, expected).or_else(|| account_broken(accounts)),
        canary_missing(flights, expected).or_else(|| canary_gap(flights)),
    ];
    found.into_iter().flatten().collect()
}

fn account_missing(accounts: &[Account], expected: &Expected) -> Option<Finding> {
    let known: BTreeSet<(&str, i32)> = accounts
        .iter()
        .map(|account| (account.topic.as_str(), account.partition))
        .collect();
    let missing = |(topic, partition): &&(String, i32)| !known.contains(&(topic, *partition));
    let sentence = if expected.accounts.is_empty() {
        "Kafka has no partition to account for".to_owned()
    } else {
        let (topic, partition) = expected.accounts.iter().find(missing)?;
        format!("{topic} {partition}: the ledger has no account of it")
    };
    Some(Finding::new(Checker::Conservation, sentence))
}

fn account_broken(accounts: &[Account]) -> Option<Finding> {
    let Account {
        topic,
        partition,
        next,
        accounted,
    } = accounts
        .iter()
        .find(|account| account.accounted != account.next)?;
    let sentence =
        format!("{topic} {partition}: folded up to {next}, but accounted for up to {accounted}");
    Some(Finding::new(Checker::Conservation, sentence))
}

fn canary_missing(flights: &[Flight], expected: &Expected) -> Option<Finding> {
    let newest: BTreeMap<(&str, i32), i64> = flights
        .iter()
        .map(|flight| ((flight.gateway.as_str(), flight.partition), flight.sequence))
        .collect();
    if expected.canaries.is_empty() || expected.ticked.is_empty() {
        let sentence = "no gateway says how far its canary is";
        return Some(Finding::new(Checker::Canary, sentence));
    }
    expected.canaries.iter().find_map(|(gateway, &confirmed)| {
        let arrived = |partition: &i32| newest.get(&(gateway.as_str(), *partition)).copied();
        let late = |partition: &&i32| arrived(partition).is_none_or(|found| found < confirmed);
        let partition = expected.ticked.iter().find(late)?;
        let sentence = format!(
            "canary {confirmed} of gateway {gateway} was confirmed, and partition {partition} has {:?}",
            arrived(partition)
        );
        Some(Finding::new(Checker::Canary, sentence))
    })
}

fn canary_gap(flights: &[Flight]) -> Option<Finding> {
    let flight = flights.iter().find(|flight| flight.gaps > 0)?;
    let Flight {
        gateway,
        partition,
        gaps,
        ..
    } = flight;
    let sentence = format!(
        "{gaps} of the canaries of gateway {gateway} never arrived in partition {partition}"
    );
    Some(Finding::new(Checker::Canary, sentence))
}

/// The same as the api says it: every partition there, nothing unaccounted for, every gateway there, and no gap.
///
/// `unaccounted` may be null while a partition's owner is of a version that does not count. At the end of a run none is.
#[must_use]
pub fn check_pipeline(pipeline: &Value, expected: &Expected) -> Vec<Finding> {
    let empty = Vec::new();
    let items = |name: &str| pipeline[name].as_array().unwrap_or(&empty);
    let partitions = items("partitions");
    let missing = expected.accounts.iter().find(|(topic, number)| {
        let is_it = |item: &&Value| item["topic"] == topic.as_str() && item["partition"] == *number;
        !partitions.iter().any(|item| is_it(&item))
    });
    let missing = missing.map(|(topic, number)| format!("/pipeline lacks {topic} {number}"));
    let broken = || {
        let broken = partitions.iter().find(|item| item["unaccounted"] != 0);
        broken.map(|item| format!("/pipeline: {item}"))
    };
    let account = missing.or_else(broken);
    let account = account.or_else(|| {
        let nothing = partitions.is_empty();
        nothing.then(|| "/pipeline lists no partition".to_owned())
    });
    let canary = api_canary(items("canaries"), expected);
    let account = account.map(|sentence| Finding::new(Checker::Conservation, sentence));
    let canary = canary.map(|sentence| Finding::new(Checker::Canary, sentence));
    account.into_iter().chain(canary).collect()
}

fn api_canary(canaries: &[Value], expected: &Expected) -> Option<String> {
    let gap = canaries.iter().find(|canary| canary["gaps"] != 0);
    let gap = gap.map(|canary| format!("/pipeline: {canary}"));
    let late = || {
        expected.canaries.iter().find_map(|(gateway, &confirmed)| {
            let of_it = canaries.iter().find(|canary| canary["gateway"] == *gateway);
            let has_arrived = of_it.is_some_and(|canary| {
                canary["partitions"] == expected.ticked.len()
                    && canary["last_sequence"].as_i64().unwrap_or(0) >= confirmed
            });
            let sentence = format!(
                "/pipeline: canary {confirmed} of gateway {gateway} was confirmed, and it says {of_it:?}"
            );
            (!has_arrived).then_some(sentence)
        })
    };
    gap.or_else(late)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn account(partition: i32, next: i64, accounted: i64) -> Account {
        Account {
            topic: "t".to_owned(),
            partition,
            next,
            accounted,
        }
    }

    fn flight(partition: i32, sequence: i64, gaps: i64) -> Flight {
        Flight {
            gateway: "g".to_owned(),
            partition,
            sequence,
            gaps,
        }
    }

    /// Two partitions, and a gateway whose fifth tick is confirmed.
    fn expected() -> Expected {
        Expected {
            accounts: [("t".to_owned(), 0), ("t".to_owned(), 1)].into(),
            ticked: [0, 1].into(),
            canaries: [("g".to_owned(), 5)].into(),
        }
    }

    #[test]
    fn a_record_that_nobody_accounts_for_is_noticed() {
        let flights = [flight(0, 5, 0), flight(1, 6, 0)];
        let check = |accounts: &[Account]| check(accounts, &flights, &expected());
        assert!(check(&[account(0, 7, 7), account(1, 9, 9)]).is_empty());
        let found = check(&[account(0, 7, 7), account(1, 7, 6)]);
        assert_eq!(found[0].checker, Checker::Conservation);
        assert!(
            found[0]
                .sentence
                .contains("up to 7, but accounted for up to 6")
        );
        let found = check(&[account(0, 7, 7)]);
        assert!(found[0].sentence.starts_with("t 1: the ledger has no"));
    }

    #[test]
    fn a_canary_that_never_arrived_is_noticed() {
        let accounts = [account(0, 7, 7), account(1, 7, 7)];
        let check = |flights: &[Flight]| check(&accounts, flights, &expected());
        let lies: [&[Flight]; 4] = [
            &[flight(0, 5, 0), flight(1, 5, 2)],
            &[flight(0, 5, 0), flight(1, 4, 0)],
            &[flight(0, 5, 0)],
            &[],
        ];
        for lie in lies {
            let found = check(lie);
            assert_eq!(found.len(), 1, "{lie:?}");
            assert_eq!(found[0].checker, Checker::Canary);
        }
    }

    #[test]
    fn nothing_at_all_is_no_pass() {
        let found = |findings: Vec<Finding>| -> Vec<Checker> {
            findings.iter().map(|finding| finding.checker).collect()
        };
        let both = [Checker::Conservation, Checker::Canary];
        assert_eq!(found(check(&[], &[], &Expected::default())), both);
        assert_eq!(found(check_pipeline(&json!({}), &expected())), both);
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
        let partition = |number: i32, unaccounted: Value| json!({"topic": "t", "partition": number, "unaccounted": unaccounted});
        let canary = |partitions: i32, sequence: i32, gaps: i32| json!({"gateway": "g", "partitions": partitions, "last_sequence": sequence, "gaps": gaps});
        let found = |partitions: Value, canary: Value| -> Vec<Checker> {
            let pipeline = json!({"partitions": partitions, "canaries": [canary]});
            let found = check_pipeline(&pipeline, &expected());
            found.iter().map(|finding| finding.checker).collect()
        };
        let fine = json!([partition(0, json!(0)), partition(1, json!(0))]);
        assert_eq!(found(fine.clone(), canary(2, 5, 0)), []);
        let lies = [
            json!([partition(0, json!(0)), partition(1, json!(1))]),
            json!([partition(0, json!(0)), partition(1, Value::Null)]),
            json!([partition(0, json!(0)), {"topic": "t", "partition": 1}]),
            json!([partition(0, json!(0))]),
        ];
        for lie in lies {
            assert_eq!(found(lie, canary(2, 5, 0)), [Checker::Conservation]);
        }
        for lie in [
            canary(2, 5, 1),
            canary(1, 5, 0),
            canary(2, 4, 0),
            json!({"gaps": 0}),
        ] {
            assert_eq!(found(fine.clone(), lie), [Checker::Canary]);
        }
    }
}
