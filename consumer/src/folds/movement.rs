//! How the rows of the movement fold are written (late events: `late`), and read back (`past`).

mod late;
mod past;

use domain::coverage::stored;
use domain::id::DeviceId;
use domain::movement::{
    BlockRow, MovementRows, PaneRow, Past, SensorRow, UpRow, VisitKey, VisitRow, Want,
};
use domain::pane::PaneKey;
use domain::time::Micros;
use sqlx::Arguments;
use sqlx::postgres::{PgArguments, PgConnection};

use crate::engine::job::Checkpoint;
use crate::store::checkpoint::{BindError, RowStatement, without_nul};
use crate::store::pg_time::PgTime;

/// Columns of the six tables, in the order in which they are bound; the partition comes first in each.
const VISIT_TYPES: [&str; 14] = [
    "int",
    "timestamptz",
    "text",
    "text",
    "text",
    "timestamptz",
    "int",
    "bigint",
    "int",
    "bigint",
    "bigint",
    "bigint",
    "int",
    "boolean",
];
const GONE_TYPES: [&str; 5] = ["int", "timestamptz", "text", "text", "text"];
const PANE_TYPES: [&str; 14] = [
    "int",
    "timestamptz",
    "text",
    "text",
    "int",
    "int",
    "int",
    "bigint",
    "bigint",
    "bigint",
    "bytea",
    "bigint",
    "int",
    "boolean",
];
const UP_TYPES: [&str; 4] = ["int", "timestamptz", "text", "bytea"];
const SENSOR_TYPES: [&str; 6] = [
    "int",
    "text",
    "timestamptz",
    "timestamptz",
    "timestamptz",
    "timestamptz",
];
const BLOCK_TYPES: [&str; 5] = ["int", "timestamptz", "text", "bigint", "bytea"];

impl RowStatement for MovementRows {
    fn expressions(first: usize) -> String {
        let mut next = first;
        let mut unnest = |types: &[&str]| {
            let arrays: Vec<_> = (next..)
                .zip(types)
                .map(|(n, kind)| format!("${n}::{kind}[]"))
                .collect();
            next += types.len();
            format!("unnest({})", arrays.join(", "))
        };
        let visits = visit_expressions(&unnest(&VISIT_TYPES), &unnest(&GONE_TYPES));
        let panes = pane_expression(&unnest(&PANE_TYPES));
        let sensors = sensor_expressions(&unnest(&UP_TYPES), &unnest(&SENSOR_TYPES));
        let late = late::expression(&unnest(&late::TYPES));
        let blocks = block_expression(&unnest(&BLOCK_TYPES));
        format!("{visits}{panes}{sensors}{late}{blocks}")
    }

    fn bind(
        checkpoints: &[Checkpoint<Self>],
        arguments: &mut PgArguments,
    ) -> Result<(), BindError> {
        let mut visits = Vec::new();
        let mut gone = Vec::new();
        for checkpoint in checkpoints {
            for (key, row) in &checkpoint.rows.visits {
                match row {
                    Some(row) => visits.push((checkpoint.partition, key, row)),
                    None => gone.push((checkpoint.partition, key)),
                }
            }
        }
        bind_visits(&visits, arguments)?;
        column(arguments, &gone, |(partition, _)| *partition)?;
        column(arguments, &gone, |(_, key)| PgTime(key.entered_at))?;
        column(arguments, &gone, |(_, key)| without_nul(&key.sensor.0))?;
        column(arguments, &gone, |(_, key)| without_nul(&key.traveler.0))?;
        column(arguments, &gone, |(_, key)| {
            without_nul(&key.traveler_type.0)
        })?;
        bind_panes(&rows_of(checkpoints, |rows| &rows.panes), arguments)?;
        bind_up(&rows_of(checkpoints, |rows| &rows.up), arguments)?;
        bind_sensors(&rows_of(checkpoints, |rows| &rows.sensors), arguments)?;
        late::bind(checkpoints, arguments)?;
        bind_blocks(checkpoints, arguments)
    }

    async fn recall(connection: &mut PgConnection, want: Want) -> sqlx::Result<Past> {
        past::recall(connection, want).await
    }
}

fn visit_expressions(visits: &str, gone: &str) -> String {
    format!(
        ", visits as (
    insert into visit (entered_at, sensor, traveler_id, traveler_type, left_at, samples, distance,
        speed_n, speed_sum, speed_min, speed_max, revision, revised)
    select u.entered_at, u.sensor, u.traveler_id, u.traveler_type, u.left_at, u.samples, u.distance,
        u.speed_n, u.speed_sum, u.speed_min, u.speed_max, u.revision, u.revised
    from {visits} as u (partition, entered_at, sensor, traveler_id, traveler_type, left_at, samples, distance,
        speed_n, speed_sum, speed_min, speed_max, revision, revised)
    join moved using (partition)
    on conflict on constraint visit_pkey do update set
        left_at = excluded.left_at, samples = excluded.samples, distance = excluded.distance,
        speed_n = excluded.speed_n, speed_sum = excluded.speed_sum, speed_min = excluded.speed_min,
        speed_max = excluded.speed_max, revision = excluded.revision, revised = excluded.revised
), visits_gone as (
    delete from visit
    using {gone} as u (partition, entered_at, sensor, traveler_id, traveler_type)
    join moved using (partition)
    where visit.entered_at = u.entered_at and visit.sensor = u.sensor
        and visit.traveler_id = u.traveler_id and visit.traveler_type = u.traveler_type
)"
    )
}

fn pane_expression(panes: &str) -> String {
    format!(
        ", panes as (
    insert into pane (start_at, sensor, traveler_type, entered, present,
        speed_n, speed_sum, speed_min, speed_max, sketch, changed_offset, revision, revised)
    select u.start_at, u.sensor, u.traveler_type, u.entered, u.present,
        u.speed_n, u.speed_sum, u.speed_min, u.speed_max, u.sketch, u.changed_offset, u.revision, u.revised
    from {panes} as u (partition, start_at, sensor, traveler_type, entered, present,
        speed_n, speed_sum, speed_min, speed_max, sketch, changed_offset, revision, revised)
    join moved using (partition)
    on conflict on constraint pane_pkey do update set
        entered = excluded.entered, present = excluded.present, speed_n = excluded.speed_n,
        speed_sum = excluded.speed_sum, speed_min = excluded.speed_min, speed_max = excluded.speed_max,
        sketch = excluded.sketch, changed_offset = excluded.changed_offset, revision = excluded.revision,
        revised = excluded.revised
)"
    )
}

fn sensor_expressions(up: &str, sensors: &str) -> String {
    format!(
        ", up as (
    insert into sensor_up (hour_at, sensor, up)
    select u.hour_at, u.sensor, u.up
    from {up} as u (partition, hour_at, sensor, up)
    join moved using (partition)
    on conflict on constraint sensor_up_pkey do update set up = excluded.up
), sensors as (
    insert into sensor_state (sensor, last_event_at, last_received_at, clock_at, watermark_at)
    select u.sensor, u.last_event_at, u.last_received_at, u.clock_at, u.watermark_at
    from {sensors} as u (partition, sensor, last_event_at, last_received_at, clock_at, watermark_at)
    join moved using (partition)
    on conflict on constraint sensor_state_pkey do update set
        last_event_at = excluded.last_event_at, last_received_at = excluded.last_received_at,
        clock_at = excluded.clock_at, watermark_at = excluded.watermark_at
)"
    )
}

fn block_expression(blocks: &str) -> String {
    format!(
        ", blocks as (
    insert into sample_block (hour_at, sensor, part, blob)
    select u.hour_at, u.sensor, u.part, u.blob
    from {blocks} as u (partition, hour_at, sensor, part, blob)
    join moved using (partition)
    on conflict on constraint sample_block_pkey do nothing
)"
    )
}

/// Binds one column.
fn column<'a, Row, Value>(
    arguments: &mut PgArguments,
    rows: &'a [Row],
    value: impl Fn(&'a Row) -> Value,
) -> Result<(), BindError>
where
    Vec<Value>: for<'e> sqlx::Encode<'e, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    arguments.add(rows.iter().map(value).collect::<Vec<_>>())
}

/// The rows of a table over all checkpoints, each with its partition.
fn rows_of<'a, Key, Row>(
    checkpoints: &'a [Checkpoint<MovementRows>],
    table: impl Fn(&'a MovementRows) -> &'a std::collections::HashMap<Key, Row>,
) -> Vec<(i32, &'a Key, &'a Row)> {
    checkpoints
        .iter()
        .flat_map(|checkpoint| {
            table(&checkpoint.rows)
                .iter()
                .map(|(key, row)| (checkpoint.partition, key, row))
        })
        .collect()
}

/// A count as Postgres keeps it.
fn int(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn bind_visits(
    rows: &[(i32, &VisitKey, &VisitRow)],
    arguments: &mut PgArguments,
) -> Result<(), BindError> {
    column(arguments, rows, |(partition, ..)| *partition)?;
    column(arguments, rows, |(_, key, _)| PgTime(key.entered_at))?;
    column(arguments, rows, |(_, key, _)| without_nul(&key.sensor.0))?;
    column(arguments, rows, |(_, key, _)| without_nul(&key.traveler.0))?;
    column(arguments, rows, |(_, key, _)| {
        without_nul(&key.traveler_type.0)
    })?;
    column(arguments, rows, |(.., row)| PgTime(row.left_at))?;
    column(arguments, rows, |(.., row)| int(row.samples))?;
    column(arguments, rows, |(.., row)| row.distance.0)?;
    column(arguments, rows, |(.., row)| int(row.speed_n))?;
    column(arguments, rows, |(.., row)| row.speed_sum.0)?;
    column(arguments, rows, |(.., row)| row.speed_min.0)?;
    column(arguments, rows, |(.., row)| row.speed_max.0)?;
    column(arguments, rows, |(.., row)| int(row.revision))?;
    column(arguments, rows, |(.., row)| row.revised)
}

fn bind_panes(
    rows: &[(i32, &PaneKey, &PaneRow)],
    arguments: &mut PgArguments,
) -> Result<(), BindError> {
    column(arguments, rows, |(partition, ..)| *partition)?;
    column(arguments, rows, |(_, key, _)| PgTime(key.start))?;
    column(arguments, rows, |(_, key, _)| without_nul(&key.sensor.0))?;
    column(arguments, rows, |(_, key, _)| {
        without_nul(&key.traveler_type.0)
    })?;
    column(arguments, rows, |(.., row)| int(row.pane.entered))?;
    column(arguments, rows, |(.., row)| int(row.pane.present))?;
    column(arguments, rows, |(.., row)| int(row.pane.speed.n))?;
    column(arguments, rows, |(.., row)| row.pane.speed.sum.0)?;
    column(arguments, rows, |(.., row)| row.pane.speed.min.0)?;
    column(arguments, rows, |(.., row)| row.pane.speed.max.0)?;
    column(arguments, rows, |(.., row)| {
        row.pane.speed.sketch.to_bytes()
    })?;
    column(arguments, rows, |(.., row)| row.changed_offset)?;
    column(arguments, rows, |(.., row)| int(row.revision))?;
    column(arguments, rows, |(.., row)| row.pane.revised > 0)
}

fn bind_up(
    rows: &[(i32, &(DeviceId, Micros), &UpRow)],
    arguments: &mut PgArguments,
) -> Result<(), BindError> {
    column(arguments, rows, |(partition, ..)| *partition)?;
    column(arguments, rows, |(_, (_, hour), _)| PgTime(*hour))?;
    column(arguments, rows, |(_, (sensor, _), _)| {
        without_nul(&sensor.0)
    })?;
    column(arguments, rows, |(.., row)| stored(&row.bits).to_vec())
}

fn bind_sensors(
    rows: &[(i32, &DeviceId, &SensorRow)],
    arguments: &mut PgArguments,
) -> Result<(), BindError> {
    column(arguments, rows, |(partition, ..)| *partition)?;
    column(arguments, rows, |(_, sensor, _)| without_nul(&sensor.0))?;
    column(arguments, rows, |(.., row)| PgTime(row.last_event))?;
    column(arguments, rows, |(.., row)| PgTime(row.last_received))?;
    column(arguments, rows, |(.., row)| PgTime(row.clock))?;
    column(arguments, rows, |(.., row)| PgTime(row.watermark))
}

fn bind_blocks(
    checkpoints: &[Checkpoint<MovementRows>],
    arguments: &mut PgArguments,
) -> Result<(), BindError> {
    let blocks = |checkpoint: &'_ Checkpoint<MovementRows>| checkpoint.rows.blocks.len();
    let mut rows: Vec<(i32, &BlockRow)> = Vec::with_capacity(checkpoints.iter().map(blocks).sum());
    for checkpoint in checkpoints {
        let of_it = checkpoint.rows.blocks.iter();
        rows.extend(of_it.map(|row| (checkpoint.partition, row)));
    }
    column(arguments, &rows, |(partition, _)| *partition)?;
    column(arguments, &rows, |(_, row)| PgTime(row.hour))?;
    column(arguments, &rows, |(_, row)| without_nul(&row.sensor.0))?;
    column(arguments, &rows, |(_, row)| row.part)?;
    column(arguments, &rows, |(_, row)| row.bytes.as_slice())
}
