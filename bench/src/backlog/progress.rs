//! How far a consumer is, by the ledger.

use std::time::{Duration, Instant};

use anyhow::bail;
use sqlx::PgPool;
use tokio::time::sleep;

use super::child::Consumer;
use crate::postgres;

/// How often the ledger is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A consumer that makes no progress for so long has failed.
const PROGRESS_WITHIN: Duration = Duration::from_secs(60);

/// So many records were in the ledger at that moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reached {
    pub(crate) at: Instant,
    pub(crate) folded: u64,
}

/// Waits until the ledger has `wanted` records of a topic; says what its first look that found some saw, and its last.
pub(crate) async fn until(
    pool: &PgPool,
    topic: &str,
    wanted: u64,
    consumer: &Consumer,
) -> anyhow::Result<(Reached, Reached)> {
    let began = Reached {
        at: Instant::now(),
        folded: 0,
    };
    let (mut first, mut last) = (None, began);
    loop {
        consumer.check()?;
        let at = Instant::now();
        let folded = u64::try_from(postgres::folded(pool, topic).await?)?;
        if folded > last.folded {
            last = Reached { at, folded };
            first.get_or_insert(last);
        } else if last.at.elapsed() > PROGRESS_WITHIN {
            bail!(
                "the consumer stands still at {folded} of {wanted} records, see {}",
                consumer.log()
            );
        }
        if folded >= wanted {
            return Ok((first.unwrap_or(last), last));
        }
        sleep(LOOK_EVERY).await;
    }
}
