//! The log of one partition, and what a single-threaded fold of each of its prefixes gives: the truth of every check.

use std::collections::BTreeSet;
use std::rc::Rc;

use domain::live::LiveMap;

use super::subject::{Fact, Subject, Surroundings, Table, View};

/// The state after the records before an offset.
#[derive(Clone, Debug, Default)]
pub(super) struct Prefix {
    pub(super) rows: Rc<Table>,
    pub(super) live: Rc<View>,
    pub(super) dead: Rc<BTreeSet<i64>>,
}

/// The records of a partition.
#[derive(Debug)]
pub(super) struct Log<S> {
    pub(super) values: Vec<Vec<u8>>,
    facts: Vec<Fact>,
    prefixes: Vec<Prefix>,
    truth: S,
    surroundings: Surroundings,
}

impl<S: Subject> Log<S> {
    pub(super) fn new(surroundings: Surroundings) -> Self {
        let mut truth = S::new(&S::config(&surroundings));
        let live = Rc::new(view(&mut truth));
        let prefix = Prefix {
            live,
            ..Prefix::default()
        };
        Self {
            values: Vec::new(),
            facts: Vec::new(),
            prefixes: vec![prefix],
            truth,
            surroundings,
        }
    }

    pub(super) fn end(&self) -> i64 {
        i64::try_from(self.values.len()).unwrap()
    }

    pub(super) fn value(&self, offset: i64) -> &[u8] {
        &self.values[usize::try_from(offset).unwrap()]
    }

    pub(super) fn prefix(&self, offset: i64) -> &Prefix {
        &self.prefixes[usize::try_from(offset).unwrap()]
    }

    /// The events so far, each once.
    pub(super) fn events(&self) -> Vec<Fact> {
        let mut events: Vec<Fact> = Vec::new();
        for fact in &self.facts {
            if matches!(fact, Fact::Seen { .. }) && !events.contains(fact) {
                events.push(*fact);
            }
        }
        events
    }

    pub(super) fn push(&mut self, fact: Fact) {
        let offset = self.end();
        let value = S::value(fact);
        let mut prefix = self.prefixes.last().unwrap().clone();
        match S::decode(&value) {
            Ok(record) if fact != Fact::Poison => {
                apply(&mut self.truth, record, offset, &prefix.rows);
                let rows = S::rows(&self.truth.drain_rows());
                if !rows.is_empty() {
                    let table = Rc::make_mut(&mut prefix.rows);
                    for (key, row) in rows {
                        match row {
                            Some(row) => table.insert(key, row),
                            None => table.remove(&key),
                        };
                    }
                }
                prefix.live = Rc::new(view(&mut self.truth));
            }
            _ => {
                Rc::make_mut(&mut prefix.dead).insert(offset);
            }
        }
        self.values.push(value);
        self.facts.push(fact);
        self.prefixes.push(prefix);
    }

    /// The state at `offset`, folded once more.
    pub(super) fn state_at(&self, offset: i64) -> S {
        let mut state = S::new(&S::config(&self.surroundings));
        for at in 0..offset {
            let fact = self.facts[usize::try_from(at).unwrap()];
            if let (true, Ok(record)) = (fact != Fact::Poison, S::decode(self.value(at))) {
                apply(&mut state, record, at, &self.prefix(at).rows);
            }
        }
        drop(state.drain_rows());
        state
    }
}

/// Applies a record to a state of which `rows` are the rows so far.
fn apply<S: Subject>(state: &mut S, record: S::Record, offset: i64, rows: &Table) {
    if state.is_due(&record) {
        drop(state.drain_rows());
        let mut wanted = Some(state.wants());
        while let Some(want) = wanted {
            wanted = state.amend(S::past(want, rows), &record, offset);
        }
    }
    state.apply(record, offset);
}

fn view<S: Subject>(fold: &mut S) -> View {
    fold.all_live()
        .into_iter()
        .filter(|write| LiveMap::ALL.contains(&write.map))
        .filter_map(|write| Some(((write.map, write.field), write.value?)))
        .collect()
}
