//! What a worker asks of the stores, and what follows from their answers.
//!
//! The order of things is decided here, without a client: tasks of the runtime carry it out ([`super::duties`]), and the
//! model of the protocol does the same step by step, with every step failing in turn.

use domain::fold::Fold;
use tracing::warn;

use super::job::{Checkpoint, Flush, Flushed, Verdict};
use super::partition::{LogTurn, Partition};
use super::saving::Saved;

/// The stores of one worker, with at most one flush and one checkpoint under way.
pub(crate) trait Stores<R> {
    fn start_flush(&mut self, flushes: Vec<Flush>);

    /// `bytes` is what the records in it weigh.
    fn start_checkpoint(&mut self, checkpoints: Vec<Checkpoint<R>>, bytes: usize);

    fn is_flushing(&self) -> bool;

    fn is_checkpointing(&self) -> bool;

    /// What became of the flush, once it is done; the inner `None` when nobody knows.
    fn take_flushed(&mut self) -> Option<Option<Vec<(i32, Flushed)>>>;

    /// What became of the checkpoint, once it is done.
    fn take_saved(&mut self) -> Option<Result<Vec<Saved>, String>>;

    /// Waits until everything is done, or the deadline.
    fn wait(&mut self);

    /// Forgets a flush under way; says whether there was one.
    fn give_up_flush(&mut self) -> bool;

    /// Forgets a checkpoint under way; says whether there was one.
    fn give_up_checkpoint(&mut self) -> bool;
}

/// What became of the work under way.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Partitions whose ledger moved, and where to.
    pub(crate) saved: Vec<(i32, i64)>,
    /// Why the member must start over.
    pub(crate) failure: Option<String>,
    pub(crate) has_flushed: bool,
    pub(crate) has_checkpointed: bool,
    /// How many partitions turned out to have another owner.
    pub(crate) fenced: usize,
}

/// Starts a flush of what is not in Redis yet; says whether there was anything.
pub(crate) fn start_flush<F: Fold>(
    stores: &mut impl Stores<F::Rows>,
    partitions: &mut [&mut Partition<F>],
    with_visits: bool,
) -> bool {
    let flushes: Vec<_> = partitions
        .iter_mut()
        .filter_map(|partition| partition.begin_flush(with_visits))
        .collect();
    if flushes.is_empty() {
        return false;
    }
    stores.start_flush(flushes);
    true
}

/// Starts a checkpoint of what is not in the ledger yet; partition `snapshot` writes a snapshot.
pub(crate) fn start_checkpoint<F: Fold>(
    stores: &mut impl Stores<F::Rows>,
    partitions: &mut [&mut Partition<F>],
    snapshot: Option<i32>,
) {
    let bytes = partitions
        .iter()
        .map(|partition| partition.unsaved_bytes())
        .sum();
    let checkpoints: Vec<_> = partitions
        .iter_mut()
        .filter_map(|partition| {
            partition.begin_checkpoint(if snapshot == Some(partition.id) {
                LogTurn::Snapshot
            } else {
                LogTurn::Delta
            })
        })
        .collect();
    if !checkpoints.is_empty() {
        stores.start_checkpoint(checkpoints, bytes);
    }
}

/// Takes in what is done.
pub(crate) fn settle<F: Fold>(
    stores: &mut impl Stores<F::Rows>,
    partitions: &mut [&mut Partition<F>],
    news: &mut News,
) {
    if let Some(flushed) = stores.take_flushed() {
        news.has_flushed = true;
        match flushed {
            Some(outcomes) => settle_flush(partitions, &outcomes, news),
            None => partitions
                .iter_mut()
                .for_each(|partition| partition.flush_lost()),
        }
    }
    match stores.take_saved() {
        Some(Ok(verdicts)) => {
            news.has_checkpointed = true;
            settle_checkpoint(partitions, verdicts, news);
        }
        Some(Err(cause)) => news.failure = Some(format!("a checkpoint ended: {cause}")),
        None => {}
    }
}

fn settle_flush<F: Fold>(
    partitions: &mut [&mut Partition<F>],
    outcomes: &[(i32, Flushed)],
    news: &mut News,
) {
    for (id, outcome) in outcomes {
        let Some(partition) = partitions.iter_mut().find(|partition| partition.id == *id) else {
            continue;
        };
        match outcome {
            Flushed::Done { seq, fields } => partition.flush_done(*seq, *fields),
            Flushed::Lost => partition.flush_lost(),
            Flushed::Fenced => news.failure = Some(format!("partition {id} has another owner")),
        }
    }
}

fn settle_checkpoint<F: Fold>(
    partitions: &mut [&mut Partition<F>],
    verdicts: Vec<Saved>,
    news: &mut News,
) {
    for (id, to, verdict) in verdicts {
        let partition = partitions.iter_mut().find(|partition| partition.id == id);
        match (verdict, partition) {
            (Verdict::Saved, Some(partition)) => {
                partition.checkpoint_saved(to);
                news.saved.push((id, to));
            }
            (Verdict::Saved, None) | (Verdict::Again, _) => {}
            (Verdict::Fenced, _) => {
                news.fenced += 1;
                news.failure = Some(format!(
                    "partition {id} has another owner, nothing of it was written"
                ));
            }
            (Verdict::Diverged { ledger }, _) => {
                news.failure = Some(format!(
                    "partition {id}: the ledger is at {ledger} instead of {to}; it was restored or written by others"
                ));
            }
        }
    }
}

/// Brings `leaving` to the stores: whatever is under way first, then a last flush and checkpoint. What is not done at the
/// deadline is given up.
pub(crate) fn finish<F: Fold>(
    stores: &mut impl Stores<F::Rows>,
    staying: &mut [&mut Partition<F>],
    leaving: &mut [&mut Partition<F>],
    snapshot: Option<i32>,
) -> News {
    let mut news = News::default();
    stores.wait();
    settle(stores, &mut all(staying, leaving), &mut news);
    if !stores.is_checkpointing() {
        start_checkpoint(stores, leaving, snapshot);
    }
    if !stores.is_flushing() {
        start_flush(stores, leaving, true);
    }
    stores.wait();
    // What was under way before may be done only now, and it is about those who stay as well.
    settle(stores, &mut all(staying, leaving), &mut news);
    if stores.give_up_checkpoint() {
        warn!("the last checkpoint was not saved in time; the next owner replays it");
        if !staying.is_empty() {
            // It may have held their records too, and nobody knows whether they were saved.
            news.failure = Some("a checkpoint was given up".to_owned());
        }
    }
    abandon_flush(stores, staying);
    news
}

fn all<'a, F: Fold>(
    staying: &'a mut [&mut Partition<F>],
    leaving: &'a mut [&mut Partition<F>],
) -> Vec<&'a mut Partition<F>> {
    let staying = staying.iter_mut().map(|partition| &mut **partition);
    let leaving = leaving.iter_mut().map(|partition| &mut **partition);
    staying.chain(leaving).collect()
}

/// Gives up a flush under way; whoever stays writes everything anew.
pub(crate) fn abandon_flush<F: Fold>(
    stores: &mut impl Stores<F::Rows>,
    staying: &mut [&mut Partition<F>],
) {
    if stores.give_up_flush() {
        staying
            .iter_mut()
            .for_each(|partition| partition.flush_lost());
    }
}
