//! Panes that have settled.

use std::ops::Range;

use domain::id::{DeviceId, TravelerType};
use domain::pane::{Pane, PaneKey, SpeedStats};
use domain::quantity::Speed;
use domain::sketch::Sketch;
use domain::time::Micros;
use futures_util::TryStreamExt;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::Store;
use super::pg_time::PgTime;

/// Which panes, and how much of each.
#[derive(Clone, Copy, Debug)]
pub struct PaneFilter<'a> {
    /// Sensors; `None` for all.
    pub sensors: Option<&'a [String]>,
    /// Traveler types; `None` for all.
    pub types: Option<&'a [String]>,
    /// Whether the distribution of speeds is wanted; it is most of a row.
    pub with_sketch: bool,
}

/// By what panes are merged, and which are left out.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    /// `sensor`, `traveler_type`, or neither.
    pub column: &'a str,
    /// Panes that are left out.
    pub except: &'a KeyList,
}

/// Keys of panes, column by column.
#[derive(Clone, Debug, Default)]
pub struct KeyList {
    starts: Vec<PgTime>,
    sensors: Vec<String>,
    types: Vec<String>,
}

/// A pane and the offset of the record that changed it last.
#[derive(Clone, Debug, PartialEq)]
pub struct PaneRow {
    /// Which.
    pub key: PaneKey,
    /// What happened in it.
    pub pane: Pane,
    /// The higher of two copies is the newer one.
    pub changed_offset: i64,
}

/// The panes of one group at one instant, merged.
#[derive(Clone, Debug, PartialEq)]
pub struct MergedRow {
    /// Start of the panes.
    pub start: Micros,
    /// The sensor or type; empty when panes are not grouped.
    pub group: String,
    /// The merged pane, without a sketch.
    pub pane: Pane,
}

impl KeyList {
    /// Adds a key.
    pub fn push(&mut self, start: Micros, sensor: &DeviceId, traveler_type: &TravelerType) {
        self.starts.push(PgTime(start));
        self.sensors.push(sensor.0.clone());
        self.types.push(traveler_type.0.clone());
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }
}

impl Store {
    /// Gives `take` the panes of `range`, merged by instant and by the column `group` (`sensor`, `traveler_type`, or
    /// neither), without those in `except`. A day holds a million panes, so they are taken as they come.
    ///
    /// # Errors
    /// What sqlx says.
    pub async fn merged_panes(
        &self,
        range: Range<Micros>,
        filter: PaneFilter<'_>,
        group: Group<'_>,
        mut take: impl FnMut(MergedRow),
    ) -> sqlx::Result<()> {
        let mut rows = sqlx::query(
            "select
                start_at,
                case $5 when 'sensor' then sensor when 'traveler_type' then traveler_type else '' end,
                sum(entered)::bigint,
                sum(present)::bigint,
                sum(speed_n)::bigint,
                least(sum(speed_sum), 9223372036854775807)::bigint,
                coalesce(min(speed_min) filter (where speed_n > 0), 0),
                max(speed_max),
                count(*) filter (where revised)
            from pane
            where start_at >= $1
                and start_at < $2
                and ($3::text[] is null or sensor = any($3))
                and ($4::text[] is null or traveler_type = any($4))
                and (start_at, sensor, traveler_type) not in (
                    select * from unnest($6::timestamptz[], $7::text[], $8::text[])
                )
            group by 1, 2",
        )
        .bind(PgTime(range.start))
        .bind(PgTime(range.end))
        .bind(filter.sensors)
        .bind(filter.types)
        .bind(group.column)
        .bind(&group.except.starts)
        .bind(&group.except.sensors)
        .bind(&group.except.types)
        .fetch(&self.pool);
        while let Some(row) = rows.try_next().await? {
            take(merged_row(&row)?);
        }
        Ok(())
    }

    /// Gives `take` the panes of `range`, one by one.
    ///
    /// # Errors
    /// What sqlx says.
    pub async fn panes(
        &self,
        range: Range<Micros>,
        filter: PaneFilter<'_>,
        mut take: impl FnMut(PaneRow),
    ) -> sqlx::Result<()> {
        let mut rows = sqlx::query(
            "select
                start_at, sensor, traveler_type, entered, present, speed_n, speed_sum, speed_min, speed_max,
                changed_offset, case when $5 then sketch else '' end, revised
            from pane
            where start_at >= $1
                and start_at < $2
                and ($3::text[] is null or sensor = any($3))
                and ($4::text[] is null or traveler_type = any($4))",
        )
        .bind(PgTime(range.start))
        .bind(PgTime(range.end))
        .bind(filter.sensors)
        .bind(filter.types)
        .bind(filter.with_sketch)
        .fetch(&self.pool);
        while let Some(row) = rows.try_next().await? {
            take(pane_row(&row)?);
        }
        Ok(())
    }

    /// Gives `take` the panes with these keys, as far as there are any.
    ///
    /// # Errors
    /// What sqlx says.
    pub async fn panes_with_keys(
        &self,
        keys: &KeyList,
        with_sketch: bool,
        mut take: impl FnMut(PaneRow),
    ) -> sqlx::Result<()> {
        let mut rows = sqlx::query(
            "select
                start_at, sensor, traveler_type, entered, present, speed_n, speed_sum, speed_min, speed_max,
                changed_offset, case when $4 then sketch else '' end, revised
            from unnest($1::timestamptz[], $2::text[], $3::text[]) as wanted (start_at, sensor, traveler_type)
            join pane using (start_at, sensor, traveler_type)",
        )
        .bind(&keys.starts)
        .bind(&keys.sensors)
        .bind(&keys.types)
        .bind(with_sketch)
        .fetch(&self.pool);
        while let Some(row) = rows.try_next().await? {
            take(pane_row(&row)?);
        }
        Ok(())
    }

    /// The traveler types of the panes in `range`.
    ///
    /// # Errors
    /// What sqlx says.
    pub async fn traveler_types(&self, range: Range<Micros>) -> sqlx::Result<Vec<String>> {
        let rows = sqlx::query(
            "select distinct traveler_type
            from pane
            where start_at >= $1
                and start_at < $2",
        )
        .bind(PgTime(range.start))
        .bind(PgTime(range.end))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| row.try_get(0)).collect()
    }
}

fn merged_row(row: &PgRow) -> sqlx::Result<MergedRow> {
    let count = |column| -> sqlx::Result<u32> {
        let count: i64 = row.try_get(column)?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    };
    Ok(MergedRow {
        start: row.try_get::<PgTime, _>(0)?.0,
        group: row.try_get(1)?,
        pane: Pane {
            entered: count(2)?,
            present: count(3)?,
            speed: SpeedStats {
                n: count(4)?,
                sum: Speed(row.try_get(5)?),
                min: Speed(row.try_get(6)?),
                max: Speed(row.try_get(7)?),
                sketch: Sketch::default(),
            },
            revised: count(8)?,
        },
    })
}

fn pane_row(row: &PgRow) -> sqlx::Result<PaneRow> {
    let count = |column| -> sqlx::Result<u32> {
        let count: i32 = row.try_get(column)?;
        Ok(u32::try_from(count).unwrap_or(0))
    };
    let sketch: &[u8] = row.try_get(10)?;
    let unreadable = || sqlx::Error::ColumnDecode {
        index: "sketch".to_owned(),
        source: "not a sketch".into(),
    };
    Ok(PaneRow {
        key: PaneKey {
            sensor: DeviceId(row.try_get(1)?),
            traveler_type: TravelerType(row.try_get(2)?),
            start: row.try_get::<PgTime, _>(0)?.0,
        },
        pane: Pane {
            entered: count(3)?,
            present: count(4)?,
            speed: SpeedStats {
                n: count(5)?,
                sum: Speed(row.try_get(6)?),
                min: Speed(row.try_get(7)?),
                max: Speed(row.try_get(8)?),
                sketch: Sketch::from_bytes(sketch).ok_or_else(unreadable)?,
            },
            revised: u32::from(row.try_get::<bool, _>(11)?),
        },
        changed_offset: row.try_get(9)?,
    })
}
