//! Work that some consumer has to do now and then: making the daily partitions ahead of time, and dropping what no fold reads
//! any more.

use std::time::Duration;

use sqlx::postgres::PgPool;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::store::partitions;

const EVERY: Duration = Duration::from_secs(3600);
const AFTER_A_FAILURE: Duration = Duration::from_secs(10);

/// Makes the daily partitions of a backlog, of today and of the next days, at once and every hour.
pub(crate) async fn partitions_ahead(pool: PgPool, shutdown: CancellationToken) {
    loop {
        let made = partitions::make(&pool).await;
        if let Err(error) = &made {
            warn!(error = %error, "making daily partitions: {error}; trying again");
        }
        if let Err(error) = partitions::drop_old_blocks(&pool).await {
            warn!(error = %error, "dropping old blocks of samples: {error}; trying again");
        }
        let pause = if made.is_ok() { EVERY } else { AFTER_A_FAILURE };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
