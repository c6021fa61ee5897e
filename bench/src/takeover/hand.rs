//! One owner of the partition: what the one before left to it, and how long it took to take it over.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use sqlx::PgPool;
use tokio::time::sleep;

use crate::backlog::child::{Consumer, How};
use crate::backlog::produce::Order;
use crate::corner::Corner;
use crate::target::sum_of;

/// What an owner is started with.
#[derive(Debug)]
pub(super) struct Hand<'a> {
    pub(super) corner: &'a Corner,
    pub(super) program: &'a Path,
    pub(super) pool: &'a PgPool,
    pub(super) order: &'a Order,
}

/// What the ledger and the state log have of the partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) next_offset: u64,
    /// Offset of the newest snapshot.
    snapshot_offset: u64,
    pub(super) snapshot_bytes: u64,
    /// Of the records since then, which are folded once more.
    pub(super) delta_bytes: u64,
}

/// A partition that was taken over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) left: Left,
    /// From the assignment until records are folded, as the consumer itself measures it.
    pub(super) acquire_s: f64,
    /// From the start of the process until then, to the next look: joining the group and, after a kill, the group's patience with
    /// the one before.
    pub(super) since_start: Duration,
}

/// How long the consumer's count and sum of acquisitions are asked for.
const ACQUIRED_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(50);

const COUNT: &str = "footfall_consumer_acquire_seconds_count";
const SUM: &str = "footfall_consumer_acquire_seconds_sum";

impl Hand<'_> {
    /// Starts an owner and waits until it folds.
    pub(super) async fn take(&self) -> anyhow::Result<(Consumer, Taken)> {
        let left = self.left().await?;
        let port = stack::port::free()?;
        let how = How {
            program: self.program,
            prefix: &self.order.prefix,
            workers: 1,
            admin_port: Some(port),
        };
        let consumer = Consumer::start(&self.corner.target, how)?;
        let began = Instant::now();
        let metrics = format!("http://127.0.0.1:{port}/metrics");
        loop {
            consumer.check()?;
            if let Some(acquire_s) = acquired(&metrics).await? {
                let taken = Taken {
                    left,
                    acquire_s,
                    since_start: began.elapsed(),
                };
                return Ok((consumer, taken));
            }
            if began.elapsed() > ACQUIRED_WITHIN {
                bail!(
                    "the consumer has no partition after {} s, see {}",
                    ACQUIRED_WITHIN.as_secs(),
                    consumer.log()
                );
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn left(&self) -> anyhow::Result<Left> {
        let row: (i64, i64, i64, i64) = sqlx::query_as(
            "with stands as (select coalesce(max(next_offset), 0) as next from ledger where topic = $1),
                  newest as (
                      select coalesce(max(to_offset) filter (where kind = 'snapshot'), 0) as at
                      from state_log
                      where topic = $1
                  )
             select stands.next, newest.at,
                    coalesce(sum(octet_length(blob)) filter (where kind = 'snapshot' and to_offset = newest.at), 0)::bigint,
                    coalesce(sum(octet_length(blob)) filter (where kind = 'delta' and to_offset > newest.at), 0)::bigint
             from stands cross join newest
             left join state_log on topic = $1
             group by stands.next, newest.at",
        )
        .bind(self.order.topic())
        .fetch_one(self.pool)
        .await
        .context("reading the state log")?;
        Ok(Left {
            next_offset: row.0.unsigned_abs(),
            snapshot_offset: row.1.unsigned_abs(),
            snapshot_bytes: row.2.unsigned_abs(),
            delta_bytes: row.3.unsigned_abs(),
        })
    }
}

impl Left {
    /// Records since the newest snapshot.
    pub(super) const fn delta_records(&self) -> u64 {
        self.next_offset.saturating_sub(self.snapshot_offset)
    }
}

/// How long its only acquisition took, once there was one.
async fn acquired(metrics: &str) -> anyhow::Result<Option<f64>> {
    // It may not listen yet.
    let Ok(answer) = reqwest::get(metrics).await else {
        return Ok(None);
    };
    let text = answer.text().await?;
    match sum_of::<u64>(COUNT, &text) {
        0 => Ok(None),
        1 => Ok(Some(sum_of::<f64>(SUM, &text))),
        more => bail!("the consumer took {more} partitions over, expected one"),
    }
}
