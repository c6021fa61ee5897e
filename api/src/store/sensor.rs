//! What is known about sensors: their clocks, and when they were up.

use std::ops::Range;

use domain::coverage::HOUR;
use domain::id::DeviceId;
use domain::time::Micros;
use sqlx::Row;

use super::Store;
use super::pg_time::PgTime;

/// The newest known about a sensor that ever spoke; up to a minute old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SensorRow {
    /// The sensor.
    pub sensor: DeviceId,
    /// Its latest event.
    pub last_event: Micros,
    /// Receipt of its newest record.
    pub last_received: Micros,
    /// How far its time has come.
    pub clock: Micros,
    /// No event before this changes an answer any more.
    pub watermark: Micros,
}

/// In which panes of an hour a sensor is known to have been up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpRow {
    /// The sensor.
    pub sensor: DeviceId,
    /// Start of the hour.
    pub hour: Micros,
    /// Bit i (least significant first) is `hour + i × 10 s`.
    pub bits: Vec<u8>,
}

impl Store {
    /// Every sensor that ever spoke.
    ///
    /// # Errors
    /// What sqlx says.
    pub async fn sensors(&self) -> sqlx::Result<Vec<SensorRow>> {
        let rows = sqlx::query(
            "select sensor, last_event_at, last_received_at, clock_at, watermark_at
            from sensor_state",
        )
        .fetch_all(&self.pool)
        .await?;
        let sensor = |row: &sqlx::postgres::PgRow| {
            let at = |column: usize| row.try_get::<PgTime, _>(column).map(|at| at.0);
            Ok(SensorRow {
                sensor: DeviceId(row.try_get(0)?),
                last_event: at(1)?,
                last_received: at(2)?,
                clock: at(3)?,
                watermark: at(4)?,
            })
        };
        rows.iter().map(sensor).collect()
    }

    /// When `sensors` (all for `None`) were up, for the hours that touch `range`.
    ///
    /// # Errors
    /// What sqlx says.
    pub async fn uptime(
        &self,
        range: Range<Micros>,
        sensors: Option<&[String]>,
    ) -> sqlx::Result<Vec<UpRow>> {
        let rows = sqlx::query(
            "select sensor, hour_at, up
            from sensor_up
            where hour_at >= $1
                and hour_at < $2
                and ($3::text[] is null or sensor = any($3))",
        )
        .bind(PgTime(range.start.floor(HOUR)))
        .bind(PgTime(range.end))
        .bind(sensors)
        .fetch_all(&self.pool)
        .await?;
        let up = |row: &sqlx::postgres::PgRow| {
            Ok(UpRow {
                sensor: DeviceId(row.try_get(0)?),
                hour: row.try_get::<PgTime, _>(1)?.0,
                bits: row.try_get(2)?,
            })
        };
        rows.iter().map(up).collect()
    }
}
