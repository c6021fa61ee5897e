//! How far the folds have come.

use domain::time::Micros;
use sqlx::Row;

use super::Store;
use super::pg_time::PgTime;

/// A partition of the log, as far as its effects are in Postgres.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionRow {
    /// The topic, with the deployment's prefix.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// How often it was taken over.
    pub epoch: i64,
    /// The offset after the last record whose effects are here.
    pub next_offset: i64,
    /// The fold's watermark there.
    pub watermark: Option<Micros>,
}

impl Store {
    /// Every partition that a consumer ever owned.
    ///
    /// # Errors
    /// What sqlx says.
    pub async fn partitions(&self) -> sqlx::Result<Vec<PartitionRow>> {
        let rows = sqlx::query(
            "select topic, partition, epoch, next_offset, watermark_at
            from ledger
            order by topic, partition",
        )
        .fetch_all(&self.pool)
        .await?;
        let partition = |row: &sqlx::postgres::PgRow| {
            let watermark: Option<PgTime> = row.try_get(4)?;
            Ok(PartitionRow {
                topic: row.try_get(0)?,
                partition: row.try_get(1)?,
                epoch: row.try_get(2)?,
                next_offset: row.try_get(3)?,
                watermark: watermark.map(|at| at.0),
            })
        };
        rows.iter().map(partition).collect()
    }
}
