//! D4: no offset that is committed to Kafka lies beyond what the ledger has.

use super::{Checker, Finding};
use crate::log::Offsets;

/// `committed` must have been read before `ledger`, which only grows.
#[must_use]
pub fn check(topic: &str, committed: &Offsets, ledger: &Offsets) -> Option<Finding> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_may_lag_and_must_not_lead() {
        let ledger = Offsets::from([(0, 10), (1, 5)]);
        assert_eq!(check("t", &Offsets::from([(0, 10), (1, 2)]), &ledger), None);
        let leads = check("t", &Offsets::from([(0, 10), (1, 6)]), &ledger).unwrap();
        assert!(leads.sentence.contains("t 1: 6"));
        assert!(check("t", &Offsets::from([(2, 1)]), &ledger).is_some());
    }
}
