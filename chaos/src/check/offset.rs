//! D4: no offset that is committed to Kafka lies beyond what the ledger has; and each partition has one, which follows.

use super::{Checker, Finding};
use crate::log::Offsets;

/// The first commit that leads the ledger. `committed` must have been read before `ledger`, which only grows.
#[must_use]
pub fn check_lead(topic: &str, committed: &Offsets, ledger: &Offsets) -> Option<Finding> {
    committed.iter().find_map(|(partition, &committed)| {
        let next = ledger.get(partition).copied().unwrap_or(0);
        (committed > next).then(|| {
            let sentence = format!(
                "{topic} {partition}: {committed} is committed to Kafka, but the ledger stands at {next}"
            );
            Finding::new(Checker::D4, sentence)
        })
    })
}

/// The first partition with records of which none, or not the last one, is committed.
///
/// A group that commits nothing, or under another name, leads nobody and is found here. `heads` must have been read well before
/// `committed`.
#[must_use]
pub fn check_lag(topic: &str, committed: &Offsets, heads: &Offsets) -> Option<Finding> {
    if heads.is_empty() {
        return Some(Finding::new(
            Checker::D4,
            format!("{topic} has no partition to commit"),
        ));
    }
    heads.iter().find_map(|(partition, &head)| {
        let committed = committed.get(partition).copied();
        (committed.unwrap_or(0) < head).then(|| {
            let found = committed.map_or("nothing".to_owned(), |offset| offset.to_string());
            let sentence = format!(
                "{topic} {partition}: Kafka had records up to {head}, and {found} is committed"
            );
            Finding::new(Checker::D4, sentence)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_may_lag_and_must_not_lead() {
        let ledger = Offsets::from([(0, 10), (1, 5)]);
        let check = |committed: &Offsets| check_lead("t", committed, &ledger);
        assert_eq!(check(&Offsets::from([(0, 10), (1, 2)])), None);
        let leads = check(&Offsets::from([(0, 10), (1, 6)])).unwrap();
        assert!(leads.sentence.contains("t 1: 6"));
        assert!(check(&Offsets::from([(2, 1)])).is_some());
    }

    #[test]
    fn who_never_commits_or_stops_committing_is_noticed() {
        let heads = Offsets::from([(0, 10), (1, 5), (2, 0)]);
        let check = |committed: &Offsets| check_lag("t", committed, &heads);
        assert_eq!(check(&Offsets::from([(0, 10), (1, 8)])), None);
        let lies = [
            (
                Offsets::new(),
                "t 0: Kafka had records up to 10, and nothing",
            ),
            (
                Offsets::from([(0, 10)]),
                "t 1: Kafka had records up to 5, and nothing",
            ),
            (
                Offsets::from([(0, 10), (1, 4)]),
                "t 1: Kafka had records up to 5, and 4",
            ),
        ];
        for (lie, sentence) in lies {
            let found = check(&lie).unwrap();
            assert_eq!(found.checker, Checker::D4);
            assert!(found.sentence.starts_with(sentence), "{found:?}");
        }
        assert!(check_lag("t", &Offsets::new(), &Offsets::new()).is_some());
    }
}
