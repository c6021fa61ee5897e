//! Visits that are over.

use std::ops::Range;

use domain::time::Micros;
use sqlx::Row;

use super::Store;
use super::pg_time::PgTime;

/// The identity of a visit, in the order of pages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VisitKey {
    /// The first sample.
    pub entered: Micros,
    /// The sensor.
    pub sensor: String,
    /// Who.
    pub traveler: String,
    /// What kind of traveler.
    pub traveler_type: String,
}

/// A visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisitRow {
    /// Which.
    pub key: VisitKey,
    /// The last sample.
    pub left: Micros,
    /// Number of samples.
    pub samples: u32,
    /// nm.
    pub distance: i64,
    /// Number of speed samples.
    pub speed_n: u32,
    /// nm/s.
    pub speed_sum: i64,
    /// nm/s.
    pub speed_min: i64,
    /// nm/s.
    pub speed_max: i64,
    /// Whether a late event changed it after it was final.
    pub revised: bool,
}

/// Which visits.
#[derive(Clone, Debug)]
pub struct VisitFilter<'a> {
    /// When they began.
    pub entered: Range<Micros>,
    /// Sensors; `None` for all.
    pub sensors: Option<&'a [String]>,
    /// Traveler types; `None` for all.
    pub types: Option<&'a [String]>,
    /// Those after this one.
    pub after: Option<&'a VisitKey>,
}

impl Store {
    /// The first `limit` visits in the order of their keys.
    ///
    /// # Errors
    /// What sqlx says.
    pub async fn visits(
        &self,
        filter: &VisitFilter<'_>,
        limit: i64,
    ) -> sqlx::Result<Vec<VisitRow>> {
        // A page after some visit begins at that visit's instant, so that the index finds it.
        let start = match filter.after {
            Some(after) => filter.entered.start.max(after.entered),
            None => filter.entered.start,
        };
        let rows = sqlx::query(
            "select
                entered_at, sensor, traveler_id, traveler_type, left_at, samples, distance,
                speed_n, speed_sum, speed_min, speed_max, revised
            from visit
            where entered_at >= $1
                and entered_at < $2
                and ($3::text[] is null or sensor = any($3))
                and ($4::text[] is null or traveler_type = any($4))
                and (
                    $5::timestamptz is null
                    or (entered_at, sensor collate \"C\", traveler_id collate \"C\", traveler_type collate \"C\")
                        > ($5, $6, $7, $8)
                )
            order by entered_at, sensor collate \"C\", traveler_id collate \"C\", traveler_type collate \"C\"
            limit $9",
        )
        .bind(PgTime(start))
        .bind(PgTime(filter.entered.end))
        .bind(filter.sensors)
        .bind(filter.types)
        .bind(filter.after.map(|after| PgTime(after.entered)))
        .bind(filter.after.map(|after| &after.sensor))
        .bind(filter.after.map(|after| &after.traveler))
        .bind(filter.after.map(|after| &after.traveler_type))
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(visit_row).collect()
    }
}

fn visit_row(row: &sqlx::postgres::PgRow) -> sqlx::Result<VisitRow> {
    let count = |column| -> sqlx::Result<u32> {
        let count: i32 = row.try_get(column)?;
        Ok(u32::try_from(count).unwrap_or(0))
    };
    Ok(VisitRow {
        key: VisitKey {
            entered: row.try_get::<PgTime, _>(0)?.0,
            sensor: row.try_get(1)?,
            traveler: row.try_get(2)?,
            traveler_type: row.try_get(3)?,
        },
        left: row.try_get::<PgTime, _>(4)?.0,
        samples: count(5)?,
        distance: row.try_get(6)?,
        speed_n: count(7)?,
        speed_sum: row.try_get(8)?,
        speed_min: row.try_get(9)?,
        speed_max: row.try_get(10)?,
        revised: row.try_get(11)?,
    })
}
