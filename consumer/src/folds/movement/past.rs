//! Rows of the movement fold, read back for events that come late.

use std::collections::HashSet;

use domain::coverage::{HOUR, from_stored};
use domain::id::DeviceId;
use domain::movement::{BlockRow, PaneRow, Past, UpRow, VisitKey, VisitRow, Want};
use domain::pane::{Pane, PaneKey, SpeedStats};
use domain::quantity::{Distance, Speed};
use domain::sketch::Sketch;
use domain::time::Micros;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Row, query};

use crate::store::pg_time::PgTime;

/// The stretches, column by column.
struct Stretches {
    sensors: Vec<String>,
    from: Vec<PgTime>,
    to: Vec<PgTime>,
    /// The hour in which each begins.
    from_hour: Vec<PgTime>,
}

impl Stretches {
    /// Runs a query whose parameters are sensors, where each stretch begins, and where it ends.
    async fn read(
        &self,
        connection: &mut PgConnection,
        sql: &'static str,
        from: &[PgTime],
    ) -> sqlx::Result<Vec<PgRow>> {
        let bound = query(sql).bind(&self.sensors).bind(from).bind(&self.to);
        bound.fetch_all(connection).await
    }
}

/// Reads the rows of `want`.
pub(super) async fn recall(connection: &mut PgConnection, want: Want) -> sqlx::Result<Past> {
    let stretches = Stretches {
        sensors: want.stretches.iter().map(|s| s.sensor.0.clone()).collect(),
        from: want.stretches.iter().map(|s| PgTime(s.from)).collect(),
        to: want.stretches.iter().map(|s| PgTime(s.to)).collect(),
        from_hour: want
            .stretches
            .iter()
            .map(|s| PgTime(s.from.floor(HOUR)))
            .collect(),
    };
    Ok(Past {
        blocks: blocks(connection, &stretches).await?,
        panes: panes(connection, &stretches).await?,
        visits: visits(connection, &stretches).await?,
        up: up(connection, &stretches).await?,
        want,
    })
}

async fn blocks(
    connection: &mut PgConnection,
    stretches: &Stretches,
) -> sqlx::Result<Vec<BlockRow>> {
    let sql = "select sample_block.hour_at, sample_block.sensor, part, blob
        from unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) as stretch (sensor, from_at, to_at)
        join sample_block on sample_block.sensor = stretch.sensor
            and hour_at >= stretch.from_at
            and hour_at < stretch.to_at";
    let rows = stretches
        .read(connection, sql, &stretches.from_hour)
        .await?;
    let mut seen = HashSet::new();
    let mut blocks = Vec::with_capacity(rows.len());
    for row in &rows {
        let block = BlockRow {
            hour: instant(row, 0)?,
            sensor: DeviceId(row.try_get(1)?),
            part: row.try_get(2)?,
            bytes: row.try_get(3)?,
        };
        if !block.is_readable() {
            let BlockRow {
                hour, sensor, part, ..
            } = block;
            let which = format!("sample_block of sensor {sensor}, hour_at {hour}, part {part}");
            return Err(sqlx::Error::ColumnDecode {
                index: "blob".to_owned(),
                source: which.into(),
            });
        }
        // Two stretches may lie in one hour.
        if seen.insert((block.hour, block.sensor.clone(), block.part)) {
            blocks.push(block);
        }
    }
    Ok(blocks)
}

async fn panes(
    connection: &mut PgConnection,
    stretches: &Stretches,
) -> sqlx::Result<Vec<(PaneKey, PaneRow)>> {
    let sql = "select start_at, pane.sensor, traveler_type, entered, present, speed_n, speed_sum, speed_min, speed_max, sketch,
            changed_offset, revision, revised
        from unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) as stretch (sensor, from_at, to_at)
        join pane on pane.sensor = stretch.sensor
            and start_at >= stretch.from_at
            and start_at < stretch.to_at";
    let rows = stretches.read(connection, sql, &stretches.from).await?;
    rows.iter().map(pane).collect()
}

fn pane(row: &PgRow) -> sqlx::Result<(PaneKey, PaneRow)> {
    let sketch: &[u8] = row.try_get(9)?;
    let unreadable = || sqlx::Error::ColumnDecode {
        index: "sketch".to_owned(),
        source: "not a sketch".into(),
    };
    let key = PaneKey {
        start: instant(row, 0)?,
        sensor: DeviceId(row.try_get(1)?),
        traveler_type: row.try_get::<String, _>(2)?.into(),
    };
    let pane = Pane {
        entered: count(row, 3)?,
        present: count(row, 4)?,
        speed: SpeedStats {
            n: count(row, 5)?,
            sum: Speed(row.try_get(6)?),
            min: Speed(row.try_get(7)?),
            max: Speed(row.try_get(8)?),
            sketch: Sketch::from_bytes(sketch).ok_or_else(unreadable)?,
        },
        revised: u32::from(row.try_get::<bool, _>(12)?),
    };
    let row = PaneRow {
        pane,
        changed_offset: row.try_get(10)?,
        revision: count(row, 11)?,
    };
    Ok((key, row))
}

async fn visits(
    connection: &mut PgConnection,
    stretches: &Stretches,
) -> sqlx::Result<Vec<(VisitKey, VisitRow)>> {
    let sql = "select entered_at, visit.sensor, traveler_id, traveler_type, left_at, samples, distance, speed_n, speed_sum,
            speed_min, speed_max, revision, revised
        from unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) as stretch (sensor, from_at, to_at)
        join visit on visit.sensor = stretch.sensor
            and entered_at >= stretch.from_at
            and entered_at < stretch.to_at";
    let rows = stretches.read(connection, sql, &stretches.from).await?;
    rows.iter().map(visit).collect()
}

fn visit(row: &PgRow) -> sqlx::Result<(VisitKey, VisitRow)> {
    let key = VisitKey {
        entered_at: instant(row, 0)?,
        sensor: DeviceId(row.try_get(1)?),
        traveler: row.try_get::<String, _>(2)?.into(),
        traveler_type: row.try_get::<String, _>(3)?.into(),
    };
    let row = VisitRow {
        left_at: instant(row, 4)?,
        samples: count(row, 5)?,
        distance: Distance(row.try_get(6)?),
        speed_n: count(row, 7)?,
        speed_sum: Speed(row.try_get(8)?),
        speed_min: Speed(row.try_get(9)?),
        speed_max: Speed(row.try_get(10)?),
        revision: count(row, 11)?,
        revised: row.try_get(12)?,
    };
    Ok((key, row))
}

async fn up(
    connection: &mut PgConnection,
    stretches: &Stretches,
) -> sqlx::Result<Vec<((DeviceId, Micros), UpRow)>> {
    let sql = "select hour_at, sensor_up.sensor, up
        from unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) as stretch (sensor, from_at, to_at)
        join sensor_up on sensor_up.sensor = stretch.sensor
            and hour_at >= stretch.from_at
            and hour_at < stretch.to_at";
    let rows = stretches
        .read(connection, sql, &stretches.from_hour)
        .await?;
    let read = |row: &PgRow| {
        let bits: Vec<u8> = row.try_get(2)?;
        let wrong_length = || sqlx::Error::ColumnDecode {
            index: "up".to_owned(),
            source: "not an hour of panes".into(),
        };
        let bits = from_stored(&bits).ok_or_else(wrong_length)?;
        let key = (DeviceId(row.try_get(1)?), instant(row, 0)?);
        Ok((key, UpRow { bits }))
    };
    rows.iter().map(read).collect()
}

fn instant(row: &PgRow, column: usize) -> sqlx::Result<Micros> {
    Ok(row.try_get::<PgTime, _>(column)?.0)
}

fn count(row: &PgRow, column: usize) -> sqlx::Result<u32> {
    let count: i32 = row.try_get(column)?;
    Ok(u32::try_from(count).unwrap_or(0))
}
