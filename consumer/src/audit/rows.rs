//! How the rows of each fold stand in its [`tables`](super::tables). The SQL that writes them is in `folds`; this says the same once
//! more, apart from it, so that a mistake in one of the two is found. Reading rows back is `back`'s.

use std::ops::Range;

use domain::coverage::{HOUR, stored};
use domain::dead_letter::DeadLetter;
use domain::fold::{Fold, Rows};
use domain::live::{LiveMap, PaneValue, parse_pane_field};
use domain::movement::{
    BlockRow, LateRow, MovementFold, MovementRows, PaneRow, Past, Stretch, VisitKey, VisitRow, Want,
};
use domain::pane::PaneKey;
use domain::time::Micros;
use prost::Message;

use super::back;
use super::cell::{Cell, Row, Table};
use super::live::Gone;
use super::store::Write;
use super::tables::{BLOCK, DEAD_LETTER, LATE, PANE, SENSOR, UP, VISIT};
use crate::engine::job::DeadRecord;
use crate::folds::DeadLetterFold;
use crate::store::checkpoint::{RowStatement, without_nul};

/// Gives the rows of a table whose first column, an instant, lies in a range.
pub(crate) type ReadRows<'a> =
    dyn FnMut(&Table, Range<Micros>) -> Result<Vec<Row>, redb::Error> + 'a;

/// A fold whose effects can be recomputed and compared.
pub(crate) trait Audited: Fold<Rows: RowStatement> {
    /// The tables that it writes, besides [`DEAD_LETTER`], into which the engine puts its quarantine.
    const TABLES: &'static [Table];

    /// Whether it has no state, so that it can be folded from any record on.
    const IS_STATELESS: bool = false;

    /// The rows as they stand in the tables.
    fn writes(rows: Self::Rows, partition: i32) -> Vec<(&'static Table, Vec<Write>)>;

    /// Which stretches of which sensors it wants to see again.
    fn stretches(_want: &<Self::Rows as Rows>::Want) -> &[Stretch] {
        &[]
    }

    /// What the fold wants to see of its own past, from the rows that `read` gives.
    fn past(
        want: <Self::Rows as Rows>::Want,
        read: &mut ReadRows<'_>,
    ) -> Result<<Self::Rows as Rows>::Past, redb::Error>;

    /// Which row stands for a value that left the live view: its table, and the cells of its key.
    fn row_of_live(_map: LiveMap, _field: &[u8]) -> Option<(&'static Table, Row)> {
        None
    }

    /// What is known of such a value, which is shown as `found`, by its row.
    fn gone(_row: &Row, _found: &[u8]) -> Gone {
        Gone::Never
    }
}

impl Audited for MovementFold {
    const TABLES: &'static [Table] = &[VISIT, PANE, UP, SENSOR, LATE];

    fn writes(rows: MovementRows, _partition: i32) -> Vec<(&'static Table, Vec<Write>)> {
        let visits = rows.visits.into_iter().map(|(key, row)| match row {
            Some(row) => Write::Put(visit(&key, &row)),
            None => Write::Remove(Row(visit_key(&key))),
        });
        let panes = rows
            .panes
            .iter()
            .map(|(key, row)| Write::Put(pane(key, row)));
        let up = rows.up.into_iter().map(|((sensor, hour), row)| {
            let bits = Cell::Bytes(stored(&row.bits).to_vec());
            Write::Put(Row(vec![Cell::Time(hour), text(&sensor.0), bits]))
        });
        let sensors = rows.sensors.into_iter().map(|(sensor, row)| {
            let times = [row.last_event, row.last_received, row.clock, row.watermark];
            let cells = std::iter::once(text(&sensor.0)).chain(times.map(Cell::Time));
            Write::Put(Row(cells.collect()))
        });
        let late = rows.late.iter().map(|row| Write::Keep(late(row)));
        let blocks = rows.blocks.into_iter().map(|row| Write::Put(block(row)));
        vec![
            (&VISIT, visits.collect()),
            (&PANE, panes.collect()),
            (&UP, up.collect()),
            (&SENSOR, sensors.collect()),
            (&LATE, late.collect()),
            (&BLOCK, blocks.collect()),
        ]
    }

    fn stretches(want: &Want) -> &[Stretch] {
        &want.stretches
    }

    fn past(want: Want, read: &mut ReadRows<'_>) -> Result<Past, redb::Error> {
        let mut rows = MovementRows::default();
        for stretch in &want.stretches {
            let hours = stretch.from.floor(HOUR)..stretch.to;
            let is_its = |row: &Row| row.0.get(1) == Some(&text(&stretch.sensor.0));
            let mut of_it = |table, range| -> Result<Vec<Row>, redb::Error> {
                let mut rows = read(table, range)?;
                rows.retain(is_its);
                Ok(rows)
            };
            let panes = of_it(&PANE, stretch.from..stretch.to)?;
            rows.panes.extend(panes.iter().filter_map(back::pane));
            let visits = of_it(&VISIT, stretch.from..stretch.to)?;
            let visits = visits.iter().filter_map(back::visit);
            rows.visits
                .extend(visits.map(|(key, row)| (key, Some(row))));
            let up = of_it(&UP, hours.clone())?;
            rows.up.extend(up.iter().filter_map(back::up));
            let blocks = of_it(&BLOCK, hours)?;
            rows.blocks.extend(blocks.iter().filter_map(back::block));
        }
        // Two stretches may lie in one hour.
        rows.blocks
            .sort_unstable_by(|a, b| (a.hour, &a.sensor, a.part).cmp(&(b.hour, &b.sensor, b.part)));
        rows.blocks.dedup();
        Ok(Past::of(&rows, want))
    }

    fn row_of_live(map: LiveMap, field: &[u8]) -> Option<(&'static Table, Row)> {
        let key = (map == LiveMap::Panes).then(|| parse_pane_field(field))??;
        Some((&PANE, Row(pane_key(&key))))
    }

    /// Of two copies of a pane the higher offset counts; at the same offset they are the same.
    fn gone(row: &Row, found: &[u8]) -> Gone {
        let Some((_, row)) = back::pane(row) else {
            return Gone::Never;
        };
        // What cannot be read differs from everything.
        let found = PaneValue::decode(found).ok();
        if found
            .as_ref()
            .is_some_and(|found| found.changed_offset < row.changed_offset)
        {
            return Gone::Outdated;
        }
        // A row does not say whether its pane had settled when it was shown last.
        let settled = found.is_none_or(|found| found.settled);
        Gone::Was(PaneValue::new(&row.pane, row.changed_offset, settled).encode_to_vec())
    }
}

impl Audited for DeadLetterFold {
    const TABLES: &'static [Table] = &[];
    const IS_STATELESS: bool = true;

    fn writes(rows: Self::Rows, partition: i32) -> Vec<(&'static Table, Vec<Write>)> {
        let letters = rows
            .0
            .iter()
            .map(|(offset, row)| Write::Put(letter(partition, *offset, row)));
        vec![(&DEAD_LETTER, letters.collect())]
    }

    fn past((): (), _: &mut ReadRows<'_>) -> Result<(), redb::Error> {
        Ok(())
    }
}

/// A record in quarantine.
pub(crate) fn quarantined(partition: i32, dead: &DeadRecord) -> Row {
    Row(vec![
        Cell::Int(partition.into()),
        Cell::Int(dead.offset),
        text(dead.rejection.reason.as_str()),
        text(&dead.rejection.detail),
        dead.device.as_deref().map_or(Cell::Null, text),
        Cell::Null,
        Cell::Null,
        Cell::Bytes(dead.payload.clone()),
        Cell::Time(dead.received_at),
    ])
}

fn letter(partition: i32, offset: i64, letter: &DeadLetter) -> Row {
    let unless_empty = |value: &str| {
        if value.is_empty() {
            Cell::Null
        } else {
            text(value)
        }
    };
    Row(vec![
        Cell::Int(partition.into()),
        Cell::Int(offset),
        text(&letter.reason),
        text(&letter.detail),
        unless_empty(&letter.device),
        text(&letter.mqtt_topic),
        unless_empty(&letter.decoder),
        Cell::Bytes(letter.payload.clone()),
        Cell::Time(letter.received_at()),
    ])
}

fn visit_key(key: &VisitKey) -> Vec<Cell> {
    vec![
        Cell::Time(key.entered_at),
        text(&key.sensor.0),
        text(&key.traveler.0),
        text(&key.traveler_type.0),
    ]
}

fn visit(key: &VisitKey, row: &VisitRow) -> Row {
    let mut cells = visit_key(key);
    cells.extend([
        Cell::Time(row.left_at),
        count(row.samples),
        Cell::Int(row.distance.0),
        count(row.speed_n),
        Cell::Int(row.speed_sum.0),
        Cell::Int(row.speed_min.0),
        Cell::Int(row.speed_max.0),
        count(row.revision),
        Cell::Bool(row.revised),
    ]);
    Row(cells)
}

fn pane_key(key: &PaneKey) -> Vec<Cell> {
    vec![
        Cell::Time(key.start),
        text(&key.sensor.0),
        text(&key.traveler_type.0),
    ]
}

fn pane(key: &PaneKey, row: &PaneRow) -> Row {
    let speed = &row.pane.speed;
    let mut cells = pane_key(key);
    cells.extend([
        count(row.pane.entered),
        count(row.pane.present),
        count(speed.n),
        Cell::Int(speed.sum.0),
        Cell::Int(speed.min.0),
        Cell::Int(speed.max.0),
        Cell::Bytes(speed.sketch.to_bytes()),
        Cell::Int(row.changed_offset),
        count(row.revision),
        Cell::Bool(row.pane.revised > 0),
    ]);
    Row(cells)
}

fn late(row: &LateRow) -> Row {
    Row(vec![
        Cell::Time(row.event_at),
        text(&row.sensor.0),
        text(&row.traveler.0),
        text(&row.traveler_type.0),
        Cell::Bytes(row.key.0.to_vec()),
        Cell::Float(row.x),
        Cell::Float(row.y),
        Cell::Time(row.received_at),
        Cell::Bool(row.amended),
    ])
}

fn block(row: BlockRow) -> Row {
    Row(vec![
        Cell::Time(row.hour),
        text(&row.sensor.0),
        Cell::Int(row.part),
        Cell::Bytes(row.bytes),
    ])
}

fn text(value: &str) -> Cell {
    Cell::Text(without_nul(value))
}

/// A count as an `integer` holds it.
fn count(value: u32) -> Cell {
    Cell::Int(value.min(i32::MAX.unsigned_abs()).into())
}

#[cfg(test)]
mod tests {
    use domain::pane::Pane;

    use super::*;

    #[test]
    fn a_pane_that_is_shown_counts_when_its_offset_is_at_least_that_of_its_row() {
        let of = |present, changed_offset| PaneRow {
            pane: Pane {
                present,
                ..Pane::default()
            },
            changed_offset,
            revision: 0,
        };
        let key = PaneKey {
            sensor: "s".into(),
            traveler_type: "person".into(),
            start: Micros(0),
        };
        let row = pane(&key, &of(3, 10));
        let shown = |present, offset| {
            let PaneRow { pane, .. } = of(present, offset);
            PaneValue::new(&pane, offset, false).encode_to_vec()
        };
        let known = |found: &[u8]| MovementFold::gone(&row, found);
        assert_eq!(known(&shown(1, 9)), Gone::Outdated);
        assert_eq!(known(&shown(3, 10)), Gone::Was(shown(3, 10)));
        for tampered in [shown(4, 10), shown(3, 11)] {
            assert_eq!(known(&tampered), Gone::Was(shown(3, 10)));
        }
        assert_ne!(known(b"\xff"), Gone::Outdated);
        let field = domain::live::pane_field(&key);
        let (table, cells) = MovementFold::row_of_live(LiveMap::Panes, &field).unwrap();
        assert_eq!(cells.key(table), row.key(table));
    }
}
