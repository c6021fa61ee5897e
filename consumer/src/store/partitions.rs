//! The daily partitions of what the folds write.

use sqlx::postgres::PgPool;
use sqlx::query;

/// Key of the advisory lock under which one consumer makes partitions: "footfall" in hexadecimal, cut to 63 bits.
const LOCK: i64 = 0x666f_6f74_6661_6c6c;

/// Days ahead of today that rows may be written for before the next look.
const DAYS_AHEAD: i32 = 7;

/// Days back from today for which a backlog gets partitions of its own; Kafka keeps less.
const DAYS_BEHIND_MAX: i32 = 31;

/// Blocks of samples are kept for as long before everything that is still folded: the amend horizon and a day for visits that
/// began before it (`domain/src/movement/late.rs`).
const BLOCKS_KEPT: &str = "73 hours";

/// Drops the blocks of samples that no late event reaches any more.
pub(crate) async fn drop_old_blocks(pool: &PgPool) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    query("select pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *transaction)
        .await?;
    query("select drop_sample_blocks($1::interval)")
        .bind(BLOCKS_KEPT)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

/// Makes the partitions that are missing, from the oldest day that is still written to up to a week from today.
pub(crate) async fn make(pool: &PgPool) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    query("select pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *transaction)
        .await?;
    query("select make_partitions(oldest_day($1), (now() at time zone 'UTC')::date + $2)")
        .bind(DAYS_BEHIND_MAX)
        .bind(DAYS_AHEAD)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}
