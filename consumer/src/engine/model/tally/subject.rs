//! The counting fold as the model drives it: its records, and its rows and panes in the model's form.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::subject::{Fact, Key, LATE, Row, Subject, Surroundings, Table};
use super::{Tally, TallyConfig, TallyRows, pane_key};

impl Subject for Tally {
    fn config(surroundings: &Surroundings) -> TallyConfig {
        TallyConfig {
            surroundings: surroundings.clone(),
            outside: Arc::default(),
        }
    }

    fn value(fact: Fact) -> Vec<u8> {
        match fact {
            Fact::Seen { device, id, at } => [
                [b's', device].as_slice(),
                &id.to_le_bytes(),
                &at.to_le_bytes(),
            ]
            .concat(),
            Fact::Tick { at } => [b"t".as_slice(), &at.to_le_bytes()].concat(),
            Fact::Junk => b"junk".to_vec(),
            Fact::Poison => b"p".to_vec(),
        }
    }

    fn rows(rows: &TallyRows) -> Vec<(Key, Option<Row>)> {
        let panes = rows.panes.iter().map(|(key, (n, changed, revision))| {
            let row = Row {
                changed: *changed,
                n: *n,
                revision: *revision,
                ..Row::default()
            };
            (pane_key(*key), Some(row))
        });
        let late = rows.late.iter().map(|(id, changed, n)| {
            let key = [[LATE].as_slice(), &id.to_be_bytes()].concat();
            let row = Row {
                changed: *changed,
                n: *n,
                ..Row::default()
            };
            (key, Some(row))
        });
        panes.chain(late).collect()
    }

    fn past(want: Vec<(u8, i64)>, rows: &Table) -> BTreeMap<(u8, i64), (i64, u32)> {
        let row_of = |key: &(u8, i64)| {
            let row = rows.get(&pane_key(*key))?;
            Some((*key, (row.n, row.revision)))
        };
        want.iter().filter_map(row_of).collect()
    }

    fn pane(field: &[u8], value: &[u8]) -> (Key, Row) {
        let number = |at: usize| i64::from_le_bytes(value[at..at + 8].try_into().unwrap());
        let row = Row {
            changed: number(8),
            n: number(0),
            ..Row::default()
        };
        (field.to_vec(), row)
    }

    fn counted(rows: &Table) -> i64 {
        rows.values().map(|row| row.n).sum()
    }
}
