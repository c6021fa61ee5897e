//! The ledger: who owns a partition, and up to where its effects are in the database. `load` makes the state of
//! that offset again, `checkpoint` moves the offset on.

mod load;

use domain::fold::Fold;
use sqlx::postgres::PgPool;
use sqlx::{Row, query};

use crate::engine::job::LedgerEntry;
use crate::engine::witness::Witness;

// The protocol model loads from a log of its own.
#[cfg(test)]
pub(crate) use load::{Kind, Logged, restore, still_ours};
pub(crate) use load::{LoadError, load_at, skip_from};

/// Reads and fences, for one topic.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub(crate) pool: PgPool,
    pub(crate) topic: String,
}

/// A partition as the ledger gives it to a new owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Acquired {
    pub(crate) partition: i32,
    pub(crate) epoch: i64,
    pub(crate) next_offset: i64,
    /// Up to where the ledger accounts for every record; somewhere else than `next_offset` only if that was moved by hand.
    pub(crate) accounted_offset: i64,
    pub(crate) fold_version: i32,
    /// Of the record before `next_offset`, if it is known.
    pub(crate) mark: Option<i64>,
}

impl Acquired {
    /// What the record before the offset must be.
    pub(crate) fn witness(&self) -> Option<Witness> {
        let mark = self.mark?;
        Some(Witness::new(self.next_offset, mark))
    }
}

impl From<&Acquired> for LedgerEntry {
    fn from(acquired: &Acquired) -> Self {
        Self {
            epoch: acquired.epoch,
            next_offset: acquired.next_offset,
        }
    }
}
impl Ledger {
    /// Makes the rows of partitions that have none; they begin at the oldest record that Kafka still has.
    pub(crate) async fn ensure<F: Fold>(&self, oldest: &[(i32, i64)]) -> sqlx::Result<()> {
        let (partitions, offsets): (Vec<i32>, Vec<i64>) = oldest.iter().copied().unzip();
        query(
            "with entered as (
                 insert into ledger (topic, partition, next_offset, began_offset, first_offset, counted_epoch, fold, fold_version)
                 select $1, u.partition, u.next_offset, u.next_offset, u.next_offset, 0, $4, $5
                 from unnest($2::int[], $3::bigint[]) as u (partition, next_offset)
                 on conflict on constraint ledger_pkey do nothing
                 returning partition
             )
             delete from canary
             using entered
             where canary.topic = $1 and canary.partition = entered.partition",
        )
        .bind(&self.topic)
        .bind(partitions)
        .bind(offsets)
        .bind(F::NAME)
        .bind(F::VERSION)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Takes partitions over: whoever had them before can write nothing any more. The clock keeps a database that was
    /// restored from giving out an epoch a second time: the first to have it may still be alive, and what it showed
    /// may still stand in Redis.
    ///
    /// Where the last owner did not count (an older version), counting begins anew.
    pub(crate) async fn acquire(&self, partitions: &[i32]) -> sqlx::Result<Vec<Acquired>> {
        let rows = query(
            "with clock (epoch) as (select (extract(epoch from clock_timestamp()) * 1000)::bigint)
             update ledger
             set epoch = greatest(ledger.epoch + 1, clock.epoch),
                 counted_epoch = greatest(ledger.epoch + 1, clock.epoch),
                 updated_at = now(),
                 began_offset = case
                     when counted_epoch = ledger.epoch then began_offset
                     else began_offset + next_offset - accounted_offset
                 end
             from clock
             where topic = $1 and partition = any($2)
             returning partition, ledger.epoch, next_offset, fold_version, accounted_offset,
                 case when marked_offset = next_offset then mark end",
        )
        .bind(&self.topic)
        .bind(partitions)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Acquired {
                    partition: row.try_get(0)?,
                    epoch: row.try_get(1)?,
                    next_offset: row.try_get(2)?,
                    fold_version: row.try_get(3)?,
                    accounted_offset: row.try_get(4)?,
                    mark: row.try_get(5)?,
                })
            })
            .collect()
    }

    /// What the ledger says about these partitions.
    pub(crate) async fn read(&self, partitions: &[i32]) -> sqlx::Result<Vec<(i32, LedgerEntry)>> {
        let rows = query(
            "select partition, epoch, next_offset
             from ledger
             where topic = $1 and partition = any($2)",
        )
        .bind(&self.topic)
        .bind(partitions)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                let entry = LedgerEntry {
                    epoch: row.try_get(1)?,
                    next_offset: row.try_get(2)?,
                };
                Ok((row.try_get(0)?, entry))
            })
            .collect()
    }
}
