//! D1: every acknowledged event is in Kafka as exactly one of stored, duplicate, dead letter; and as many signs of life as were
//! acknowledged, which have no ids.

use std::collections::{HashMap, HashSet};

use super::{Checker, Finding};
use crate::ledger::{Ledger, What};
use crate::log::Log;

/// What became of the messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Positions whose first copy is in Kafka.
    pub stored: u64,
    /// Further copies.
    pub duplicates: u64,
    /// Different refused events.
    pub dead_letters: u64,
    /// Acknowledged and nowhere.
    pub lost: u64,
}

/// Counts, and finds what is lost, what is in two places, and what nobody ever published.
#[must_use]
pub fn check(ledger: &Ledger, log: &Log) -> (Tally, Vec<Finding>) {
    let mut copies: HashMap<&str, u64> = HashMap::new();
    for copy in &log.copies {
        *copies.entry(&copy.event_id).or_default() += 1;
    }
    let dead: HashSet<&str> = log.dead.iter().map(String::as_str).collect();
    let stored = count(copies.len());
    let mut tally = Tally {
        stored,
        duplicates: count(log.copies.len()) - stored,
        dead_letters: count(dead.len()),
        lost: 0,
    };
    let mut findings = Vec::new();
    let mut known = HashSet::new();
    let mut lost = None;
    for message in &ledger.messages {
        let refused = match &message.what {
            What::Invalid { event_id, .. } => Some(event_id.as_str()),
            _ => None,
        };
        for id in message.what.ids() {
            known.insert(id);
            let is_there = if refused == Some(id) {
                dead.contains(id)
            } else {
                copies.contains_key(id)
            };
            if message.acked_at.is_some() && !is_there {
                tally.lost += 1;
                lost.get_or_insert((id, message.device, message.sequence));
            }
        }
    }
    if let Some((id, device, sequence)) = lost {
        findings.push(Finding::new(
            Checker::D1,
            format!(
                "{} acknowledged events are not in Kafka; the first is {id}, message {sequence} of device {device}",
                tally.lost
            ),
        ));
    }
    let signs = ledger.acked_signs();
    if log.signs < signs {
        tally.lost += signs - log.signs;
        findings.push(Finding::new(
            Checker::D1,
            format!(
                "{signs} signs of life are acknowledged, and only {} are in Kafka",
                log.signs
            ),
        ));
    }
    if let Some(both) = copies.keys().find(|id| dead.contains(*id)) {
        findings.push(Finding::new(
            Checker::D1,
            format!("{both} is both an event and a dead letter"),
        ));
    }
    let mut everything = copies.keys().chain(dead.iter());
    if let Some(stranger) = everything.find(|id| !known.contains(*id)) {
        findings.push(Finding::new(
            Checker::D1,
            format!("{stranger} is in Kafka, but no device ever published it"),
        ));
    }
    (tally, findings)
}

/// The first acknowledged refusal that nobody can read: in Kafka, and not among those that are `kept` in Postgres.
#[must_use]
pub fn check_kept(ledger: &Ledger, kept: &HashSet<&str>) -> Option<Finding> {
    let acked = ledger
        .messages
        .iter()
        .filter(|message| message.acked_at.is_some());
    let mut refused = acked.filter_map(|message| match &message.what {
        What::Invalid { event_id, .. } => Some(event_id),
        _ => None,
    });
    let missing = refused.find(|event_id| !kept.contains(event_id.as_str()))?;
    let sentence = format!("the dead letter {missing} is acknowledged and not in Postgres");
    Some(Finding::new(Checker::D1, sentence))
}

fn count(n: usize) -> u64 {
    u64::try_from(n).expect("a usize fits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Position, Published};
    use crate::log::Copy;

    fn position(id: &str) -> Position {
        Position {
            event_id: id.to_owned(),
            event_at: 0,
            traveler: "t".to_owned(),
            kind: "person".to_owned(),
            x: 0.0,
            y: 0.0,
        }
    }

    fn published(sequence: u32, what: What) -> Published {
        Published {
            device: 0,
            sequence,
            what,
            acked_at: Some(1),
        }
    }

    fn copy(offset: i64, id: &str) -> Copy {
        Copy {
            partition: 0,
            offset,
            device: "d".to_owned(),
            event_id: id.to_owned(),
        }
    }

    /// Two events, one of them twice, and a broken message beside a good one.
    fn truth() -> (Ledger, Log) {
        let ledger = Ledger {
            messages: vec![
                published(0, What::Position(position("a"))),
                published(
                    1,
                    What::Duplicate {
                        event_id: "a".to_owned(),
                    },
                ),
                published(
                    2,
                    What::Invalid {
                        event_id: "x".to_owned(),
                        beside: Some(position("b")),
                    },
                ),
                published(3, What::Status),
            ],
            ..Ledger::default()
        };
        let log = Log {
            copies: vec![copy(0, "a"), copy(1, "a"), copy(2, "b")],
            dead: vec!["x".to_owned(), "x".to_owned()],
            signs: 1,
            ..Log::default()
        };
        (ledger, log)
    }

    #[test]
    fn everything_in_its_place_is_no_finding() {
        let (ledger, log) = truth();
        let (tally, findings) = check(&ledger, &log);
        assert_eq!(findings, []);
        let expected = Tally {
            stored: 2,
            duplicates: 1,
            dead_letters: 1,
            lost: 0,
        };
        assert_eq!(tally, expected);
    }

    #[test]
    fn a_lost_event_is_found_and_one_that_was_not_acknowledged_may_be_missing() {
        let (mut ledger, mut log) = truth();
        log.copies.pop();
        let (tally, findings) = check(&ledger, &log);
        assert_eq!((tally.lost, findings.len()), (1, 1));
        assert!(findings[0].sentence.contains("the first is b"));
        ledger.messages[2].acked_at = None;
        assert_eq!(check(&ledger, &log).1, []);
    }

    #[test]
    fn a_dead_letter_that_is_missing_is_lost_too() {
        let (ledger, mut log) = truth();
        log.dead.clear();
        assert_eq!(check(&ledger, &log).0.lost, 1);
    }

    #[test]
    fn a_sign_of_life_that_is_acknowledged_and_dropped_is_lost() {
        let (mut ledger, mut log) = truth();
        log.signs = 0;
        let (tally, findings) = check(&ledger, &log);
        assert_eq!((tally.lost, findings.len()), (1, 1));
        assert!(findings[0].sentence.starts_with("1 signs of life"));
        ledger.messages[3].acked_at = None;
        assert_eq!(check(&ledger, &log).1, []);
    }

    #[test]
    fn a_dead_letter_that_postgres_has_not_is_noticed() {
        let (mut ledger, _) = truth();
        assert_eq!(check_kept(&ledger, &["x"].into()), None);
        let found = check_kept(&ledger, &["a", "b"].into()).unwrap();
        assert!(found.sentence.contains("the dead letter x"), "{found:?}");
        ledger.messages[2].acked_at = None;
        assert_eq!(check_kept(&ledger, &HashSet::new()), None);
    }

    #[test]
    fn an_event_in_two_places_or_of_nobody_is_found() {
        let (ledger, mut log) = truth();
        log.dead.push("a".to_owned());
        assert!(check(&ledger, &log).1[0].sentence.contains("both"));
        let (ledger, mut log) = truth();
        log.copies.push(copy(3, "z"));
        assert!(check(&ledger, &log).1[0].sentence.contains("no device"));
    }
}
