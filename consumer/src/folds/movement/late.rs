//! How late events are written.

use std::collections::HashSet;

use domain::movement::{LateRow, MovementRows};
use sqlx::postgres::PgArguments;

use super::column;
use crate::engine::job::Checkpoint;
use crate::store::checkpoint::{BindError, without_nul};
use crate::store::pg_time::PgTime;

/// The columns in the order in which they are bound; the partition comes first.
pub(super) const TYPES: [&str; 10] = [
    "int",
    "timestamptz",
    "text",
    "text",
    "text",
    "bytea",
    "double precision",
    "double precision",
    "timestamptz",
    "boolean",
];

pub(super) fn expression(late: &str) -> String {
    format!(
        ", late as (
    insert into late_event (event_at, sensor, traveler_id, traveler_type, event_key, x, y, received_at, amended)
    select u.event_at, u.sensor, u.traveler_id, u.traveler_type, u.event_key, u.x, u.y, u.received_at, u.amended
    from {late} as u (partition, event_at, sensor, traveler_id, traveler_type, event_key, x, y, received_at, amended)
    join moved using (partition)
    on conflict on constraint late_event_pkey do nothing
)"
    )
}

pub(super) fn bind(
    checkpoints: &[Checkpoint<MovementRows>],
    arguments: &mut PgArguments,
) -> Result<(), BindError> {
    let rows = first_of_each(checkpoints);
    column(arguments, &rows, |(partition, _)| *partition)?;
    column(arguments, &rows, |(_, row)| PgTime(row.event_at))?;
    column(arguments, &rows, |(_, row)| without_nul(&row.sensor.0))?;
    column(arguments, &rows, |(_, row)| without_nul(&row.traveler.0))?;
    column(arguments, &rows, |(_, row)| {
        without_nul(&row.traveler_type.0)
    })?;
    column(arguments, &rows, |(_, row)| row.key.0.to_vec())?;
    column(arguments, &rows, |(_, row)| row.x)?;
    column(arguments, &rows, |(_, row)| row.y)?;
    column(arguments, &rows, |(_, row)| PgTime(row.received_at))?;
    column(arguments, &rows, |(_, row)| row.amended)
}

/// The first of each late event: of two copies in one statement Postgres would keep whichever it meets first, and they may have
/// been received at different times.
fn first_of_each(checkpoints: &[Checkpoint<MovementRows>]) -> Vec<(i32, &LateRow)> {
    let mut seen = HashSet::new();
    let of_all = checkpoints.iter().flat_map(|checkpoint| {
        let of_it = checkpoint.rows.late.iter();
        of_it.map(|row| (checkpoint.partition, row))
    });
    let key = |row: &LateRow| {
        let names =
            [&row.sensor.0, &row.traveler.0, &row.traveler_type.0].map(|name| without_nul(name));
        (row.event_at, names, row.key)
    };
    of_all.filter(|(_, row)| seen.insert(key(row))).collect()
}

#[cfg(test)]
mod tests {
    use domain::event_key::EventKey;
    use domain::time::Micros;

    use super::*;
    use crate::engine::conservation::Tally;
    use crate::engine::job::LogWrite;

    fn late(traveler: &str, received_at: i64) -> LateRow {
        LateRow {
            sensor: "s".into(),
            traveler: traveler.into(),
            traveler_type: "person".into(),
            event_at: Micros(1),
            key: EventKey([7; 16]),
            x: 1.0,
            y: 2.0,
            received_at: Micros(received_at),
            amended: false,
        }
    }

    fn checkpoint(partition: i32, late: Vec<LateRow>) -> Checkpoint<MovementRows> {
        Checkpoint {
            partition,
            epoch: 1,
            from: 0,
            to: 1,
            watermark: None,
            rows: MovementRows {
                late,
                ..MovementRows::default()
            },
            log: LogWrite::Delta(Vec::new()),
            dead: Vec::new(),
            tally: Tally::default(),
            mark: None,
        }
    }

    #[test]
    fn of_two_copies_in_one_checkpoint_the_first_is_written() {
        let checkpoints = [
            checkpoint(0, vec![late("anna", 5), late("ben", 6), late("anna", 9)]),
            checkpoint(1, vec![late("cleo", 4)]),
        ];
        let written: Vec<(i32, &str, i64)> = first_of_each(&checkpoints)
            .into_iter()
            .map(|(partition, row)| (partition, row.traveler.0.as_str(), row.received_at.0))
            .collect();
        assert_eq!(written, [(0, "anna", 5), (0, "ben", 6), (1, "cleo", 4)]);
    }
}
