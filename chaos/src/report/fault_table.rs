//! The fault table: what all repetitions of a row came to, a line for each row and length.

use std::collections::BTreeMap;

use anyhow::Context;

use super::{Outcome, seconds};
use crate::row::{self, Row};

/// The fault table in Markdown.
#[must_use]
pub fn table(outcomes: &[Outcome]) -> String {
    // A short run has shown less than a full one, so they are never summed up together.
    let mut by_row: BTreeMap<(&str, &str), Vec<&Outcome>> = BTreeMap::new();
    for outcome in outcomes {
        let key = (outcome.row.as_str(), outcome.length.as_str());
        by_row.entry(key).or_default().push(outcome);
    }
    let mut text = String::from(
        "| row | fault | length | runs | seeds | acknowledged | lost | rows different | worst heal | worst gap | result |\n\
         |---|---|---|--:|---|--:|--:|--:|--:|--:|---|\n",
    );
    for known in row::all() {
        for ((_, length), runs) in by_row.iter().filter(|((id, _), _)| *id == known.id) {
            text += &line(&known, length, runs);
        }
    }
    text
}

/// What stands around the table in a document.
const MARKS: [&str; 2] = ["<!-- chaos:begin", "<!-- chaos:end -->"];

/// `document` with `table` in the place that is marked for it.
///
/// # Errors
/// When it has no such place.
pub fn insert(document: &str, table: &str) -> anyhow::Result<String> {
    let begin = document.find(MARKS[0]).context("no line chaos:begin")?;
    let length = document[begin..].find('\n').context("no line after it")?;
    let (head, rest) = document.split_at(begin + length + 1);
    let end = rest.find(MARKS[1]).context("no line chaos:end")?;
    Ok(format!("{head}\n{table}\n{}", &rest[end..]))
}

fn line(row: &Row, length: &str, runs: &[&Outcome]) -> String {
    let sum = |of: fn(&Outcome) -> u64| runs.iter().map(|run| of(run)).sum::<u64>();
    let most = |of: fn(&Outcome) -> u64| runs.iter().map(|run| of(run)).max().unwrap_or(0);
    let seeds = runs.iter().map(|run| run.seed);
    let (first, last) = (seeds.clone().min().unwrap_or(0), seeds.max().unwrap_or(0));
    let failed = runs.iter().filter(|run| !run.passed()).count();
    let skipped = runs.iter().filter(|run| run.skipped.is_some()).count();
    let result = match (failed, skipped) {
        (0, 0) => "pass".to_owned(),
        (0, skipped) => format!("{skipped} skipped"),
        (failed, _) => format!("{failed} failed"),
    };
    // As `docs/reliability.md` says: these are run by `make test`.
    let star = if row.in_subset { "*" } else { "" };
    format!(
        "| {}{star} | {} | {length} | {} | {first}–{last} | {} | {} | {} | {} | {:.1} s | {result} |\n",
        row.id,
        row.fault,
        runs.len(),
        sum(|run| run.acked),
        judged(runs, |run| run.log_judged, |run| run.lost),
        judged(runs, |run| run.rows_judged, |run| run.rows_different),
        worst_heal(runs),
        seconds(most(|run| run.worst_gap_ms)),
    )
}

/// A sum over the runs of which it is known; says so when those are not all.
fn judged(runs: &[&Outcome], is_judged: fn(&Outcome) -> bool, of: fn(&Outcome) -> u64) -> String {
    let judged: Vec<&&Outcome> = runs.iter().filter(|run| is_judged(run)).collect();
    let sum = judged.iter().map(|run| of(run)).sum::<u64>();
    if judged.len() == runs.len() {
        return sum.to_string();
    }
    format!("{sum} in {} of {}", judged.len(), runs.len())
}

fn worst_heal(runs: &[&Outcome]) -> String {
    let healed: Vec<u64> = runs
        .iter()
        .map(|run| run.heal_ms)
        .filter(|ms| *ms > 0)
        .collect();
    let worst = seconds(healed.iter().copied().max().unwrap_or(0));
    match runs.len() - healed.len() {
        0 => format!("{worst:.1} s"),
        unhealed => format!("{worst:.1} s, {unhealed} not"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Checker;
    use crate::run::Repetition;
    use crate::scene::Length;

    fn outcome(seed: u64) -> Outcome {
        Outcome::new(&Repetition {
            row: row::find("6").unwrap(),
            number: 1,
            seed,
            length: Length::Short,
            dir: "/".into(),
        })
    }

    fn whole(seed: u64) -> Outcome {
        Outcome {
            heal_ms: 1000,
            log_judged: true,
            rows_judged: true,
            ..outcome(seed)
        }
    }

    #[test]
    fn what_was_not_judged_or_did_not_heal_is_not_called_nothing() {
        let mut stuck = whole(2);
        (stuck.heal_ms, stuck.rows_judged) = (0, false);
        let table = table(&[whole(1), stuck, outcome(3)]);
        let expected =
            "| short | 3 | 1–3 | 0 | 0 in 2 of 3 | 0 in 1 of 3 | 1.0 s, 2 not | 0.0 s | pass |";
        assert!(table.lines().nth(2).unwrap().ends_with(expected), "{table}");
    }

    #[test]
    fn the_table_sums_what_counts_and_keeps_the_worst() {
        let mut one = whole(1);
        one.acked = 10;
        one.heal_ms = 1500;
        let mut other = whole(2);
        other.acked = 5;
        other.lost = 1;
        other.worst_gap_ms = 2500;
        other.find(Checker::D1, "1 acknowledged event is not in Kafka");
        let table = table(&[one, other]);
        let fault = row::find("6").unwrap().fault;
        let expected = "| short | 2 | 1–2 | 15 | 1 | 0 | 1.5 s | 2.5 s | 1 failed |";
        assert_eq!(
            table.lines().nth(2),
            Some(format!("| 6* | {fault} {expected}").as_str())
        );
    }

    #[test]
    fn the_table_in_a_document_is_replaced_and_nothing_else() {
        let document = "a\n<!-- chaos:begin (x) -->\nold\n<!-- chaos:end -->\nb\n";
        let once = insert(document, "| new |\n").unwrap();
        let expected = "a\n<!-- chaos:begin (x) -->\n\n| new |\n\n<!-- chaos:end -->\nb\n";
        assert_eq!(once, expected);
        assert_eq!(insert(&once, "| new |\n").unwrap(), once);
        assert!(insert("without", "| new |").is_err());
    }

    #[test]
    fn only_rows_that_every_change_must_survive_are_marked() {
        let other = Outcome {
            row: "3".to_owned(),
            ..outcome(1)
        };
        let table = table(&[outcome(1), other]);
        let ids: Vec<&str> = table
            .lines()
            .skip(2)
            .filter_map(|line| line.split(' ').nth(1))
            .collect();
        assert_eq!(ids, ["3", "6*"]);
    }

    #[test]
    fn short_and_full_runs_have_lines_of_their_own() {
        let mut full = outcome(2);
        full.length = "full".to_owned();
        let table = table(&[outcome(1), full]);
        let ends: Vec<bool> = table
            .lines()
            .skip(2)
            .map(|line| line.contains("| short | 1 | 1–1 |") || line.contains("| full | 1 | 2–2 |"))
            .collect();
        assert_eq!(ends, [true, true]);
    }
}
