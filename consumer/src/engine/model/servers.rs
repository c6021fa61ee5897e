//! Kafka, Postgres and Redis of the model, and every check that looks at them.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use domain::live::LiveMap;

use super::log::Log;
use super::mutant::{Check, Mutant};
use super::postgres::{Postgres, Statement, index};
use super::redis::{Look, Redis};
use super::subject::{Key, LATE, PANE, Row, Subject, Surroundings, Table, View};
use super::tasks::{Fate, Hold};
use super::wire::{Sent, Shown};
use crate::engine::job::Checkpoint;
use crate::store::ledger::Acquired;

/// Partitions of the topic.
pub(super) const PARTITIONS: usize = 2;

/// A check that failed.
#[derive(Clone, Debug)]
pub(super) struct Violation {
    pub(super) check: Check,
    pub(super) detail: String,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Servers<S> {
    pub(super) surroundings: Surroundings,
    /// The one check that counts, `None` for all of them.
    only: Option<Check>,
    pub(super) violation: Option<Violation>,
    pub(super) logs: Vec<Log<S>>,
    pub(super) committed: Vec<i64>,
    /// What becomes of commits to Kafka.
    pub(super) commits: Fate,
    /// Atoms until Postgres is back.
    pub(super) away: u8,
    /// The highest offset at which the ledger ever was.
    reached: Vec<i64>,
    pub(super) postgres: Postgres,
    pub(super) redis: Redis,
    /// The newest owner that wrote the live view of each partition.
    shown_by: Vec<u64>,
    pub(super) wire: Vec<Sent>,
    holders: u64,
}

impl<S: Subject> Servers<S> {
    pub(super) fn new(mutant: Option<Mutant>, only: Option<Check>) -> Self {
        let surroundings = Surroundings {
            mutant,
            ..Surroundings::default()
        };
        // Without any dedupe the truth is wrong as well: only counting the events finds that.
        let of_truth = Surroundings {
            mutant: mutant.filter(|mutant| *mutant == Mutant::NoDedupe),
            ..Surroundings::default()
        };
        let logs = || Log::new(of_truth.clone());
        Self {
            only,
            violation: None,
            logs: std::iter::repeat_with(logs).take(PARTITIONS).collect(),
            committed: vec![0; PARTITIONS],
            commits: Fate::Fine,
            away: 0,
            reached: vec![0; PARTITIONS],
            postgres: Postgres::new(PARTITIONS, mutant),
            redis: Redis::new(PARTITIONS),
            shown_by: vec![0; PARTITIONS],
            wire: Vec::new(),
            holders: 0,
            surroundings,
        }
    }

    pub(super) fn is(&self, mutant: Mutant) -> bool {
        self.surroundings.mutant == Some(mutant)
    }

    pub(super) fn pass_time(&mut self) {
        self.surroundings.wall.fetch_add(1, Ordering::Relaxed);
        self.away = self.away.saturating_sub(1);
    }

    /// Whether every request to Postgres fails.
    pub(super) fn is_away(&self) -> bool {
        self.away > 0
    }

    /// Postgres gives a partition to a new owner, whom the model, and nobody else, knows by its number.
    pub(super) fn acquire(&mut self, partition: i32) -> (Acquired, Hold) {
        self.holders += 1;
        let acquired = self.postgres.acquire::<S>(partition, self.holders);
        (acquired, (self.holders, self.postgres.restores))
    }

    pub(super) fn check(&mut self, check: Check, holds: bool, detail: impl FnOnce() -> String) {
        let counts = self.only.is_none_or(|only| only == check);
        if !holds && counts && self.violation.is_none() {
            let detail = detail();
            self.violation = Some(Violation { check, detail });
        }
    }

    /// An owner sends a commit, and does not wait for what becomes of it.
    pub(super) fn send_commit(&mut self, partition: i32, to: i64) {
        match self.commits {
            Fate::Fine | Fate::ReplyLost => self.commit(partition, to),
            Fate::Late => self.wire.push(Sent::Commit(partition, to)),
            Fate::Down => {}
        }
    }

    /// Kafka takes a commit.
    pub(super) fn commit(&mut self, partition: i32, to: i64) {
        let id = index(partition);
        self.committed[id] = to;
        let reached = self.reached[id];
        self.check(Check::I3, to <= reached, || {
            format!("partition {id}: {to} is committed, the ledger was never past {reached}")
        });
    }

    /// Postgres runs a checkpoint.
    pub(super) fn execute(&mut self, statements: &[Statement]) -> Vec<i32> {
        let moved = self.postgres.execute(statements);
        for statement in statements {
            let id = statement.partition;
            let is_moved = moved.contains(&i32::try_from(id).unwrap());
            let holder = self.postgres.partitions[id].holder;
            let is_holder = !is_moved || statement.holder == holder;
            self.check(Check::OneWriter, is_holder, || {
                let writer = statement.holder;
                format!("partition {id}: {writer} moved the ledger of {holder}")
            });
            self.reached[id] = self.reached[id].max(self.postgres.partitions[id].next);
            self.check_rows(id);
        }
        moved
    }

    /// I1, at the ledger's offset.
    pub(super) fn check_rows(&mut self, id: usize) {
        let stored = &self.postgres.partitions[id];
        let next = stored.next.min(self.logs[id].end());
        let truth = self.logs[id].prefix(next).clone();
        let is_equal = stored.rows == *truth.rows
            && stored.dead == *truth.dead
            && stored.accounted == stored.next;
        if !is_equal {
            let detail = format!(
                "partition {id} at {next}, {} accounted for: {}, dead letters {:?}, not {:?}",
                stored.accounted,
                difference(&stored.rows, &truth.rows),
                stored.dead,
                truth.dead
            );
            self.check(Check::I1, false, || detail);
        }
    }

    /// I5: what changed since the ledger's offset is in the checkpoint.
    pub(super) fn check_checkpoint(&mut self, checkpoint: &Checkpoint<S::Rows>) {
        let log = &self.logs[index(checkpoint.partition)];
        let (from, to) = (log.prefix(checkpoint.from), log.prefix(checkpoint.to));
        let rows = S::rows(&checkpoint.rows);
        let holds = |key: &Key| rows.iter().any(|(of, _)| of == key);
        let missing: Vec<_> = to
            .rows
            .iter()
            .filter(|(key, row)| from.rows.get(*key) != Some(*row) && !holds(key))
            .map(|(key, _)| key.clone())
            .collect();
        let (late, others): (Vec<_>, Vec<_>) = missing.into_iter().partition(|key| key[0] == LATE);
        self.check(Check::LateKept, late.is_empty(), || format!("{late:?}"));
        self.check(Check::I5, others.is_empty(), || format!("{others:?}"));
    }

    /// Redis runs `EXEC`; says how many fields there are then, or `None` when it did nothing.
    pub(super) fn exec(&mut self, look: &Look, shown: &[Shown]) -> Option<Vec<u64>> {
        if !self.is(Mutant::HeaderUnchecked) && !self.redis.is_as_seen(look) {
            return None;
        }
        let mut fields = Vec::new();
        for shown in shown {
            let id = index(shown.flush.partition);
            let keys = &mut self.redis.partitions[id];
            let before = keys.generations.get(&shown.flush.generation.name).cloned();
            fields.push(keys.apply(&shown.flush));
            keys.holder = shown.holder;
            if self.is(Mutant::GoneBeforeRows) {
                self.drop_gone(id, shown.flush.next_offset);
            }
            let newest = self.shown_by[id];
            // A Postgres that was restored may name an older owner again.
            let is_owner = shown.holder == self.postgres.partitions[id].holder;
            self.check(Check::OneWriter, is_owner || shown.holder >= newest, || {
                let holder = shown.holder;
                format!("partition {id}: {holder} wrote the live view after {newest}")
            });
            self.shown_by[id] = newest.max(shown.holder);
            // Whoever acquired before a restore of Postgres counts on rows that are no longer there.
            if shown.restores == self.postgres.restores {
                self.check_view(id, &before.unwrap_or_default());
            }
        }
        Some(fields)
    }

    /// Redis starts anew. In an old copy an owner of the past may find its own header, and goes on until the present one
    /// looks.
    pub(super) fn restart_redis(&mut self) {
        self.redis.restart();
        for (keys, shown_by) in self.redis.partitions.iter().zip(&mut self.shown_by) {
            if keys.header.is_some() {
                *shown_by = keys.holder;
            }
        }
    }

    /// Postgres goes back to its backup, if there is one. Whoever showed values after that never was, as far as it knows.
    pub(super) fn restore_postgres(&mut self) {
        if !self.postgres.restore() {
            return;
        }
        for id in 0..PARTITIONS {
            self.shown_by[id] = self.shown_by[id].min(self.postgres.partitions[id].holder);
            self.check_rows(id);
        }
    }

    fn drop_gone(&mut self, id: usize, offset: i64) {
        let live = self.logs[id].prefix(offset).live.clone();
        let keys = &mut self.redis.partitions[id];
        for view in keys.generations.values_mut() {
            view.retain(|field, _| live.contains_key(field));
        }
    }

    /// I2: what readers make of Redis and Postgres is the state at the header's offset. A pane that changed and became
    /// final between two flushes stays as it was shown (`before`) until Postgres has its row.
    pub(super) fn check_view(&mut self, id: usize, before: &View) {
        let keys = &self.redis.partitions[id];
        let Some((_, off)) = &keys.header else {
            return;
        };
        let shown = keys.current().cloned().unwrap_or_default();
        let truth = self.logs[id].prefix(*off).clone();
        let stored = &self.postgres.partitions[id];
        let mut wrong = Vec::new();
        // Open visits are shown less often than the header says, and panes are compared below.
        let (found, wanted) = (sensors(&shown), sensors(&truth.live));
        if found != wanted {
            wrong.push(format!("sensors: {found:?}, not {wanted:?}"));
        }
        let before = panes::<S>(before);
        let (shown, live) = (panes::<S>(&shown), panes::<S>(&truth.live));
        let is_pane = |key: &&Key| key[0] == PANE;
        let keys: BTreeSet<&Key> = shown
            .keys()
            .chain(live.keys())
            .chain(truth.rows.keys().filter(is_pane))
            .chain(stored.rows.keys().filter(is_pane))
            .collect();
        for key in keys {
            let is_as_before = shown.get(key) == before.get(key);
            if is_as_before && !live.contains_key(key) && stored.next < *off {
                continue;
            }
            let row = stored.rows.get(key);
            let known = live.get(key).or_else(|| truth.rows.get(key));
            let ahead = row.filter(|_| stored.next > *off);
            let (found, wanted) = (newer(shown.get(key), row), newer(known, ahead));
            if found != wanted {
                wrong.push(format!("pane {key:?}: {found:?}, not {wanted:?}"));
            }
        }
        if !wrong.is_empty() {
            let detail = format!("partition {id} at {off}: {}", wrong.join(", "));
            self.check(Check::I2, false, || detail);
        }
    }
}

fn sensors(view: &View) -> Vec<(&Vec<u8>, &Vec<u8>)> {
    view.iter()
        .filter(|((map, _), _)| *map == LiveMap::Sensors)
        .map(|((_, field), value)| (field, value))
        .collect()
}

fn panes<S: Subject>(view: &View) -> Table {
    view.iter()
        .filter(|((map, _), _)| *map == LiveMap::Panes)
        .map(|((_, field), value)| S::pane(field, value))
        .collect()
}

/// Of two copies of a pane the one that changed later; which revision it is, the live view does not say.
fn newer<'a>(live: Option<&'a Row>, row: Option<&'a Row>) -> Option<(i64, i64, &'a str)> {
    let of = |row: &'a Row| (row.changed, row.n, row.rest.as_str());
    match (live.map(of), row.map(of)) {
        (Some(live), Some(row)) if row.0 > live.0 => Some(row),
        (live, row) => live.or(row),
    }
}

/// The rows that are not what they should be, for a person.
fn difference(found: &Table, expected: &Table) -> String {
    let keys: BTreeSet<_> = found.keys().chain(expected.keys()).collect();
    let differing = keys
        .into_iter()
        .filter(|key| found.get(*key) != expected.get(*key));
    let lines = differing.map(|key| {
        let row = |table: &Table| table.get(key).map(|row| row.rest.clone());
        format!(
            "row {}: {:?}, not {:?}",
            String::from_utf8_lossy(key),
            row(found),
            row(expected)
        )
    });
    lines.collect::<Vec<_>>().join("; ")
}
