//! What a partition asks of the stores: plain values, made and judged without a client.

use domain::live::LiveWrite;
use domain::rejection::Rejection;
use domain::time::Micros;

use super::conservation::Tally;

/// Everything that moves together when the ledger of a partition goes from `from` to `to`.
#[derive(Debug)]
pub(crate) struct Checkpoint<R> {
    pub(crate) partition: i32,
    pub(crate) epoch: i64,
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) watermark: Option<Micros>,
    pub(crate) rows: R,
    pub(crate) log: LogWrite,
    pub(crate) dead: Vec<DeadRecord>,
    pub(crate) tally: Tally,
    /// Of the record before `to`.
    pub(crate) mark: Option<i64>,
}

/// How the state at `to` can be made again. Compressed.
#[derive(Debug)]
pub(crate) enum LogWrite {
    /// From the state at `from`.
    Delta(Vec<u8>),
    /// From nothing; what was stored before is no longer needed.
    Snapshot(Vec<u8>),
}

/// A record in quarantine.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DeadRecord {
    pub(crate) offset: i64,
    pub(crate) rejection: Rejection,
    pub(crate) device: Option<String>,
    pub(crate) payload: Vec<u8>,
    pub(crate) received_at: Micros,
}

/// What the ledger says about a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LedgerEntry {
    pub(crate) epoch: i64,
    pub(crate) next_offset: i64,
}

/// What became of a checkpoint of which the statement did not say that it was saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was saved; only the reply was lost.
    Saved,
    /// It was not saved and may be tried again.
    Again,
    /// Another owner has the partition: nothing of ours may be written any more.
    Fenced,
    /// The ledger is somewhere we did not leave it: it was restored, or there are two of it.
    Diverged { ledger: i64 },
}

/// Judges by the ledger whether a checkpoint was saved.
pub(crate) fn judge_checkpoint(epoch: i64, from: i64, to: i64, ledger: LedgerEntry) -> Verdict {
    if ledger.epoch != epoch {
        Verdict::Fenced
    } else if ledger.next_offset == to {
        Verdict::Saved
    } else if ledger.next_offset == from {
        Verdict::Again
    } else {
        Verdict::Diverged {
            ledger: ledger.next_offset,
        }
    }
}

/// A generation of live values, the number of its last flush, and how many fields its maps held after it: if Redis let go
/// of one of them, its header says nothing of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Generation {
    pub(crate) name: String,
    pub(crate) seq: u64,
    pub(crate) fields: u64,
}

/// Live values that are to stand in Redis.
#[derive(Debug)]
pub(crate) struct Flush {
    pub(crate) partition: i32,
    pub(crate) epoch: i64,
    pub(crate) generation: Generation,
    /// Whether it opens its generation; the writes are then everything there is.
    pub(crate) opens: bool,
    pub(crate) writes: Vec<LiveWrite>,
    pub(crate) next_offset: i64,
    pub(crate) newest_received: Option<Micros>,
    pub(crate) watermark: Option<Micros>,
}

/// The header of a partition's live view, as found in Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) epoch: i64,
    pub(crate) generation: Generation,
}

/// What a flush may do, by the header that stands in Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Permission {
    /// Write.
    Write,
    /// Write if the ledger confirms the epoch.
    WriteIfOwner,
    /// Do not write: the values of our generation are not there as we left them.
    Reseed,
}

/// Judges what a flush may do.
fn judge_header(flush: &Flush, header: Option<&Header>) -> Permission {
    if flush.opens {
        // Whatever the header says: Redis may be empty, or an old copy, and we an owner of the past.
        return Permission::WriteIfOwner;
    }
    match header {
        Some(header) if header.epoch == flush.epoch && header.generation == flush.generation => {
            Permission::Write
        }
        _ => Permission::Reseed,
    }
}

/// What became of a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// It stands, as this number of its generation, whose maps hold so many fields now.
    Done { seq: u64, fields: u64 },
    /// It does not stand; everything is to be written anew.
    Lost,
    /// The ledger says that another owner has the partition.
    Fenced,
}

/// Whether the ledger must be asked before this flush is written.
pub(crate) fn asks_ledger(flush: &Flush, header: Option<&Header>) -> bool {
    judge_header(flush, header) == Permission::WriteIfOwner
}

/// What becomes of a flush that may not be written; `None` says that it may. `owned` is what the ledger says where it has
/// to be asked, `None` when it cannot be reached.
pub(crate) fn judge_flush(
    flush: &Flush,
    header: Option<&Header>,
    owned: Option<bool>,
) -> Option<Flushed> {
    match (judge_header(flush, header), owned) {
        (Permission::Write, _) | (Permission::WriteIfOwner, Some(true)) => None,
        (Permission::WriteIfOwner, Some(false)) => Some(Flushed::Fenced),
        (Permission::WriteIfOwner, None) | (Permission::Reseed, _) => Some(Flushed::Lost),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_judged_by_the_ledger() {
        let judge =
            |epoch, next_offset| judge_checkpoint(3, 10, 20, LedgerEntry { epoch, next_offset });
        assert_eq!(judge(3, 20), Verdict::Saved);
        assert_eq!(judge(3, 10), Verdict::Again);
        assert_eq!(judge(4, 20), Verdict::Fenced);
        assert_eq!(judge(4, 10), Verdict::Fenced);
        assert_eq!(judge(3, 5), Verdict::Diverged { ledger: 5 });
    }

    fn flush(opens: bool, seq: u64) -> Flush {
        Flush {
            partition: 0,
            epoch: 3,
            generation: Generation {
                name: "3-1".to_owned(),
                seq,
                fields: 5,
            },
            opens,
            writes: Vec::new(),
            next_offset: 0,
            newest_received: None,
            watermark: None,
        }
    }

    fn header(epoch: i64, name: &str, seq: u64) -> Header {
        Header {
            epoch,
            generation: Generation {
                name: name.to_owned(),
                seq,
                fields: 5,
            },
        }
    }

    #[test]
    fn a_flush_goes_on_only_where_it_left_off() {
        let judge = |header: Option<Header>| judge_header(&flush(false, 7), header.as_ref());
        assert_eq!(judge(Some(header(3, "3-1", 7))), Permission::Write);
        assert_eq!(judge(None), Permission::Reseed, "wiped");
        let mut evicted = header(3, "3-1", 7);
        evicted.generation.fields = 2;
        assert_eq!(judge(Some(evicted)), Permission::Reseed, "a map is gone");
        assert_eq!(
            judge(Some(header(3, "3-1", 6))),
            Permission::Reseed,
            "an older copy was restored"
        );
        assert_eq!(
            judge(Some(header(4, "4-1", 7))),
            Permission::Reseed,
            "another owner"
        );
    }

    #[test]
    fn a_generation_is_opened_only_by_whom_the_ledger_names() {
        for header in [None, Some(header(2, "2-5", 9)), Some(header(4, "4-1", 1))] {
            let judge = |owned| judge_flush(&flush(true, 0), header.as_ref(), owned);
            assert!(asks_ledger(&flush(true, 0), header.as_ref()));
            assert_eq!(judge(Some(true)), None);
            assert_eq!(judge(Some(false)), Some(Flushed::Fenced));
            assert_eq!(
                judge(None),
                Some(Flushed::Lost),
                "the ledger cannot be asked"
            );
        }
    }
}
