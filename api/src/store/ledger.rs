//! How far the folds have come, and what became of the records.

use domain::time::Micros;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::Store;
use super::pg_time::PgTime;

/// More dead letters than this are not counted.
pub const DEAD_LETTERS_COUNTED: i64 = 10_000;

/// A partition of the log, as far as its effects are in Postgres.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionRow {
    /// The topic, with the deployment's prefix.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// The fold, and its version.
    pub fold: (String, i32),
    /// How often it was taken over.
    pub epoch: i64,
    /// The offset after the last record whose effects are here.
    pub next_offset: i64,
    /// The fold's watermark there.
    pub watermark: Option<Micros>,
    /// Where Kafka's log ended when the owner last told, and when that was.
    pub log_end: Option<(i64, Micros)>,
    /// What became of the records.
    pub counts: CountsRow,
    /// Why it stands still, if it does.
    pub stopped: Option<StoppedRow>,
}

/// What became of the records of a partition since `began_offset`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CountsRow {
    /// The first record that is counted.
    pub began_offset: i64,
    /// They changed the state.
    pub applied: i64,
    /// They were folded before.
    pub duplicate: i64,
    /// They came after the watermark.
    pub late: i64,
    /// Of a kind that the fold does not count.
    pub ignored: i64,
    /// Ticks.
    pub marker: i64,
    /// In quarantine.
    pub dead_letter: i64,
    /// Left out by a person.
    pub skipped: i64,
    /// Nobody knows. `None` while the owner is of a version that does not count.
    pub unaccounted: Option<i64>,
}

/// A partition that cannot go on without a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoppedRow {
    /// A word for machines.
    pub reason: String,
    /// What happened, and what to do.
    pub why: String,
    /// When it was found out.
    pub since: Micros,
}

/// The canary of one gateway, over the partitions of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanaryRow {
    /// The gateway's process.
    pub gateway: String,
    /// The topic, with the deployment's prefix.
    pub topic: String,
    /// In how many partitions it was seen.
    pub partitions: i64,
    /// The number that arrived in all of them.
    pub sequence: i64,
    /// When the oldest of its newest records was written.
    pub written: Micros,
    /// Numbers that were skipped.
    pub gaps: i64,
    /// Numbers that came again.
    pub repeats: i64,
}

impl Store {
    /// Every partition that a consumer ever owned.
    ///
    /// # Errors
    /// What sqlx says.
    pub async fn partitions(&self) -> sqlx::Result<Vec<PartitionRow>> {
        let rows = sqlx::query(
            "select topic, partition, fold, fold_version, epoch, next_offset, watermark_at, log_end_offset, reported_at,
                began_offset, applied, duplicate, late, ignored, marker, dead_letter, skipped,
                case when counted_epoch = epoch then next_offset - accounted_offset end,
                stopped_reason, stopped_why, stopped_at
            from ledger
            order by topic, partition",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(partition).collect()
    }

    /// The canaries of gateways that wrote something in the last hour, or of which something is missing.
    ///
    /// # Errors
    /// What sqlx says.
    pub async fn canaries(&self) -> sqlx::Result<Vec<CanaryRow>> {
        let rows = sqlx::query(
            "select gateway, topic, count(*), min(sequence), min(written_at), sum(gaps)::bigint, sum(repeats)::bigint
            from canary
            group by topic, gateway
            having max(written_at) > now() - interval '1 hour' or sum(gaps) > 0
            order by topic, max(written_at) desc, gateway",
        )
        .fetch_all(&self.pool)
        .await?;
        let canary = |row: &PgRow| {
            Ok(CanaryRow {
                gateway: row.try_get(0)?,
                topic: row.try_get(1)?,
                partitions: row.try_get(2)?,
                sequence: row.try_get(3)?,
                written: row.try_get::<PgTime, _>(4)?.0,
                gaps: row.try_get(5)?,
                repeats: row.try_get(6)?,
            })
        };
        rows.iter().map(canary).collect()
    }

    /// How many dead letters nobody has replayed; at most one more than [`DEAD_LETTERS_COUNTED`].
    ///
    /// # Errors
    /// What sqlx says.
    pub async fn dead_letters(&self) -> sqlx::Result<i64> {
        sqlx::query_scalar(
            "select count(*)
            from (select from dead_letter where replayed_at is null limit $1 + 1) as open",
        )
        .bind(DEAD_LETTERS_COUNTED)
        .fetch_one(&self.pool)
        .await
    }
}

fn partition(row: &PgRow) -> sqlx::Result<PartitionRow> {
    let at = |column: usize| -> sqlx::Result<Option<Micros>> {
        Ok(row.try_get::<Option<PgTime>, _>(column)?.map(|at| at.0))
    };
    let log_end: Option<i64> = row.try_get(7)?;
    let (reason, why): (Option<String>, Option<String>) = (row.try_get(18)?, row.try_get(19)?);
    let stopped = reason.zip(why).zip(at(20)?);
    Ok(PartitionRow {
        topic: row.try_get(0)?,
        partition: row.try_get(1)?,
        fold: (row.try_get(2)?, row.try_get(3)?),
        epoch: row.try_get(4)?,
        next_offset: row.try_get(5)?,
        watermark: at(6)?,
        log_end: log_end.zip(at(8)?),
        counts: CountsRow {
            began_offset: row.try_get(9)?,
            applied: row.try_get(10)?,
            duplicate: row.try_get(11)?,
            late: row.try_get(12)?,
            ignored: row.try_get(13)?,
            marker: row.try_get(14)?,
            dead_letter: row.try_get(15)?,
            skipped: row.try_get(16)?,
            unaccounted: row.try_get(17)?,
        },
        stopped: stopped.map(|((reason, why), since)| StoppedRow { reason, why, since }),
    })
}
