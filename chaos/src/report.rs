//! Results: a text for a person, and a JSON line for the table in [`fault_table`].

pub mod fault_table;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::check::bound::Usage;
use crate::check::loss::Tally;
use crate::check::{Checker, Finding};
use crate::run::Repetition;
use crate::scene::Step;

/// What a repetition came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The row.
    pub row: String,
    /// Which time.
    pub repetition: u32,
    /// Its seed.
    pub seed: u64,
    /// How long it was: `short`, `full`, or for how many minutes.
    #[serde(default = "unknown_length")]
    pub length: String,
    /// What was done, and what was measured on the way.
    pub injected: Vec<Step>,
    /// Messages published, each counted once.
    pub published: u64,
    /// Messages acknowledged.
    pub acked: u64,
    /// How often a message was sent again after a broken connection.
    pub sent_again: u64,
    /// Different positions in Kafka.
    pub stored: u64,
    /// Further copies of them.
    pub duplicates: u64,
    /// Different refused events.
    pub dead_letters: u64,
    /// Acknowledged and nowhere.
    pub lost: u64,
    /// Rows of the true answer.
    pub rows: u64,
    /// Rows that differ from it.
    pub rows_different: u64,
    /// The longest that a partition's live view stood still.
    pub worst_gap_ms: u64,
    /// From the end of the fault until all is ready and worked off; 0 when it did not heal by itself.
    pub heal_ms: u64,
    /// Whether the log was held against what was published.
    #[serde(default)]
    pub log_judged: bool,
    /// Whether the rows were held against it as well.
    #[serde(default)]
    pub rows_judged: bool,
    /// How often the offsets that are committed to Kafka were held against the ledger's.
    #[serde(default)]
    pub offset_looks: u64,
    /// Whether the product's own audit agreed.
    pub audited: bool,
    /// The highest that any process of a role used, by role.
    pub peaks: BTreeMap<String, Usage>,
    /// How many tasks each role had after the fault.
    #[serde(default)]
    pub tasks: BTreeMap<String, f64>,
    /// What was found broken.
    pub findings: Vec<Finding>,
    /// Why its fault could not be injected on this machine; nothing was shown then.
    #[serde(default)]
    pub skipped: Option<String>,
}

impl Outcome {
    /// Nothing observed yet.
    #[must_use]
    pub fn new(repetition: &Repetition) -> Self {
        Self {
            row: repetition.row.id.to_owned(),
            repetition: repetition.number,
            seed: repetition.seed,
            length: repetition.length.name(),
            injected: Vec::new(),
            published: 0,
            acked: 0,
            sent_again: 0,
            stored: 0,
            duplicates: 0,
            dead_letters: 0,
            lost: 0,
            rows: 0,
            rows_different: 0,
            worst_gap_ms: 0,
            heal_ms: 0,
            log_judged: false,
            rows_judged: false,
            offset_looks: 0,
            audited: false,
            peaks: BTreeMap::new(),
            tasks: BTreeMap::new(),
            findings: Vec::new(),
            skipped: None,
        }
    }

    /// Takes over what was counted.
    pub fn tally(&mut self, tally: &Tally) {
        self.stored = tally.stored;
        self.duplicates = tally.duplicates;
        self.dead_letters = tally.dead_letters;
        self.lost = tally.lost;
        self.log_judged = true;
    }

    /// Adds a finding.
    pub fn find(&mut self, checker: Checker, sentence: impl Into<String>) {
        self.findings.push(Finding::new(checker, sentence));
    }

    /// Whether nothing was found broken.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.findings.is_empty()
    }

    /// For a person: what was done when, what came of it, and what is broken.
    #[must_use]
    pub fn text(&self) -> String {
        let verdict = match &self.skipped {
            Some(why) => format!("SKIPPED, {why}"),
            None if self.passed() => "pass".to_owned(),
            None => "FAIL".to_owned(),
        };
        let mut text = format!(
            "row {} #{} seed {}, {}: {verdict}: published {}, acked {}, sent again {}, stored {}, duplicates {}, dead letters {}, lost {}, \
             rows {}, different {}, worst gap {:.1} s, healed in {:.1} s\n",
            self.row,
            self.repetition,
            self.seed,
            self.length,
            self.published,
            self.acked,
            self.sent_again,
            self.stored,
            self.duplicates,
            self.dead_letters,
            self.lost,
            self.rows,
            self.rows_different,
            seconds(self.worst_gap_ms),
            seconds(self.heal_ms),
        );
        for step in &self.injected {
            text += &format!("  {:>7.2} s  {}\n", seconds(step.after_ms), step.what);
        }
        text += &format!("  at most   {}\n", self.usage());
        text += &format!("  offsets were compared {} times\n", self.offset_looks);
        if self.audited {
            text += "  footfall audit says equal\n";
        }
        for finding in &self.findings {
            text += &format!("  {:?}: {}\n", finding.checker, finding.sentence);
        }
        text
    }

    fn usage(&self) -> String {
        let peak = |(role, usage): (&String, &Usage)| {
            let Usage {
                rss_kib,
                descriptors,
                threads,
            } = usage;
            let mib = rss_kib / 1024;
            let tasks = self.tasks.get(role).copied().unwrap_or_default();
            format!(
                "{role} {mib} MiB, {descriptors} descriptors, {threads} threads (afterwards {tasks} tasks)"
            )
        };
        let peaks: Vec<String> = self.peaks.iter().map(peak).collect();
        peaks.join("; ")
    }

    /// Adds it to a file of results.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn append(&self, file: &Path) -> anyhow::Result<()> {
        let mut out = OpenOptions::new()
            .create(true)
            .append(true)
            .open(file)
            .with_context(|| format!("opening {}", file.display()))?;
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        out.write_all(&line)?;
        Ok(())
    }
}

/// What all repetitions came to: a line for a person, and whether it is good. A run in which everything was skipped has shown
/// nothing, and so has an empty one.
#[must_use]
pub fn verdict(outcomes: &[Outcome]) -> (String, bool) {
    let failed = outcomes.iter().filter(|outcome| !outcome.passed()).count();
    let skipped = |outcome: &&Outcome| outcome.passed() && outcome.skipped.is_some();
    let skipped = outcomes.iter().filter(skipped).count();
    let runs = outcomes.len();
    let passed = runs - failed - skipped;
    let text = format!("{runs} runs: {passed} passed, {failed} failed, {skipped} skipped\n");
    (text, failed == 0 && passed > 0)
}

/// Results of a time when it was not written down.
fn unknown_length() -> String {
    "unknown".to_owned()
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}

/// The results in a file.
///
/// # Errors
/// When it cannot be read.
pub fn read(file: &Path) -> anyhow::Result<Vec<Outcome>> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let outcome = |line: &str| serde_json::from_str(line).context("a line of results");
    text.lines().map(outcome).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row;
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
    fn what_was_skipped_is_never_called_a_pass() {
        let mut skipped = outcome(1);
        skipped.skipped = Some("a namespace cannot be made here".to_owned());
        assert!(
            skipped
                .text()
                .contains("SKIPPED, a namespace cannot be made here")
        );
        let table = fault_table::table(&[outcome(2), skipped]);
        assert!(table.contains("| 1 skipped |"));
    }

    #[test]
    fn a_run_that_has_shown_nothing_is_not_good() {
        let mut skipped = outcome(1);
        skipped.skipped = Some("no root".to_owned());
        let mut failed = outcome(2);
        failed.find(Checker::D1, "1 is lost");
        let passed = outcome(3);
        let good = |outcomes: &[&Outcome]| {
            let outcomes: Vec<Outcome> = outcomes.iter().copied().cloned().collect();
            verdict(&outcomes).1
        };
        assert!(good(&[&passed]) && good(&[&passed, &skipped]));
        assert!(!good(&[]) && !good(&[&skipped]) && !good(&[&passed, &failed]));
        let (text, _) = verdict(&[passed, failed, skipped.clone()]);
        assert_eq!(text, "3 runs: 1 passed, 1 failed, 1 skipped\n");
        skipped.find(Checker::D2, "2 rows differ");
        assert!(verdict(&[skipped]).0.contains("1 failed, 0 skipped"));
    }

    #[test]
    fn results_are_read_as_they_were_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("results.jsonl");
        let mut failed = outcome(2);
        failed.find(Checker::D2, "2 rows differ");
        for outcome in [&outcome(1), &failed] {
            outcome.append(&file).unwrap();
        }
        assert_eq!(read(&file).unwrap(), [outcome(1), failed.clone()]);
        assert!(failed.text().contains("FAIL") && failed.text().contains("D2: 2 rows differ"));
    }
}
