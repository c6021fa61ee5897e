//! Making the state of a partition at the ledger's offset again: the newest snapshot in the state log, and the deltas after it
//! folded once more.

use domain::fold::Fold;
use sqlx::postgres::PgExecutor;
use sqlx::{Row, query};
use thiserror::Error;

use super::{Acquired, Ledger};
use crate::engine::delta::{Delta, DeltaError};
use crate::engine::job::LedgerEntry;
use crate::engine::partition::Restored;

/// What a person does about a state log that is damaged.
const REMEDY: &str = "restore ledger and state_log from the same backup, or delete the rows of this partition in both to fold \
                      what Kafka still has of it anew (see docs/running.md for what that does to older rows)";

/// A state that cannot be made again.
#[derive(Debug, Error)]
pub(crate) enum LoadError {
    #[error("reading the state log")]
    Database(#[from] sqlx::Error),
    #[error("partition {partition}: the state log cannot be read: {source}; {REMEDY}")]
    Delta {
        partition: i32,
        #[source]
        source: DeltaError,
    },
    #[error("partition {partition}: {source}; {REMEDY}")]
    Snapshot {
        partition: i32,
        #[source]
        source: domain::fold::RestoreError,
    },
    #[error("partition {partition}: the snapshot is not lz4; {REMEDY}")]
    Compression {
        partition: i32,
        #[source]
        source: lz4_flex::block::DecompressError,
    },
    #[error(
        "partition {partition}: the state log ends at offset {found} and the ledger is at {expected}; {REMEDY}"
    )]
    Incomplete {
        partition: i32,
        found: i64,
        expected: i64,
    },
    #[error(
        "partition {partition}: the ledger moved while the state was made; it was restored, or another has the partition"
    )]
    Moved { partition: i32 },
    #[error(
        "partition {partition}: a record of the state log cannot be decoded: {detail}; {REMEDY}"
    )]
    Record { partition: i32, detail: String },
    #[error(
        "partition {partition}: the state was made by version {found} of fold {fold}, this build has version {expected}; \
         run the matching build, or delete the rows of this topic in ledger and state_log to fold the log anew"
    )]
    FoldVersion {
        partition: i32,
        fold: &'static str,
        found: i32,
        expected: i32,
    },
}

impl LoadError {
    /// Whether trying again can help.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Database(_))
    }

    /// Whether taking the partition over once more can help.
    pub(crate) fn is_moved(&self) -> bool {
        matches!(self, Self::Moved { .. })
    }
}

impl Ledger {
    /// Makes the state at the ledger's offset again: the newest snapshot, and the deltas after it folded once more.
    pub(crate) async fn load<F: Fold>(
        &self,
        acquired: Acquired,
        config: F::Config,
    ) -> Result<Restored<F>, LoadError> {
        let partition = acquired.partition;
        let restored = load_at(&self.pool, &self.topic, acquired, config).await;
        still_ours(acquired, restored, &self.read(&[partition]).await?)
    }
}

/// The state at an offset at which a snapshot or a delta ends.
pub(crate) async fn load_at<F: Fold>(
    postgres: impl PgExecutor<'_>,
    topic: &str,
    acquired: Acquired,
    config: F::Config,
) -> Result<Restored<F>, LoadError> {
    let partition = acquired.partition;
    if acquired.fold_version != F::VERSION {
        let (found, expected) = (acquired.fold_version, F::VERSION);
        return Err(LoadError::FoldVersion {
            partition,
            fold: F::NAME,
            found,
            expected,
        });
    }
    let rows = query(
        "select kind, to_offset, blob
             from state_log
             where topic = $1 and partition = $2 and to_offset <= $3 and to_offset >= coalesce((
                 select max(to_offset) from state_log
                 where topic = $1 and partition = $2 and kind = 'snapshot' and to_offset <= $3
             ), 0)
             order by to_offset, kind desc, chunk",
    )
    .bind(topic)
    .bind(partition)
    .bind(acquired.next_offset)
    .fetch_all(postgres)
    .await?;
    let mut log: Vec<Logged> = Vec::with_capacity(rows.len());
    for row in rows {
        let (kind, to_offset, blob) = (
            Kind::from_name(row.try_get(0)?),
            row.try_get(1)?,
            row.try_get::<Vec<u8>, _>(2)?,
        );
        match log.last_mut() {
            Some(last) if last.to_offset == to_offset => last.blob.extend(blob),
            _ => log.push(Logged {
                kind,
                to_offset,
                blob,
            }),
        }
    }
    tokio::task::spawn_blocking(move || restore(partition, acquired.next_offset, &log, &config))
        .await
        .expect("restoring a state does not panic")
}

/// A state counts only while the ledger stands where it was acquired. If it was restored meanwhile, or another has the
/// partition, the state log is that of another time, and may even look complete.
pub(crate) fn still_ours<F>(
    acquired: Acquired,
    restored: Result<Restored<F>, LoadError>,
    ledger: &[(i32, LedgerEntry)],
) -> Result<Restored<F>, LoadError> {
    let partition = acquired.partition;
    if ledger.contains(&(partition, LedgerEntry::from(&acquired))) {
        restored
    } else {
        Err(LoadError::Moved { partition })
    }
}

/// A piece of the state log, its chunks put together.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    pub(crate) kind: Kind,
    pub(crate) to_offset: i64,
    pub(crate) blob: Vec<u8>,
}

/// What a piece of the state log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Snapshot,
    Delta,
    /// Records that a person left out, with `skip_to` of the migrations: the blob is the offset of the first of them.
    Skip,
}

impl Kind {
    fn from_name(name: &str) -> Self {
        match name {
            "snapshot" => Self::Snapshot,
            "skip" => Self::Skip,
            // The table knows no fourth one.
            _ => Self::Delta,
        }
    }
}

impl Logged {
    /// Where the piece begins; for one that cannot be read, nowhere.
    fn starts_at(&self) -> Option<i64> {
        match self.kind {
            Kind::Skip => skip_from(&self.blob),
            _ => Delta::starts_at(&self.blob),
        }
    }
}

/// The first of the records that a piece of kind `skip` leads over.
pub(crate) fn skip_from(blob: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(*blob.first_chunk()?))
}

/// The newest snapshot, if there is one, and then the deltas.
pub(crate) fn restore<F: Fold>(
    partition: i32,
    expected: i64,
    log: &[Logged],
    config: &F::Config,
) -> Result<Restored<F>, LoadError> {
    let (mut state, deltas) = match log {
        [snapshot, deltas @ ..] if snapshot.kind == Kind::Snapshot => {
            let bytes = lz4_flex::block::decompress_size_prepended(&snapshot.blob)
                .map_err(|source| LoadError::Compression { partition, source })?;
            let fold = F::restore(&bytes, config)
                .map_err(|source| LoadError::Snapshot { partition, source })?;
            let snapshot_bytes = snapshot.blob.len();
            (
                Restored {
                    fold,
                    next: snapshot.to_offset,
                    delta_bytes: 0,
                    snapshot_bytes,
                },
                deltas,
            )
        }
        deltas => {
            let next = deltas
                .first()
                .and_then(Logged::starts_at)
                .unwrap_or(expected);
            (
                Restored {
                    fold: F::new(config),
                    next,
                    delta_bytes: 0,
                    snapshot_bytes: 0,
                },
                deltas,
            )
        }
    };
    for delta in deltas {
        if delta.kind == Kind::Skip && delta.starts_at() == Some(state.next) {
            state.next = delta.to_offset;
            continue;
        }
        replay(partition, &mut state, &delta.blob)?;
        // The rows of these records are in the database already.
        drop(state.fold.drain_rows());
    }
    if state.next != expected {
        return Err(LoadError::Incomplete {
            partition,
            found: state.next,
            expected,
        });
    }
    Ok(state)
}

fn replay<F: Fold>(partition: i32, state: &mut Restored<F>, blob: &[u8]) -> Result<(), LoadError> {
    let mut undecodable = None;
    let fold = &mut state.fold;
    let replayed = Delta::replay(blob, state.next, |offset, value| {
        match value.map(F::decode) {
            Some(Ok(record)) => {
                fold.apply(record, offset);
            }
            Some(Err(rejection)) => undecodable = Some(rejection.detail),
            None => {}
        }
    });
    state.next = replayed.map_err(|source| LoadError::Delta { partition, source })?;
    state.delta_bytes += blob.len();
    undecodable.map_or(Ok(()), |detail| {
        Err(LoadError::Record { partition, detail })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_wrong_with_a_state_the_sentence_says_what_to_do() {
        let partition = 3;
        let not_lz4 = || lz4_flex::block::decompress_size_prepended(b"no").unwrap_err();
        let broken = [
            LoadError::Delta {
                partition,
                source: DeltaError::Truncated,
            },
            LoadError::Snapshot {
                partition,
                source: domain::fold::RestoreError {
                    fold: "sum",
                    detail: "cut off".to_owned(),
                },
            },
            LoadError::Compression {
                partition,
                source: not_lz4(),
            },
            LoadError::Incomplete {
                partition,
                found: 1,
                expected: 2,
            },
            LoadError::Record {
                partition,
                detail: "no envelope".to_owned(),
            },
        ];
        for error in broken {
            let sentence = error.to_string();
            assert!(sentence.starts_with("partition 3: "), "{sentence}");
            assert!(
                sentence.contains("restore ledger and state_log from the same backup, or delete"),
                "{sentence}"
            );
        }
    }
}
