//! Folding the partitions of a plan once more, some at a time.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use chassis::guard::guarded;
use tokio::runtime::Handle;

use super::accounts::Account;
use super::folding::Folding;
use super::known::Doubted;
use super::plan::{Begin, Job, Plan};
use super::report::PartitionReport;
use super::rows::Audited;
use super::store::FinishedStore;
use super::{Audit, AuditError, load_problem};
use crate::store::ledger::{Acquired, load_at};

/// Memory for the rows of all partitions that are on disk.
const CACHE_BYTES: usize = 32 << 20;

/// What a partition's log says.
#[derive(Debug)]
pub(super) struct Replayed {
    /// `None` when it could not be folded; the report says why.
    pub(super) rows: Option<FinishedStore>,
    /// Everything before this offset is contained.
    pub(super) saved: i64,
    /// What was counted up to there, beside what Postgres says.
    pub(super) accounts: Vec<Account>,
    /// Whose rows the log does not explain as a whole.
    pub(super) doubted: Doubted,
    pub(super) report: PartitionReport,
}

impl Replayed {
    /// A partition of which nothing can be compared; the report says why.
    fn blocked(saved: i64, report: PartitionReport) -> Self {
        Self {
            rows: None,
            saved,
            accounts: Vec::new(),
            doubted: Doubted::new(),
            report,
        }
    }
}

impl Audit<'_> {
    /// Folds every partition of a plan, some at a time.
    pub(super) async fn replay<F: Audited>(
        &self,
        plan: Plan,
        config: F::Config,
    ) -> Result<Vec<Replayed>, AuditError> {
        let runtime = Handle::current();
        let cache_bytes = CACHE_BYTES / plan.jobs.len().max(1);
        let threads = self.options.threads.get();
        let (topic, queue) = (plan.topic, Mutex::new(VecDeque::from(plan.jobs)));
        let work = || {
            let mut done = Vec::new();
            loop {
                let job = queue
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .pop_front();
                let Some(job) = job else {
                    return Ok(done);
                };
                let replay = Replay::<F> {
                    audit: self,
                    topic: &topic,
                    config: &config,
                    runtime: &runtime,
                    cache_bytes,
                };
                done.push(replay.run(job)?);
            }
        };
        // The threads borrow what they share, so they end in here; nothing else of the process waits for this one.
        let replayed: Result<Vec<Vec<Replayed>>, AuditError> = tokio::task::block_in_place(|| {
            std::thread::scope(|scope| {
                let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
                let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                    thread.join().expect("what may panic is caught")
                };
                threads.into_iter().map(join).collect()
            })
        });
        let mut replayed: Vec<Replayed> = replayed?.into_iter().flatten().collect();
        replayed.sort_unstable_by_key(|replayed| replayed.report.partition);
        Ok(replayed)
    }
}

/// What the partitions of a plan share.
pub(super) struct Replay<'a, F: Audited> {
    pub(super) audit: &'a Audit<'a>,
    pub(super) topic: &'a str,
    config: &'a F::Config,
    pub(super) runtime: &'a Handle,
    pub(super) cache_bytes: usize,
}

impl<F: Audited> Replay<'_, F> {
    fn run(&self, mut job: Job) -> Result<Replayed, AuditError> {
        let is_blocked = !job.report.problems.is_empty() && job.records() == 0;
        let fold = if is_blocked {
            None
        } else {
            self.first_state(&mut job)?
        };
        let Some(fold) = fold else {
            return Ok(Replayed::blocked(job.saved, job.report));
        };
        let mut folding = Folding::begin(self, fold, &mut job)?;
        let (saved, view) = (job.saved, job.view.as_ref());
        // Whatever code of the fold panics: the partition says so, and the others are audited all the same.
        let folded = guarded(|| folding.run(saved, view))
            .unwrap_or_else(|panic| Ok(Err(folding.panicked(&panic))))?;
        let mut report = folding.report;
        if let Err(problem) = folded {
            report.problems.push(problem);
            return Ok(Replayed::blocked(saved, report));
        }
        Ok(Replayed {
            rows: Some(folding.store.finish()?),
            saved,
            accounts: folding.accounts,
            doubted: folding.doubted,
            report,
        })
    }

    /// The state to begin with; `None` when it cannot be had, with the reason in the report.
    fn first_state(&self, job: &mut Job) -> Result<Option<F>, AuditError> {
        let Begin::Saved { at } = job.begin else {
            return Ok(Some(F::new(self.config)));
        };
        let wanted = Acquired {
            partition: job.partition,
            epoch: 0,
            next_offset: at,
            accounted_offset: at,
            fold_version: F::VERSION,
            mark: None,
        };
        let loaded = self.runtime.block_on(async {
            let mut holder = self.audit.scene.holder.lock().await;
            load_at::<F>(&mut *holder, self.topic, wanted, self.config.clone()).await
        });
        match loaded {
            Ok(restored) => Ok(Some(restored.fold)),
            Err(error) => {
                job.report.problems.push(load_problem(error)?);
                Ok(None)
            }
        }
    }
}
