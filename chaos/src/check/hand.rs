//! L1 while consumers come and go: a partition that stays with its owner is not touched, not even to be taken again.

use std::collections::{BTreeMap, BTreeSet};

use super::{Checker, Finding};
use crate::log::Offsets;

/// In whose hands the partitions of a topic are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hands {
    /// The consumer that works on each, as far as one says so.
    pub owners: BTreeMap<i32, String>,
    /// The number of each, in the ledger, which grows whenever somebody takes it.
    pub epochs: Offsets,
}

/// Which partitions were kept: those that the same consumer works on as before, and those that nobody has taken since.
///
/// A kept one that was taken again by its own owner is a finding. Told by its epoch alone it would pass for moved, and might
/// stand still for as long as those.
#[must_use]
pub fn check(before: &Hands, after: &Hands) -> (BTreeSet<i32>, Vec<Finding>) {
    let mut kept = BTreeSet::new();
    let mut findings = Vec::new();
    for (partition, epoch) in &after.epochs {
        let owner = after.owners.get(partition);
        let is_same_owner = owner.is_some() && owner == before.owners.get(partition);
        let is_taken = before.epochs.get(partition) != Some(epoch);
        if is_same_owner || !is_taken {
            kept.insert(*partition);
        }
        if let Some(owner) = owner.filter(|_| is_same_owner && is_taken) {
            let sentence = format!("{owner} had partition {partition} and took it again");
            findings.push(Finding::new(Checker::L1, sentence));
        }
    }
    (kept, findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hands<const N: usize>(partitions: [(&str, i64); N]) -> Hands {
        let numbered = || (0..).zip(partitions);
        let owners = numbered().filter(|(_, (owner, _))| !owner.is_empty());
        Hands {
            owners: owners
                .map(|(partition, (owner, _))| (partition, owner.to_owned()))
                .collect(),
            epochs: numbered()
                .map(|(partition, (_, epoch))| (partition, epoch))
                .collect(),
        }
    }

    #[test]
    fn what_changes_hands_moves_and_the_rest_is_kept() {
        let before = hands([("a", 1), ("a", 4), ("b", 2), ("", 7)]);
        let after = hands([("a", 1), ("b", 5), ("b", 2), ("", 7)]);
        assert_eq!(check(&before, &after), ([0, 2, 3].into(), Vec::new()));
    }

    #[test]
    fn who_takes_its_own_partitions_again_is_noticed_and_does_not_pass_for_moved() {
        let before = hands([("a", 1), ("a", 4), ("a", 2)]);
        let after = hands([("a", 2), ("b", 5), ("a", 2)]);
        let (kept, findings) = check(&before, &after);
        assert_eq!(kept, [0, 2].into());
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].sentence, "a had partition 0 and took it again");
        assert_eq!(findings[0].checker, Checker::L1);
    }
}
