//! Canary, as the log itself has it: no round of any gateway's ticks is missing in any partition, not even at the end of one that
//! was killed.
//!
//! A gateway begins a round only when Kafka has confirmed the one before in every partition. So whatever stands in one partition
//! proves what must stand in all of them, and neither the ledger nor the api is asked.

use std::collections::{BTreeMap, BTreeSet};

use super::{Checker, Finding};
use crate::log::Ticks;

/// What the log is held against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rounds {
    /// The partitions that every gateway writes ticks to.
    pub partitions: BTreeSet<i32>,
    /// By gateway that was there before the log was read from: a round that was confirmed after its beginning had been looked up.
    pub begun: BTreeMap<String, i64>,
    /// By gateway that was there at the end: a round that was confirmed before the log's end was looked up.
    pub confirmed: BTreeMap<String, i64>,
}

impl Rounds {
    /// The first round of a gateway of which all was written where the log was read. The one after what was confirmed may have
    /// been written before in some partitions. A gateway that nobody knew begins at 1.
    fn first(&self, gateway: &str) -> u64 {
        let begun = self.begun.get(gateway);
        begun.map_or(1, |confirmed| whole(*confirmed) + 2)
    }

    /// The last round of a gateway that Kafka must have everywhere.
    fn last(&self, gateway: &str, partitions: &BTreeMap<i32, BTreeSet<u64>>) -> u64 {
        let newest = partitions.values().filter_map(BTreeSet::last).max();
        let before = newest.map_or(0, |newest| newest.saturating_sub(1));
        let confirmed = self.confirmed.get(gateway).copied().unwrap_or(0);
        before.max(whole(confirmed))
    }
}

fn whole(round: i64) -> u64 {
    u64::try_from(round).unwrap_or(0)
}

/// The first round that is missing, if one is; that there is none at all, if so.
#[must_use]
pub fn check(ticks: &Ticks, rounds: &Rounds) -> Option<Finding> {
    if ticks.is_empty() || rounds.partitions.is_empty() {
        return Some(Finding::new(Checker::Canary, "the log has no canary"));
    }
    let nothing = BTreeMap::new();
    let gateways: BTreeSet<&String> = ticks.keys().chain(rounds.confirmed.keys()).collect();
    gateways.into_iter().find_map(|gateway| {
        let partitions = ticks.get(gateway).unwrap_or(&nothing);
        let mut wanted = rounds.first(gateway)..=rounds.last(gateway, partitions);
        let (round, partition) = wanted.find_map(|round| {
            let lacks = |partition: &&i32| {
                let found = partitions.get(*partition);
                found.is_none_or(|found| !found.contains(&round))
            };
            Some((round, rounds.partitions.iter().find(lacks)?))
        })?;
        let sentence = format!(
            "Kafka had canary {round} of gateway {gateway}, and partition {partition} has not"
        );
        Some(Finding::new(Checker::Canary, sentence))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two partitions; gateway `old` was at 4 when the log began and was killed, `new` began later and is at 3.
    fn truth() -> (Ticks, Rounds) {
        let of = |rounds: [std::ops::RangeInclusive<u64>; 2]| {
            (0..).zip(rounds.map(BTreeSet::from_iter)).collect()
        };
        let ticks = Ticks::from([
            ("old".to_owned(), of([5..=9, 6..=8])),
            ("new".to_owned(), of([1..=3, 1..=4])),
        ]);
        let rounds = Rounds {
            partitions: [0, 1].into(),
            begun: [("old".to_owned(), 4)].into(),
            confirmed: [("new".to_owned(), 3)].into(),
        };
        (ticks, rounds)
    }

    fn check_without(gateway: &str, partition: i32, round: u64) -> Option<Finding> {
        let (mut ticks, rounds) = truth();
        let partitions = ticks.get_mut(gateway).unwrap();
        assert!(partitions.get_mut(&partition).unwrap().remove(&round));
        check(&ticks, &rounds)
    }

    #[test]
    fn what_was_on_its_way_at_either_end_may_be_missing() {
        let (ticks, rounds) = truth();
        assert_eq!(check(&ticks, &rounds), None);
        assert_eq!(
            check_without("old", 0, 5),
            None,
            "written before the log began"
        );
        assert_eq!(check_without("old", 0, 9), None, "never confirmed");
        assert_eq!(check_without("new", 1, 4), None, "never confirmed");
    }

    #[test]
    fn a_round_that_is_missing_is_noticed_wherever_it_was() {
        for (gateway, partition, round) in [
            ("old", 1, 6),
            ("old", 0, 7),
            // The end of a gateway that is gone: nobody could ask it.
            ("old", 1, 8),
            ("new", 0, 1),
            ("new", 0, 2),
            ("new", 0, 3),
        ] {
            let found = check_without(gateway, partition, round).unwrap();
            let lost =
                format!("canary {round} of gateway {gateway}, and partition {partition} has");
            assert!(found.sentence.contains(&lost), "{found:?}");
            assert_eq!(found.checker, Checker::Canary);
        }
    }

    #[test]
    fn a_partition_or_a_gateway_without_any_is_noticed() {
        let (mut ticks, rounds) = truth();
        ticks.get_mut("old").unwrap().remove(&1);
        assert!(check(&ticks, &rounds).is_some());
        let (mut ticks, rounds) = truth();
        ticks.remove("new");
        assert!(check(&ticks, &rounds).is_some());
        let (ticks, _) = truth();
        assert!(check(&Ticks::new(), &rounds).is_some());
        assert!(check(&ticks, &Rounds::default()).is_some());
    }
}
