//! D2: rows equal a replay by brute force of what the ledger says was published and Kafka has.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Debug;

use simulator::truth::{Pane, PaneKey, Rules, Sample, Truth, Visit, truth};

use super::{Checker, Finding};
use crate::ledger::Ledger;
use crate::log::Log;

/// What Postgres has of a run, in the shape of the truth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Of `visit`.
    pub visits: Vec<Visit>,
    /// Of `pane`, those in which something happened.
    pub panes: BTreeMap<PaneKey, Pane>,
}

/// The true answer: every position that was published and that Kafka has, acknowledged or not.
#[must_use]
pub fn expected(ledger: &Ledger, log: &Log, devices: &[String]) -> Truth {
    let there: HashSet<&str> = log
        .copies
        .iter()
        .map(|copy| copy.event_id.as_str())
        .collect();
    let sample = |message: &crate::ledger::Published| -> Option<Sample> {
        let position = message.what.position()?;
        let sensor = devices.get(usize::from(message.device))?;
        there
            .contains(position.event_id.as_str())
            .then(|| position.sample(sensor))
    };
    truth(
        ledger.messages.iter().filter_map(sample).collect(),
        Rules::default(),
    )
}

/// How many rows differ, and the first of them.
#[must_use]
pub fn check(expected: &Truth, found: &Rows) -> (u64, Option<Finding>) {
    let key = |visit: &Visit| {
        (
            visit.entered_at,
            visit.sensor.clone(),
            visit.traveler_id.clone(),
            visit.traveler_type.clone(),
        )
    };
    let by_key = |visits: &[Visit]| -> HashMap<_, Visit> {
        visits
            .iter()
            .map(|visit| (key(visit), visit.clone()))
            .collect()
    };
    let (visits, first_visit) = differences(&by_key(&expected.visits), &by_key(&found.visits));
    let panes_of = |panes: &BTreeMap<PaneKey, Pane>| -> HashMap<PaneKey, Pane> {
        panes
            .iter()
            .map(|(key, pane)| (key.clone(), *pane))
            .collect()
    };
    let (panes, first_pane) = differences(&panes_of(&expected.panes), &panes_of(&found.panes));
    let twice = found.visits.len() - by_key(&found.visits).len();
    let rows = visits + panes + u64::try_from(twice).expect("a usize fits");
    let finding = first_visit
        .map(|sentence| format!("visit {sentence}"))
        .or(first_pane.map(|sentence| format!("pane {sentence}")))
        .or((twice > 0).then(|| format!("{twice} visits stand there twice")))
        .map(|sentence| {
            let sentence = format!("{rows} rows differ from the replay; the first is {sentence}");
            Finding::new(Checker::D2, sentence)
        });
    (rows, finding)
}

fn differences<K, V>(truth: &HashMap<K, V>, found: &HashMap<K, V>) -> (u64, Option<String>)
where
    K: Debug + Eq + std::hash::Hash + Ord,
    V: Debug + PartialEq,
{
    let mut keys: Vec<&K> = truth
        .keys()
        .chain(found.keys().filter(|key| !truth.contains_key(key)))
        .filter(|key| truth.get(key) != found.get(key))
        .collect();
    keys.sort();
    let first = keys
        .first()
        .map(|key| match (truth.get(key), found.get(key)) {
            (Some(truth), Some(found)) => format!("{found:?}, in truth {truth:?} ({key:?})"),
            (Some(truth), None) => format!("missing: {truth:?} ({key:?})"),
            (None, found) => format!("not in truth: {found:?} ({key:?})"),
        });
    (u64::try_from(keys.len()).expect("a usize fits"), first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Position, Published, What};
    use crate::log::Copy;

    fn position(id: &str, second: i64) -> Position {
        Position {
            event_id: id.to_owned(),
            event_at: second * 1_000_000,
            traveler: "t".to_owned(),
            kind: "person".to_owned(),
            x: 0.0,
            y: 0.001 * f64::from(i32::try_from(second).unwrap()),
        }
    }

    fn ledger() -> Ledger {
        let published = |(sequence, id): (u32, &str)| Published {
            device: 0,
            sequence,
            what: What::Position(position(id, i64::from(sequence) + 100)),
            acked_at: Some(1),
        };
        Ledger {
            messages: [(0, "a"), (1, "b"), (2, "c")].map(published).to_vec(),
            ..Ledger::default()
        }
    }

    fn log(ids: &[&str]) -> Log {
        let copy = |(offset, id): (i64, &&str)| Copy {
            partition: 0,
            offset,
            device: "d".to_owned(),
            event_id: (*id).to_owned(),
        };
        Log {
            copies: (0..).zip(ids).map(copy).collect(),
            ..Log::default()
        }
    }

    fn rows(truth: Truth) -> Rows {
        Rows {
            visits: truth.visits,
            panes: truth.panes,
        }
    }

    #[test]
    fn only_what_kafka_has_counts_and_repetitions_count_once() {
        let devices = ["d".to_owned()];
        let all = expected(&ledger(), &log(&["a", "b", "a", "c"]), &devices);
        assert_eq!(all.visits[0].samples, 3);
        let some = expected(&ledger(), &log(&["a", "c"]), &devices);
        assert_eq!(some.visits[0].samples, 2);
        assert_eq!(check(&all, &rows(all.clone())), (0, None));
    }

    #[test]
    fn a_row_that_is_changed_missing_or_too_many_is_found() {
        let truth = expected(&ledger(), &log(&["a", "b", "c"]), &["d".to_owned()]);
        let lie = |change: fn(&mut Rows)| {
            let mut rows = rows(truth.clone());
            change(&mut rows);
            check(&truth, &rows)
        };
        let cases: [fn(&mut Rows); 5] = [
            |rows| rows.visits[0].samples += 1,
            |rows| rows.visits[0].distance_nm += 1,
            |rows| rows.visits.clear(),
            |rows| rows.visits.push(rows.visits[0].clone()),
            |rows| rows.panes.values_mut().for_each(|pane| pane.present += 1),
        ];
        for case in cases {
            let (count, finding) = lie(case);
            assert_eq!(count, 1);
            assert_eq!(finding.unwrap().checker, Checker::D2);
        }
    }
}
