//! The partitions of one worker: taken over, folded, handed back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::canary::Canaries;
use domain::fold::Fold;
use domain::rejection::Rejection;
use domain::time::Micros;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use super::duties::Duties;
use super::job::{DeadRecord, LedgerEntry};
use super::orders::Orders;
use super::partition::{Folded, Partition, Restored};
use super::slot::{Active, Slot, Waiting};
use super::standing::Reports;
use super::stop::{LogRange, judge_ledger};
use super::watch::Watch;
use crate::store::canary;
use crate::store::checkpoint::RowStatement;
use crate::store::ledger::{Acquired, Ledger, LoadError};
use crate::store::live::LiveStore;
use crate::store::pause::Pause;

/// How much of a record's value is kept in quarantine.
const PAYLOAD_BYTES_MAX: usize = 64 * 1024;

/// What the workers of one fold share.
#[derive(Debug)]
pub(crate) struct Shared<F: Fold> {
    pub(crate) handle: Handle,
    pub(crate) ledger: Ledger,
    pub(crate) live: LiveStore,
    /// The checkpoint of this fold, see [`crate::store::checkpoint::statement`].
    pub(crate) statement: String,
    pub(crate) fold: F::Config,
    pub(crate) flush_interval: Duration,
    pub(crate) checkpoint_interval: Duration,
    pub(crate) unsaved_bytes_max: usize,
    pub(crate) release_deadline: Duration,
}

/// One record as it is polled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Polled<'a> {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: &'a [u8],
    pub(crate) timestamp: Micros,
}

/// The partitions of one worker.
#[derive(Debug)]
pub(crate) struct Owner<F: Fold> {
    pub(crate) shared: Arc<Shared<F>>,
    pub(super) slots: BTreeMap<i32, Slot<F>>,
    pub(super) duties: Duties<F>,
    pub(crate) orders: Orders,
    pub(crate) watch: Watch,
    pub(super) reports: Reports,
    /// What each partition's log holds, as last seen.
    pub(super) log: BTreeMap<i32, LogRange>,
    /// Too much is unsaved: Kafka holds the rest.
    pub(super) holding_back: bool,
    /// Why this member has to leave the group and come back.
    pub(crate) failure: Option<String>,
}

impl<F: Fold> Owner<F>
where
    F::Rows: RowStatement,
{
    pub(crate) fn new(shared: Arc<Shared<F>>, worker: usize) -> Self {
        let duties = Duties::new(&shared);
        let watch = Watch::new(F::NAME, &shared.ledger.topic, worker);
        Self {
            shared,
            slots: BTreeMap::new(),
            duties,
            orders: Orders::default(),
            watch,
            reports: Reports::new(),
            log: BTreeMap::new(),
            holding_back: false,
            failure: None,
        }
    }

    /// Takes partitions over that the group assigned at `since`: the epoch in the ledger is ours from here on. The states are made
    /// beside the poll loop.
    ///
    /// # Errors
    /// When the ledger cannot be reached within the patience of the group protocol.
    pub(crate) fn acquire(
        &mut self,
        partitions: &[i32],
        since: Instant,
        patience: Duration,
    ) -> anyhow::Result<Vec<Acquired>> {
        let started = Instant::now();
        let shared = Arc::clone(&self.shared);
        let (acquired, mut canaries) = shared.handle.block_on(async {
            let mut pause = Pause::default();
            loop {
                match take_over(&shared.ledger, partitions).await {
                    Ok(taken) => return Ok(taken),
                    Err(error) if started.elapsed() > patience => return Err(error),
                    Err(error) => pause.wait(&error, "acquiring partitions").await,
                }
            }
        })?;
        for entry in &acquired {
            info!(
                kafka.partition = entry.partition,
                ledger.epoch = entry.epoch,
                ledger.next_offset = entry.next_offset,
                "{}: took over partition {} at offset {}, epoch {}",
                F::NAME,
                entry.partition,
                entry.next_offset,
                entry.epoch
            );
            if let Some(stop) = judge_ledger(&shared.ledger.topic, entry) {
                self.stop(entry.partition, entry.into(), stop);
                continue;
            }
            let loading = Slot::Loading {
                entry: *entry,
                since,
                canaries: canaries.remove(&entry.partition).unwrap_or_default(),
                task: self.load(*entry),
            };
            self.slots.insert(entry.partition, loading);
        }
        Ok(acquired)
    }

    /// Makes a state again, for as long as it takes; gives up only on what waiting does not mend.
    pub(super) fn load(&self, entry: Acquired) -> JoinHandle<Result<Restored<F>, LoadError>> {
        let shared = Arc::clone(&self.shared);
        self.shared.handle.spawn(async move {
            let mut pause = Pause::default();
            loop {
                match shared.ledger.load::<F>(entry, shared.fold.clone()).await {
                    Err(error) if error.is_transient() => {
                        pause.wait(&error, "loading a state").await;
                    }
                    outcome => return outcome,
                }
            }
        })
    }

    /// Folds one record.
    pub(crate) fn record(&mut self, polled: Polled<'_>) {
        match self.slots.get_mut(&polled.partition) {
            Some(Slot::Active(partition)) => {
                let folded = partition.fold(polled.offset, polled.value, |rejection| {
                    quarantine(polled, rejection)
                });
                self.after(polled, folded);
            }
            Some(Slot::Rebuilding(rebuilding)) => rebuilding.waiting.push(Waiting::from(polled)),
            Some(Slot::Amending(amending)) => amending.waiting.push(Waiting::from(polled)),
            Some(Slot::Loading { .. }) => {
                self.fail(format!(
                    "partition {} delivered a record before its state was there",
                    polled.partition
                ));
            }
            // Revoked, or stopped: not ours to fold.
            Some(Slot::Stopped { .. }) | None => self.watch.ignored(),
        }
    }

    fn after(&mut self, polled: Polled<'_>, folded: Folded) {
        match folded {
            Folded::Done(outcome) => self.watch.folded(outcome),
            Folded::Stale => self.watch.ignored(),
            Folded::Known => {}
            Folded::Foreign => self.stop_before_another_log(polled.partition),
            Folded::Quarantined(reason) => {
                warn!(
                    kafka.partition = polled.partition,
                    kafka.offset = polled.offset,
                    rejection.reason = reason.as_str(),
                    "{}: quarantined the record at {}:{} ({reason})",
                    F::NAME,
                    polled.partition,
                    polled.offset
                );
                self.watch.quarantined(reason);
            }
            Folded::Gap { expected } => self.fail(format!(
                "partition {} delivered offset {} where {expected} was expected",
                polled.partition, polled.offset
            )),
            Folded::Panicked { detail } => self.begin_rebuild(polled, &detail),
            Folded::Due => self.begin_amend(polled),
        }
    }

    pub(crate) fn fail(&mut self, why: String) {
        error!(
            fold.name = F::NAME,
            "{}: {why}; leaving the group to start over",
            F::NAME
        );
        self.failure.get_or_insert(why);
    }

    /// The state of a partition could not be made.
    pub(super) fn without_state(&mut self, partition: i32, entry: LedgerEntry, cause: LoadError) {
        if cause.is_moved() {
            self.fail(cause.to_string());
        } else {
            self.stop(partition, entry, cause.into());
        }
    }

    /// One turn beside the poll: states that are ready, flushes and checkpoints that are due or done.
    pub(crate) fn turn(&mut self) {
        self.settle_loads();
        let mut active = Active {
            slots: &mut self.slots,
        };
        let news = self.duties.turn(&mut active.partitions(), &mut self.watch);
        self.orders.commit.extend(news.saved);
        if let Some(why) = news.failure {
            self.fail(why);
        }
        self.settle_rebuilds();
        self.settle_amends();
        self.hold_back();
        self.turn_reports();
    }

    fn settle_loads(&mut self) {
        let done: Vec<i32> = self
            .slots
            .iter()
            .filter(|(_, slot)| matches!(slot, Slot::Loading { task, .. } if task.is_finished()))
            .map(|(partition, _)| *partition)
            .collect();
        for id in done {
            let Some(Slot::Loading {
                entry,
                since,
                canaries,
                task,
            }) = self.slots.remove(&id)
            else {
                continue;
            };
            match self.shared.handle.block_on(task) {
                Ok(Ok(restored)) => {
                    let partition = Partition::acquired(id, entry.epoch, restored);
                    let partition = partition
                        .with_canaries(canaries)
                        .with_witness(entry.witness());
                    let partition = Box::new(partition);
                    self.slots.insert(id, Slot::Active(partition));
                    self.let_flow(id);
                    self.watch.acquired(since.elapsed());
                }
                Ok(Err(cause)) => self.without_state(id, LedgerEntry::from(&entry), cause),
                Err(cause) => self.fail(format!("loading partition {id} ended: {cause}")),
            }
        }
    }

    /// Hands partitions back in good order: live view, checkpoint, and the offsets to commit. What does not succeed within
    /// the deadline is forgotten; replay is safe.
    pub(crate) fn release(&mut self, partitions: &[i32]) -> Vec<(i32, i64)> {
        let mut leaving = BTreeMap::new();
        for id in partitions {
            if let Some(slot) = self.take_slot(*id) {
                leaving.insert(*id, slot);
            }
        }
        let mut all = Active {
            slots: &mut self.slots,
        };
        let mut going = Active {
            slots: &mut leaving,
        };
        let news = self.duties.finish(
            &mut all.partitions(),
            &mut going.partitions(),
            &mut self.watch,
        );
        let (gone, kept): (Vec<_>, Vec<_>) = news
            .saved
            .into_iter()
            .partition(|(id, _)| partitions.contains(id));
        self.orders.commit.extend(kept);
        info!(
            fold.name = F::NAME,
            "{}: handed back partitions {partitions:?}",
            F::NAME
        );
        gone
    }

    /// Drops partitions that were lost: whatever of them is not in the ledger is replayed by the next owner.
    pub(crate) fn forget(&mut self, partitions: &[i32]) {
        for id in partitions {
            self.take_slot(*id);
        }
        let mut staying = Active {
            slots: &mut self.slots,
        };
        self.duties.abandon_flush(&mut staying.partitions());
        warn!(
            fold.name = F::NAME,
            "{}: lost partitions {partitions:?}",
            F::NAME
        );
    }

    /// Whether Kafka holds the records of all partitions back.
    pub(super) fn is_holding_back(&self) -> bool {
        self.holding_back
    }

    /// The saved offset of every active partition.
    pub(crate) fn saved_offsets(&self) -> Vec<(i32, i64)> {
        self.slots
            .iter()
            .filter_map(|(id, slot)| Some((*id, slot.active()?.saved())))
            .collect()
    }
}

/// The ledger's entries, ours from here on, and the canaries that belong to them.
async fn take_over(
    ledger: &Ledger,
    partitions: &[i32],
) -> sqlx::Result<(Vec<Acquired>, BTreeMap<i32, Canaries>)> {
    let acquired = ledger.acquire(partitions).await?;
    Ok((acquired, canary::load(ledger, partitions).await?))
}

/// The record with what is wrong with it, as it is kept.
pub(crate) fn quarantine(polled: Polled<'_>, rejection: Rejection) -> DeadRecord {
    DeadRecord {
        offset: polled.offset,
        rejection,
        device: polled
            .key
            .map(|key| String::from_utf8_lossy(key).into_owned()),
        payload: polled.value[..polled.value.len().min(PAYLOAD_BYTES_MAX)].to_vec(),
        received_at: polled.timestamp,
    }
}
