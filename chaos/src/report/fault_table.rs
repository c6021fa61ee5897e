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
        "| {}{star} | {} | {length} | {} | {first}–{last} | {} | {} | {} | {:.1} s | {:.1} s | {result} |\n",
        row.id,
        row.fault,
        runs.len(),
        sum(|run| run.acked),
        sum(|run| run.lost),
        sum(|run| run.rows_different),
        seconds(most(|run| run.heal_ms)),
        seconds(most(|run| run.worst_gap_ms)),
    )
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

    #[test]
    fn the_table_sums_what_counts_and_keeps_the_worst() {
        let mut one = outcome(1);
        one.acked = 10;
        one.heal_ms = 1500;
        let mut other = outcome(2);
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
