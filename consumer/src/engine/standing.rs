//! How each partition of a worker stands: what it has seen of the log, and whether it goes on. Told to the ledger every two
//! seconds, so that readers without a Kafka know it, and so that a stop outlives its owner.

use std::time::{Duration, Instant};

use chassis::clock::Clock;
use domain::fold::Fold;
use tokio::task::JoinHandle;
use tracing::{debug, error};

use super::job::LedgerEntry;
use super::owner::Owner;
use super::slot::Slot;
use super::stop::{LogRange, Stop, StopReason, judge_log};
use crate::store::checkpoint::RowStatement;
use crate::store::report;

/// How often the ledger is told.
const EVERY: Duration = Duration::from_secs(2);

/// What the ledger is told about one partition.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) partition: i32,
    pub(crate) epoch: i64,
    pub(crate) log: Option<LogRange>,
    pub(crate) stop: Option<Stop>,
}

type Told = Vec<(i32, Option<LedgerEntry>)>;
type Telling = JoinHandle<sqlx::Result<Told>>;

/// The telling: at most one is under way.
#[derive(Debug)]
pub(super) struct Reports {
    task: Option<Telling>,
    due: Instant,
}

impl Reports {
    pub(super) fn new() -> Self {
        Self {
            task: None,
            due: Instant::now() + EVERY,
        }
    }
}

impl<F: Fold> Owner<F>
where
    F::Rows: RowStatement,
{
    /// Marks a partition that cannot go on; `entry` is what the ledger said when it was found out.
    pub(super) fn stop(&mut self, partition: i32, entry: LedgerEntry, stop: Stop) {
        error!(
            kafka.partition = partition,
            stop.reason = stop.reason.as_str(),
            "{}: partition {partition} is stopped: {}",
            F::NAME,
            stop.why
        );
        self.watch.stopped(partition, stop.reason);
        self.orders.pause(partition);
        if let Some(Slot::Loading { task, .. }) =
            self.slots.insert(partition, Slot::Stopped { stop, entry })
        {
            task.abort();
        }
        self.reports.due = Instant::now();
    }

    /// Where the last record was that was folded stands another one.
    pub(super) fn stop_before_another_log(&mut self, id: i32) {
        if let Some(Slot::Active(partition)) = self.slots.remove(&id) {
            let entry = partition.entry();
            let stop = Stop::of_witness(&self.shared.ledger.topic, id, entry.next_offset);
            self.stop(id, entry, stop);
        }
    }

    /// Takes a slot away; whoever has the partition next tells anew how it is.
    pub(super) fn take_slot(&mut self, id: i32) -> Option<Slot<F>> {
        let slot = self.slots.remove(&id)?;
        self.log.remove(&id);
        self.watch.left(id);
        if let Slot::Stopped { stop, .. } = &slot {
            self.watch.not_stopped_here(id, stop.reason);
        }
        Some(slot)
    }

    /// Takes in what a partition's log holds, as Kafka says when it is asked; stops the partition, or ends its stop.
    pub(crate) fn saw_log(&mut self, partition: i32, log: LogRange) {
        self.log.insert(partition, log);
        let topic = &self.shared.ledger.topic;
        let judge = |next| judge_log(topic, partition, next, log);
        match self.slots.get(&partition) {
            Some(Slot::Loading { entry, .. }) => {
                let entry = LedgerEntry::from(entry);
                if let Some(stop) = judge(entry.next_offset) {
                    self.stop(partition, entry, stop);
                }
            }
            Some(Slot::Stopped { stop, entry }) => {
                let by_log = [StopReason::LogTruncated, StopReason::LogShorter];
                if by_log.contains(&stop.reason) && judge(entry.next_offset).is_none() {
                    self.fail(format!(
                        "the log of stopped partition {partition} is whole again"
                    ));
                }
            }
            _ => {}
        }
    }

    /// Takes in how the log of a partition has moved on, as fetching shows by the way; what is unknown is negative.
    pub(crate) fn saw_progress(&mut self, partition: i32, shown: LogRange) {
        if let Some(log) = self.log.get_mut(&partition) {
            log.begin = log.begin.max(shown.begin);
            log.end = log.end.max(shown.end);
        }
    }

    /// The partitions of which fetching does not show how their log moves on: they fetch nothing, or nobody has looked yet.
    pub(crate) fn unseen(&self) -> Vec<i32> {
        let is_unseen = |id: &i32, slot: &Slot<F>| {
            self.is_holding_back()
                || matches!(slot, Slot::Stopped { .. })
                || !self.log.contains_key(id)
        };
        self.slots
            .iter()
            .filter(|(id, slot)| is_unseen(id, slot))
            .map(|(id, _)| *id)
            .collect()
    }

    /// Takes in what the last report brought, and sends the next when it is due.
    pub(super) fn turn_reports(&mut self) {
        if let Some(task) = self.reports.task.take_if(|task| task.is_finished()) {
            match self.shared.handle.block_on(task) {
                Ok(Ok(told)) => self.settle_report(&told),
                Ok(Err(cause)) => debug!(error = %cause, "a report was not written: {cause}"),
                Err(cause) => error!(error = %cause, "a report ended: {cause}"),
            }
        }
        if self.reports.task.is_none() && Instant::now() >= self.reports.due {
            self.reports.due = Instant::now() + EVERY;
            self.measure();
            let standings: Vec<Standing> = self
                .slots
                .iter()
                .filter_map(|(id, slot)| self.standing(*id, slot))
                .collect();
            if !standings.is_empty() {
                let telling = report::tell(self.shared.ledger.clone(), standings);
                self.reports.task = Some(self.shared.handle.spawn(telling));
            }
        }
    }

    /// `None` while nothing is known that the ledger does not know better.
    fn standing(&self, partition: i32, slot: &Slot<F>) -> Option<Standing> {
        let (epoch, stop) = match slot {
            Slot::Stopped { stop, entry } => (entry.epoch, Some(stop.clone())),
            Slot::Active(partition) => (partition.epoch, None),
            Slot::Rebuilding(rebuilding) => (rebuilding.partition.epoch, None),
            Slot::Amending(amending) => (amending.partition.epoch, None),
            Slot::Loading { .. } => return None,
        };
        Some(Standing {
            partition,
            epoch,
            log: self.log.get(&partition).copied(),
            stop,
        })
    }

    /// A person who mends the ledger of a stopped partition changes its entry: then it is taken over anew.
    fn settle_report(&mut self, told: &Told) {
        let mended = told.iter().find(|(id, found)| {
            matches!(self.slots.get(id), Some(Slot::Stopped { entry, .. }) if *found != Some(*entry))
        });
        if let Some((partition, _)) = mended {
            self.fail(format!(
                "the ledger of stopped partition {partition} was changed"
            ));
        }
    }

    /// Hands what is known about each partition to the recorder.
    fn measure(&mut self) {
        let now = Clock::System.now();
        for (id, slot) in &mut self.slots {
            let log = self.log.get(id);
            match slot {
                Slot::Active(partition) => {
                    let saved = partition.saved();
                    let lag = log.map_or(0, |log| (log.end - saved).max(0));
                    self.watch.stands(*id, lag, partition.unaccounted());
                    let newest = partition.conservation().newest_canary();
                    self.watch.canary(*id, newest, now);
                }
                Slot::Stopped { entry, .. } => {
                    let lag = log.map_or(0, |log| (log.end - entry.next_offset).max(0));
                    self.watch.stands(*id, lag, 0);
                }
                _ => {}
            }
        }
    }
}
