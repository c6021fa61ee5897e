//! The real movement fold as a subject: one traveler at two sensors, in steps of five seconds.

use domain::envelope;
use domain::event::{Body, Event, Position, TimeSource};
use domain::event_key::EventKey;
use domain::live::{PaneValue, pane_field, parse_pane_field};
use domain::movement::{MovementConfig, MovementFold, MovementRows, Past, Want};
use domain::pane::Pane;
use domain::time::{Micros, Span};
use prost::Message;

use super::subject::{Fact, Kept, Key, LATE, PANE, Row, Subject, Surroundings, Table};

/// Rows of visits.
const VISIT: u8 = b'v';
const UNIT: Span = Span::from_secs(5);

pub(super) fn instant(at: i64) -> Micros {
    Micros(1_767_225_600_000_000) + UNIT * at
}

fn event(device: &str, at: i64, key: EventKey, body: Body) -> Event {
    Event {
        device: device.into(),
        event_time: instant(at),
        received_at: instant(at),
        time_source: TimeSource::Device,
        key,
        has_event_id: true,
        body,
    }
}

fn pane_row(pane: &Pane, changed: i64, revision: u32) -> Row {
    Row {
        changed,
        n: i64::from(pane.present),
        revision,
        rest: format!("{pane:?}"),
        kept: Kept::Nothing,
    }
}

/// A row of which only equality matters, and what is kept of it.
fn row(
    kind: u8,
    key: &impl std::fmt::Debug,
    value: &impl std::fmt::Debug,
    kept: Kept,
) -> (Key, Option<Row>) {
    let row = Row {
        rest: format!("{value:?}"),
        kept,
        ..Row::default()
    };
    (key_of(kind, key), Some(row))
}

/// A row that stands for so many events.
fn counting(n: u32, row: Row) -> Row {
    Row {
        n: i64::from(n),
        ..row
    }
}

fn key_of(kind: u8, key: &impl std::fmt::Debug) -> Key {
    [[kind].as_slice(), format!("{key:?}").as_bytes()].concat()
}

impl Subject for MovementFold {
    fn config(_: &Surroundings) -> MovementConfig {
        MovementConfig {
            lateness: Span::from_secs(40),
            settle: Span::from_secs(10),
            amend_horizon: Span::from_secs(600),
            ..MovementConfig::default()
        }
    }

    /// A fold of the product does not panic: what is poison to the others cannot be read here.
    fn value(fact: Fact) -> Vec<u8> {
        match fact {
            Fact::Seen { device, id, at } => {
                let position = Position {
                    traveler: "anna".into(),
                    traveler_type: "student".into(),
                    x: f64::from(id),
                    y: f64::from(device),
                };
                let key = EventKey::from_event_id(&id.to_string());
                let device = format!("ent-{device}");
                envelope::encode(event(&device, at, key, Body::Position(position)))
            }
            Fact::Tick { at } => {
                let key = EventKey::from_values(&at.to_le_bytes());
                envelope::encode(event("", at, key, Body::Tick))
            }
            Fact::Junk | Fact::Poison => b"junk".to_vec(),
        }
    }

    fn rows(rows: &MovementRows) -> Vec<(Key, Option<Row>)> {
        let visits = rows.visits.iter().map(|(key, visit)| match visit {
            Some(visit) => {
                let kept = Kept::Visit(key.clone(), visit.clone());
                let (key, row) = row(VISIT, key, visit, kept);
                (key, row.map(|row| counting(visit.samples, row)))
            }
            None => (key_of(VISIT, key), None),
        });
        let panes = rows.panes.iter().map(|(key_of_pane, pane)| {
            let key = [[PANE].as_slice(), &pane_field(key_of_pane)].concat();
            let row = Row {
                kept: Kept::Pane(key_of_pane.clone(), pane.clone()),
                ..pane_row(&pane.pane, pane.changed_offset, pane.revision)
            };
            (key, Some(row))
        });
        let up = rows.up.iter().map(|(key, up)| {
            let kept = Kept::Up(key.clone(), up.clone());
            row(b'u', key, up, kept)
        });
        let sensors = rows.sensors.iter();
        let sensors = sensors.map(|(key, sensor)| row(b's', key, sensor, Kept::Nothing));
        let late = rows.late.iter();
        // One that amended an answer is counted there.
        let late = late.map(|late| {
            let (key, row) = row(LATE, &late.key, late, Kept::Nothing);
            (key, row.map(|row| counting(u32::from(!late.amended), row)))
        });
        let blocks = rows.blocks.iter().map(|block| {
            let key = (&block.sensor, block.hour, block.part);
            row(b'b', &key, block, Kept::Block(block.clone()))
        });
        visits
            .chain(panes)
            .chain(up)
            .chain(sensors)
            .chain(late)
            .chain(blocks)
            .collect()
    }

    fn past(want: Want, rows: &Table) -> Past {
        let mut known = MovementRows::default();
        for row in rows.values() {
            match row.kept.clone() {
                Kept::Pane(key, row) => drop(known.panes.insert(key, row)),
                Kept::Visit(key, row) => drop(known.visits.insert(key, Some(row))),
                Kept::Up(key, row) => drop(known.up.insert(key, row)),
                Kept::Block(row) => known.blocks.push(row),
                Kept::Nothing => {}
            }
        }
        Past::of(&known, want)
    }

    fn pane(field: &[u8], value: &[u8]) -> (Key, Row) {
        assert!(parse_pane_field(field).is_some(), "{field:?}");
        let value = PaneValue::decode(value).unwrap();
        let row = pane_row(&value.pane().unwrap(), value.changed_offset, 0);
        ([[PANE].as_slice(), field].concat(), row)
    }

    /// The samples of all visits, and what came too late for any. Panes count the same samples in another way.
    fn counted(rows: &Table) -> i64 {
        rows.iter()
            .filter(|(key, _)| [VISIT, LATE].contains(&key[0]))
            .map(|(_, row)| row.n)
            .sum()
    }
}
