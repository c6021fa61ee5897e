//! Work that some consumer has to do now and then: making the daily partitions ahead of time.

use std::time::Duration;

use sqlx::postgres::PgPool;
use tokio_util::sync::CancellationToken;
use tracing::warn;

const EVERY: Duration = Duration::from_secs(3600);
const AFTER_A_FAILURE: Duration = Duration::from_secs(10);
/// Key of the advisory lock under which one consumer makes partitions: "footfall" in hexadecimal, cut to 63 bits.
const LOCK: i64 = 0x666f_6f74_6661_6c6c;

/// Makes the daily partitions of today and the next seven days, at once and every hour.
pub(crate) async fn partitions_ahead(pool: PgPool, shutdown: CancellationToken) {
    loop {
        let made = make(&pool).await;
        if let Err(error) = &made {
            warn!(error = %error, "making daily partitions: {error}; trying again");
        }
        let pause = if made.is_ok() { EVERY } else { AFTER_A_FAILURE };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn make(pool: &PgPool) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *transaction)
        .await?;
    sqlx::query(
        "select make_partitions((now() at time zone 'UTC')::date, (now() at time zone 'UTC')::date + 7)",
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
}
