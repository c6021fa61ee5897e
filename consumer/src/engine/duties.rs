//! Flushes and checkpoints: at most one of each is under way, and folding goes on meanwhile.

use std::time::{Duration, Instant};

use domain::fold::Fold;
use redis::aio::MultiplexedConnection;
use tokio::task::JoinHandle;
use tracing::{error, warn};

use super::job::Verdict;
use super::owner::Shared;
use super::partition::{LogTurn, Partition, snapshot_turn};
use super::watch::Watch;
use crate::store::checkpoint::{self, RowStatement};
use crate::store::live::{self, Flushed};

/// How often open visits are shown.
const VISITS_INTERVAL: Duration = Duration::from_secs(1);
/// How long to wait before a live view that is away is tried again.
const AWAY_PAUSE: Duration = Duration::from_secs(1);

type FlushTask = JoinHandle<(Option<MultiplexedConnection>, Vec<(i32, Flushed)>)>;
type CheckpointTask = JoinHandle<Vec<(i32, i64, Verdict)>>;

/// What became of the work under way.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Partitions whose ledger moved, and where to.
    pub(crate) saved: Vec<(i32, i64)>,
    /// Why the member must start over.
    pub(crate) failure: Option<String>,
}

/// The work of one worker beside folding.
#[derive(Debug)]
pub(crate) struct Duties<F: Fold> {
    flush: Option<FlushTask>,
    flush_due: Instant,
    visits_due: Instant,
    connection: Option<MultiplexedConnection>,
    checkpoint: Option<CheckpointTask>,
    checkpoint_due: Instant,
    checkpoint_bytes: usize,
    checkpoint_started: Instant,
    fold: std::marker::PhantomData<F>,
}

impl<F: Fold> Duties<F>
where
    F::Rows: RowStatement,
{
    pub(crate) fn new(shared: &Shared<F>) -> Self {
        let now = Instant::now();
        Self {
            flush: None,
            flush_due: now,
            visits_due: now,
            connection: None,
            checkpoint: None,
            checkpoint_due: now + shared.checkpoint_interval,
            checkpoint_bytes: 0,
            checkpoint_started: now,
            fold: std::marker::PhantomData,
        }
    }

    pub(crate) fn is_checkpointing(&self) -> bool {
        self.checkpoint.is_some()
    }

    /// Bytes of records in the checkpoint under way.
    pub(crate) fn bytes_under_way(&self) -> usize {
        if self.checkpoint.is_some() {
            self.checkpoint_bytes
        } else {
            0
        }
    }

    /// Takes in what is done and starts what is due.
    pub(crate) fn turn(
        &mut self,
        shared: &Shared<F>,
        partitions: &mut [&mut Partition<F>],
        watch: &mut Watch,
    ) -> News {
        let mut news = News::default();
        if self.flush.as_ref().is_some_and(JoinHandle::is_finished) {
            self.settle_flush(shared, partitions, &mut news);
        }
        if self
            .checkpoint
            .as_ref()
            .is_some_and(JoinHandle::is_finished)
        {
            self.settle_checkpoint(shared, partitions, watch, &mut news);
        }
        let now = Instant::now();
        if self.flush.is_none() && now >= self.flush_due {
            self.start_flush(shared, partitions);
        }
        if self.checkpoint.is_none() && now >= self.checkpoint_due {
            self.start_checkpoint(shared, partitions);
        }
        news
    }

    fn start_flush(&mut self, shared: &Shared<F>, partitions: &mut [&mut Partition<F>]) {
        let now = Instant::now();
        self.flush_due = now + shared.flush_interval;
        let with_visits = now >= self.visits_due;
        let flushes: Vec<_> = partitions
            .iter_mut()
            .filter_map(|partition| partition.begin_flush(with_visits))
            .collect();
        if flushes.is_empty() {
            return;
        }
        if with_visits {
            self.visits_due = now + VISITS_INTERVAL;
        }
        let flushing = live::flush(shared.live.clone(), self.connection.take(), flushes);
        self.flush = Some(shared.handle.spawn(flushing));
    }

    fn settle_flush(
        &mut self,
        shared: &Shared<F>,
        partitions: &mut [&mut Partition<F>],
        news: &mut News,
    ) {
        let Some(task) = self.flush.take() else {
            return;
        };
        match shared.handle.block_on(task) {
            Ok((connection, outcomes)) => {
                self.connection = connection;
                let lost = self.connection.is_none();
                for (id, outcome) in outcomes {
                    let Some(partition) =
                        partitions.iter_mut().find(|partition| partition.id == id)
                    else {
                        continue;
                    };
                    match outcome {
                        Flushed::Done(seq) => partition.flush_done(seq),
                        Flushed::Lost => partition.flush_lost(),
                        Flushed::Fenced => {
                            news.failure = Some(format!("partition {id} has another owner"));
                        }
                    }
                }
                if lost {
                    self.flush_due = Instant::now() + AWAY_PAUSE;
                }
            }
            Err(cause) => {
                error!(error = %cause, "a flush ended: {cause}");
                partitions
                    .iter_mut()
                    .for_each(|partition| partition.flush_lost());
            }
        }
    }

    fn start_checkpoint(&mut self, shared: &Shared<F>, partitions: &mut [&mut Partition<F>]) {
        let now = Instant::now();
        self.checkpoint_due = now + shared.checkpoint_interval;
        let bytes = partitions
            .iter()
            .map(|partition| partition.unsaved_bytes())
            .sum();
        let turn = snapshot_turn(partitions);
        let checkpoints: Vec<_> = partitions
            .iter_mut()
            .filter_map(|partition| {
                partition.begin_checkpoint(if turn == Some(partition.id) {
                    LogTurn::Snapshot
                } else {
                    LogTurn::Delta
                })
            })
            .collect();
        if checkpoints.is_empty() {
            return;
        }
        self.checkpoint_bytes = bytes;
        self.checkpoint_started = now;
        let (ledger, statement) = (shared.ledger.clone(), shared.statement.clone());
        self.checkpoint = Some(shared.handle.spawn(async move {
            checkpoint::save(&ledger, &statement, F::VERSION, checkpoints).await
        }));
    }

    fn settle_checkpoint(
        &mut self,
        shared: &Shared<F>,
        partitions: &mut [&mut Partition<F>],
        watch: &mut Watch,
        news: &mut News,
    ) {
        let Some(task) = self.checkpoint.take() else {
            return;
        };
        let verdicts = match shared.handle.block_on(task) {
            Ok(verdicts) => verdicts,
            Err(cause) => {
                news.failure = Some(format!("a checkpoint ended: {cause}"));
                return;
            }
        };
        watch.checkpointed(self.checkpoint_started.elapsed());
        for (id, to, verdict) in verdicts {
            let partition = partitions.iter_mut().find(|partition| partition.id == id);
            match (verdict, partition) {
                (Verdict::Saved, Some(partition)) => {
                    partition.checkpoint_saved(to);
                    watch.canary_gaps(partition.conservation().take_saved_gaps());
                    news.saved.push((id, to));
                }
                (Verdict::Saved, None) | (Verdict::Again, _) => {}
                (Verdict::Fenced, _) => {
                    watch.fenced();
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

    /// Brings `leaving` to the stores within the deadline: whatever is under way first, then a last flush and checkpoint.
    pub(crate) fn finish(
        &mut self,
        shared: &Shared<F>,
        staying: &mut [&mut Partition<F>],
        leaving: &mut [&mut Partition<F>],
        watch: &mut Watch,
    ) -> News {
        let deadline = Instant::now() + shared.release_deadline;
        let mut news = News::default();
        {
            let mut all: Vec<&mut Partition<F>> = staying
                .iter_mut()
                .map(|partition| &mut **partition)
                .collect();
            all.extend(leaving.iter_mut().map(|partition| &mut **partition));
            self.wait(shared, deadline);
            self.settle_done(shared, &mut all, watch, &mut news);
        }
        if !self.is_checkpointing() {
            self.start_checkpoint(shared, leaving);
        }
        if self.flush.is_none() {
            self.start_flush(shared, leaving);
        }
        self.wait(shared, deadline);
        self.settle_done(shared, leaving, watch, &mut news);
        if let Some(task) = self.checkpoint.take() {
            warn!(
                "{}: the last checkpoint was not saved in time; the next owner replays it",
                F::NAME
            );
            task.abort();
            if !staying.is_empty() {
                // It may have held their records too, and nobody knows whether they were saved.
                news.failure = Some("a checkpoint was given up".to_owned());
            }
        }
        self.abandon_flush(staying);
        news
    }

    fn settle_done(
        &mut self,
        shared: &Shared<F>,
        partitions: &mut [&mut Partition<F>],
        watch: &mut Watch,
        news: &mut News,
    ) {
        if self.flush.as_ref().is_some_and(JoinHandle::is_finished) {
            self.settle_flush(shared, partitions, news);
        }
        if self
            .checkpoint
            .as_ref()
            .is_some_and(JoinHandle::is_finished)
        {
            self.settle_checkpoint(shared, partitions, watch, news);
        }
    }

    /// Waits until what is under way is done, or the deadline.
    fn wait(&self, shared: &Shared<F>, deadline: Instant) {
        let done = || {
            self.flush.as_ref().is_none_or(JoinHandle::is_finished)
                && self.checkpoint.as_ref().is_none_or(JoinHandle::is_finished)
        };
        while !done() && Instant::now() < deadline {
            shared
                .handle
                .block_on(tokio::time::sleep(Duration::from_millis(2)));
        }
    }

    /// Gives up a flush under way; whoever stays writes everything anew.
    pub(crate) fn abandon_flush(&mut self, staying: &mut [&mut Partition<F>]) {
        if let Some(task) = self.flush.take() {
            task.abort();
            staying
                .iter_mut()
                .for_each(|partition| partition.flush_lost());
        }
    }
}
