//! D3: the first copies of a device's events stand in Kafka in the order in which it published them.

use std::collections::{HashMap, HashSet};

use super::{Checker, Finding};
use crate::ledger::Ledger;
use crate::log::Log;

/// The first event that overtook another one of its device, if there is any. `log` is in order of offsets.
#[must_use]
pub fn check(ledger: &Ledger, log: &Log) -> Option<Finding> {
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    for message in &ledger.messages {
        for id in message.what.ids() {
            numbers.entry(id).or_insert(message.sequence);
        }
    }
    let mut seen = HashSet::new();
    let mut newest: HashMap<&str, (u32, i32)> = HashMap::new();
    for copy in &log.copies {
        let id = copy.event_id.as_str();
        // Who is in Kafka without having been published is the finding of D1.
        let Some(&number) = numbers.get(id) else {
            continue;
        };
        if !seen.insert(id) {
            continue;
        }
        let device = copy.device.as_str();
        if let Some(&(before, partition)) = newest.get(device) {
            if partition != copy.partition {
                let sentence = format!(
                    "{device} is in partitions {partition} and {}",
                    copy.partition
                );
                return Some(Finding::new(Checker::D3, sentence));
            }
            if number < before {
                let sentence = format!(
                    "message {number} of {device} ({id}) stands behind its message {before}, at offset {} of partition {}",
                    copy.offset, copy.partition
                );
                return Some(Finding::new(Checker::D3, sentence));
            }
        }
        newest.insert(device, (number, copy.partition));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Published, What};
    use crate::log::Copy;

    fn ledger() -> Ledger {
        let published = |(sequence, id): (u32, &str)| Published {
            device: 0,
            sequence,
            // Its first line counts, whatever it says it is.
            what: What::Duplicate {
                event_id: id.to_owned(),
            },
            acked_at: Some(1),
        };
        Ledger {
            messages: [(0, "a"), (1, "b"), (2, "a"), (3, "c")]
                .map(published)
                .to_vec(),
            ..Ledger::default()
        }
    }

    fn log(ids: &[(i32, &str)]) -> Log {
        let copy = |(offset, (partition, id)): (i64, &(i32, &str))| Copy {
            partition: *partition,
            offset,
            device: "d".to_owned(),
            event_id: (*id).to_owned(),
        };
        Log {
            copies: (0..).zip(ids).map(copy).collect(),
            ..Log::default()
        }
    }

    #[test]
    fn repetitions_may_stand_anywhere_behind_the_first_copy() {
        let in_order = log(&[(0, "a"), (0, "a"), (0, "b"), (0, "a"), (0, "c"), (0, "b")]);
        assert_eq!(check(&ledger(), &in_order), None);
    }

    #[test]
    fn an_event_that_overtook_another_is_found() {
        let swapped = log(&[(0, "a"), (0, "c"), (0, "b")]);
        let finding = check(&ledger(), &swapped).unwrap();
        assert!(
            finding.sentence.contains("behind its message 3"),
            "{finding:?}"
        );
        let apart = log(&[(0, "a"), (1, "b")]);
        assert!(
            check(&ledger(), &apart)
                .unwrap()
                .sentence
                .contains("partitions 0 and 1")
        );
    }
}
