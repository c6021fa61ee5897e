//! Late events: each that Kafka has was folded, and amended what was final.
//!
//! What it changed is in the rows that D2 compares. Here is counted whether it was taken for late at all, and not only in time.

use std::collections::{HashMap, HashSet};

use domain::time::Micros;

use super::conserve::Counts;
use super::{Checker, Finding};
use crate::ledger::Ledger;
use crate::log::Log;

/// The late events that Kafka has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Late {
    /// Different ones.
    pub events: i64,
    /// Further copies. Whether it was there before is not known before the past is, so each counts as late, not as a duplicate.
    pub again: i64,
}

impl Late {
    /// What of the log happened before `before`.
    #[must_use]
    pub fn of(ledger: &Ledger, log: &Log, before: Micros) -> Self {
        let positions = ledger.messages.iter();
        let positions = positions.filter_map(|message| message.what.position());
        let late: HashSet<&str> = positions
            .filter(|position| position.event_at < before.0)
            .map(|position| position.event_id.as_str())
            .collect();
        let mut copies: HashMap<&str, i64> = HashMap::new();
        let ids = log.copies.iter().map(|copy| copy.event_id.as_str());
        for id in ids.filter(|id| late.contains(id)) {
            *copies.entry(id).or_default() += 1;
        }
        let events = i64::try_from(copies.len()).expect("fewer events than 2^63");
        Self {
            events,
            again: copies.values().sum::<i64>() - events,
        }
    }

    /// What the ledger counts of a log with so many late copies in it.
    #[must_use]
    pub fn counted(self, log: Counts) -> Counts {
        Counts {
            taken: log.taken + self.again,
            duplicates: log.duplicates - self.again,
            ..log
        }
    }
}

/// Whether there were none, or not each has amended something.
#[must_use]
pub fn check(late: Late, amended: i64) -> Option<Finding> {
    let sentence = if late.events == 0 {
        "no event came late, so nothing was amended".to_owned()
    } else if amended != late.events {
        format!(
            "{} late events are in Kafka, and {amended} were folded",
            late.events
        )
    } else {
        return None;
    };
    Some(Finding::new(Checker::D2, sentence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Position, Published, What};
    use crate::log::Copy;

    fn published((event_id, event_at): (&str, i64)) -> Published {
        Published {
            device: 0,
            sequence: 0,
            what: What::Position(Position {
                event_id: event_id.to_owned(),
                event_at,
                traveler: "t".to_owned(),
                kind: "person".to_owned(),
                x: 0.0,
                y: 0.0,
            }),
            acked_at: Some(1),
        }
    }

    fn copy(event_id: &str) -> Copy {
        Copy {
            partition: 0,
            offset: 0,
            device: "d".to_owned(),
            event_id: event_id.to_owned(),
        }
    }

    #[test]
    fn late_events_are_counted_once_and_their_copies_apart() {
        let ledger = Ledger {
            messages: [("a", 1), ("b", 9), ("c", 10), ("d", 2)]
                .map(published)
                .to_vec(),
            ..Ledger::default()
        };
        let log = Log {
            copies: ["a", "b", "c", "a", "c", "a"].map(copy).to_vec(),
            ..Log::default()
        };
        let late = Late::of(&ledger, &log, Micros(10));
        assert_eq!((late.events, late.again), (2, 2));
        let counts = |taken, duplicates| Counts {
            taken,
            duplicates,
            quarantined: 1,
        };
        assert_eq!(late.counted(counts(3, 3)), counts(5, 1));
    }

    #[test]
    fn late_events_that_were_not_folded_and_none_at_all_are_found() {
        let late = |events| Late { events, again: 3 };
        assert_eq!(check(late(5), 5), None);
        for (late, amended) in [(late(5), 4), (late(5), 6), (late(5), 0), (late(0), 0)] {
            assert_eq!(check(late, amended).unwrap().checker, Checker::D2);
        }
    }
}
