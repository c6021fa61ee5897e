//! Rows of a partition's own past, for a fold that has to see them again.

use sqlx::query;
use thiserror::Error;

use super::checkpoint::RowStatement;
use super::ledger::Ledger;
use crate::engine::job::LedgerEntry;

/// Rows that cannot be had.
#[derive(Debug, Error)]
pub(crate) enum PastError {
    #[error("reading rows of the past")]
    Database(#[from] sqlx::Error),
    /// Waiting does not help.
    #[error(
        "a row that late events are folded with cannot be read ({source}): restore it from a backup, or delete it, so that they          are folded without what it held. Then: update ledger set epoch = epoch + 1 where topic = '{topic}' and partition = {partition}"
    )]
    Unreadable {
        topic: String,
        partition: i32,
        #[source]
        source: sqlx::Error,
    },
    #[error("another owner has it, its rows are not ours to read")]
    Fenced,
}

impl Ledger {
    /// Reads rows as they stand when the ledger says `entry` of the partition. Whoever has lost the partition learns it here.
    pub(crate) async fn past<R: RowStatement>(
        &self,
        partition: i32,
        entry: LedgerEntry,
        want: R::Want,
    ) -> Result<R::Past, PastError> {
        let mut transaction = self.pool.begin().await?;
        query("set transaction isolation level repeatable read, read only")
            .execute(&mut *transaction)
            .await?;
        let stands = query(
            "select from ledger where topic = $1 and partition = $2 and epoch = $3 and next_offset = $4",
        )
        .bind(&self.topic)
        .bind(partition)
        .bind(entry.epoch)
        .bind(entry.next_offset)
        .fetch_optional(&mut *transaction)
        .await?;
        if stands.is_none() {
            return Err(PastError::Fenced);
        }
        let past = match R::recall(&mut transaction, want).await {
            Err(source @ sqlx::Error::ColumnDecode { .. }) => {
                let topic = self.topic.clone();
                return Err(PastError::Unreadable {
                    topic,
                    partition,
                    source,
                });
            }
            recalled => recalled?,
        };
        transaction.rollback().await?;
        Ok(past)
    }
}
