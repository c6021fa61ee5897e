//! Flushes and checkpoints: at most one of each is under way, and folding goes on meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::fold::Fold;
use redis::aio::MultiplexedConnection;
use tokio::task::JoinHandle;
use tracing::error;

use super::job::{Checkpoint, Flush, Flushed};
use super::owner::Shared;
use super::partition::{Partition, snapshot_turn};
use super::saving::Saved;
use super::watch::Watch;
use super::work::{self, News, Stores};
use crate::store::checkpoint::{self, RowStatement};
use crate::store::live;

/// How often open visits are shown.
const VISITS_INTERVAL: Duration = Duration::from_secs(1);
/// How long to wait before a live view that is away is tried again.
const AWAY_PAUSE: Duration = Duration::from_secs(1);

type FlushTask = JoinHandle<(Option<MultiplexedConnection>, Vec<(i32, Flushed)>)>;
type CheckpointTask = JoinHandle<Vec<Saved>>;

/// The work of one worker beside folding, and when it is due.
#[derive(Debug)]
pub(crate) struct Duties<F: Fold> {
    tasks: Tasks<F>,
    flush_due: Instant,
    visits_due: Instant,
    checkpoint_due: Instant,
}

/// The work that is under way, as tasks of the runtime.
#[derive(Debug)]
struct Tasks<F: Fold> {
    shared: Arc<Shared<F>>,
    flush: Option<FlushTask>,
    connection: Option<MultiplexedConnection>,
    checkpoint: Option<CheckpointTask>,
    checkpoint_bytes: usize,
    checkpoint_started: Instant,
    /// When what is under way is given up.
    deadline: Instant,
}

impl<F: Fold> Duties<F>
where
    F::Rows: RowStatement,
{
    pub(crate) fn new(shared: &Arc<Shared<F>>) -> Self {
        let now = Instant::now();
        Self {
            tasks: Tasks {
                shared: Arc::clone(shared),
                flush: None,
                connection: None,
                checkpoint: None,
                checkpoint_bytes: 0,
                checkpoint_started: now,
                deadline: now,
            },
            flush_due: now,
            visits_due: now,
            checkpoint_due: now + shared.checkpoint_interval,
        }
    }

    pub(crate) fn is_checkpointing(&self) -> bool {
        self.tasks.is_checkpointing()
    }

    /// The next checkpoint is due now: a partition waits for it.
    pub(crate) fn hurry(&mut self) {
        self.checkpoint_due = Instant::now();
    }

    /// Bytes of records in the checkpoint under way.
    pub(crate) fn bytes_under_way(&self) -> usize {
        if self.is_checkpointing() {
            self.tasks.checkpoint_bytes
        } else {
            0
        }
    }

    /// Takes in what is done and starts what is due.
    pub(crate) fn turn(&mut self, partitions: &mut [&mut Partition<F>], watch: &mut Watch) -> News {
        let mut news = News::default();
        work::settle(&mut self.tasks, partitions, &mut news);
        self.count(&news, watch);
        count_gaps(partitions, watch);
        let now = Instant::now();
        if !self.tasks.is_flushing() && now >= self.flush_due {
            self.flush_due = now + self.tasks.shared.flush_interval;
            let with_visits = now >= self.visits_due;
            let is_started = work::start_flush(&mut self.tasks, partitions, with_visits);
            if is_started && with_visits {
                self.visits_due = now + VISITS_INTERVAL;
            }
        }
        if !self.tasks.is_checkpointing() && now >= self.checkpoint_due {
            self.checkpoint_due = now + self.tasks.shared.checkpoint_interval;
            let snapshot = snapshot_turn(partitions);
            work::start_checkpoint(&mut self.tasks, partitions, snapshot);
        }
        news
    }

    /// Tells the metrics, and lets a live view that is away rest.
    fn count(&mut self, news: &News, watch: &mut Watch) {
        if news.has_flushed && self.tasks.connection.is_none() {
            self.flush_due = Instant::now() + AWAY_PAUSE;
        }
        if news.has_checkpointed {
            watch.checkpointed(self.tasks.checkpoint_started.elapsed());
        }
        (0..news.fenced).for_each(|_| watch.fenced());
    }

    /// Brings `leaving` to the stores within the deadline, see [`work::finish`].
    pub(crate) fn finish(
        &mut self,
        staying: &mut [&mut Partition<F>],
        leaving: &mut [&mut Partition<F>],
        watch: &mut Watch,
    ) -> News {
        self.tasks.deadline = Instant::now() + self.tasks.shared.release_deadline;
        let snapshot = snapshot_turn(leaving);
        let news = work::finish(&mut self.tasks, staying, leaving, snapshot);
        self.count(&news, watch);
        count_gaps(staying, watch);
        count_gaps(leaving, watch);
        news
    }

    /// Gives up a flush under way; whoever stays writes everything anew.
    pub(crate) fn abandon_flush(&mut self, staying: &mut [&mut Partition<F>]) {
        work::abandon_flush(&mut self.tasks, staying);
    }
}

/// Tells the metrics which canaries the ledger now knows to be missing.
fn count_gaps<F: Fold>(partitions: &mut [&mut Partition<F>], watch: &Watch) {
    for partition in partitions {
        watch.canary_gaps(partition.conservation().take_saved_gaps());
    }
}

impl<F: Fold> Stores<F::Rows> for Tasks<F>
where
    F::Rows: RowStatement,
{
    fn start_flush(&mut self, flushes: Vec<Flush>) {
        let flushing = live::flush(self.shared.live.clone(), self.connection.take(), flushes);
        self.flush = Some(self.shared.handle.spawn(flushing));
    }

    fn start_checkpoint(&mut self, checkpoints: Vec<Checkpoint<F::Rows>>, bytes: usize) {
        self.checkpoint_bytes = bytes;
        self.checkpoint_started = Instant::now();
        let shared = Arc::clone(&self.shared);
        self.checkpoint = Some(self.shared.handle.spawn(async move {
            checkpoint::save(&shared.ledger, &shared.statement, F::VERSION, checkpoints).await
        }));
    }

    fn is_flushing(&self) -> bool {
        self.flush.is_some()
    }

    fn is_checkpointing(&self) -> bool {
        self.checkpoint.is_some()
    }

    fn take_flushed(&mut self) -> Option<Option<Vec<(i32, Flushed)>>> {
        let task = self.flush.take_if(|task| task.is_finished())?;
        match self.shared.handle.block_on(task) {
            Ok((connection, outcomes)) => {
                self.connection = connection;
                Some(Some(outcomes))
            }
            Err(cause) => {
                error!(error = %cause, "a flush ended: {cause}");
                Some(None)
            }
        }
    }

    fn take_saved(&mut self) -> Option<Result<Vec<Saved>, String>> {
        let task = self.checkpoint.take_if(|task| task.is_finished())?;
        let verdicts = self.shared.handle.block_on(task);
        Some(verdicts.map_err(|cause| cause.to_string()))
    }

    fn wait(&mut self) {
        let is_done = || {
            self.flush.as_ref().is_none_or(JoinHandle::is_finished)
                && self.checkpoint.as_ref().is_none_or(JoinHandle::is_finished)
        };
        while !is_done() && Instant::now() < self.deadline {
            let pause = tokio::time::sleep(Duration::from_millis(2));
            self.shared.handle.block_on(pause);
        }
    }

    fn give_up_flush(&mut self) -> bool {
        self.flush.take().map(|task| task.abort()).is_some()
    }

    fn give_up_checkpoint(&mut self) -> bool {
        self.checkpoint.take().map(|task| task.abort()).is_some()
    }
}
