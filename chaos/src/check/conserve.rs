//! Conservation: what is folded is accounted for, record by record; and the canary: no gateway's sequence has a gap.
//!
//! Both are what the product says of itself, in Postgres and on `/api/v1/pipeline`; D1 compares the log itself.

use serde_json::Value;

use super::{Checker, Finding};

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
    fn the_api_is_held_to_the_same() {
        let fine = json!({"partitions": [{"unaccounted": 0}, {"unaccounted": null}], "canaries": [{"gaps": 0}]});
        assert!(check_pipeline(&fine).is_empty());
        let broken = json!({"partitions": [{"unaccounted": 1}], "canaries": [{"gaps": 1}]});
        let found: Vec<Checker> = check_pipeline(&broken).iter().map(|f| f.checker).collect();
        assert_eq!(found, [Checker::Conservation, Checker::Canary]);
        assert_eq!(check_pipeline(&json!({})).len(), 1);
    }
}
