//! Folding a partition once more, from its log into a store on disk, and comparing the live view on the way.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use domain::fold::Rows;
use domain::time::Micros;
use rdkafka::message::Message;
use tokio::runtime::Handle;

use super::cell::{Row, Table};
use super::live::{self, View};
use super::log::LogReader;
use super::plan::{Begin, Job, Plan};
use super::report::PartitionReport;
use super::rows::{Audited, DEAD_LETTER, quarantined};
use super::store::{FinishedStore, RowStore, Write};
use super::{Audit, AuditError, load_problem};
use crate::engine::member::polled;
use crate::engine::owner::quarantine;
use crate::engine::partition::poison;
use crate::store::checkpoint::RowStatement;
use crate::store::ledger::{Acquired, load_at};

/// Rows are taken out of the fold after so many records: often enough that they need little memory, and so rarely that rows which
/// change with every record are written once.
const BATCH: u64 = 1 << 15;

/// Memory for the rows of all partitions that are on disk.
const CACHE_BYTES: usize = 32 << 20;
/// Memory for the few rows between the offsets of Postgres and Redis.
const LATER_BYTES: usize = 1 << 20;

/// What a partition's log says.
#[derive(Debug)]
pub(super) struct Replayed {
    /// `None` when it could not be folded; the report says why.
    pub(super) rows: Option<FinishedStore>,
    /// Everything before this offset is contained.
    pub(super) saved: i64,
    pub(super) report: PartitionReport,
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

struct Replay<'a, F: Audited> {
    audit: &'a Audit<'a>,
    topic: &'a str,
    config: &'a F::Config,
    runtime: &'a Handle,
    cache_bytes: usize,
}

/// A fold on its way through the log.
struct Folding<'a, F: Audited> {
    audit: &'a Audit<'a>,
    fold: F,
    store: RowStore,
    reader: LogReader,
    next: i64,
    poison: BTreeSet<i64>,
    quarantine: Vec<Write>,
    report: PartitionReport,
    /// Records of which the watcher was told.
    counted: u64,
    /// Rows that were made after the offset at which Postgres is compared, and are not in the store therefore.
    later: Option<RowStore>,
    /// Where that is kept.
    later_file: PathBuf,
    runtime: &'a Handle,
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
            return Ok(Replayed {
                rows: None,
                saved: job.saved,
                report: job.report,
            });
        };
        let file: PathBuf =
            self.audit
                .scene
                .folder
                .path()
                .join(format!("{}-{}", F::NAME, job.partition));
        let mut folding = Folding {
            audit: self.audit,
            fold,
            store: RowStore::create(&file, self.cache_bytes, !job.report.is_whole)?,
            reader: LogReader::new(
                &self.audit.scene.kafka,
                self.topic,
                job.partition,
                job.begin.at(),
            )?,
            next: job.begin.at(),
            poison: job.poison,
            quarantine: Vec::new(),
            report: job.report,
            counted: 0,
            later: None,
            later_file: file.with_extension("later"),
            runtime: self.runtime,
        };
        let folded = folding.run(job.saved, job.view.as_ref())?;
        let mut report = folding.report;
        if let Err(problem) = folded {
            report.problems.push(problem);
            return Ok(Replayed {
                rows: None,
                saved: job.saved,
                report,
            });
        }
        Ok(Replayed {
            rows: Some(folding.store.finish()?),
            saved: job.saved,
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

/// A sentence about a partition that cannot be folded further.
type Problem = String;

impl<F: Audited> Folding<'_, F> {
    /// Folds up to both offsets, and compares the live view at its own.
    fn run(&mut self, saved: i64, view: Option<&View>) -> Result<Result<(), Problem>, AuditError> {
        let before = view.filter(|view| view.offset <= saved);
        if let Some(view) = before {
            if let Err(problem) = self.advance(view.offset)? {
                return Ok(Err(problem));
            }
            self.compare_live(view)?;
        }
        if let Err(problem) = self.advance(saved)? {
            return Ok(Err(problem));
        }
        if let Some(view) = view.filter(|view| view.offset > saved) {
            self.later = Some(RowStore::create(&self.later_file, LATER_BYTES, true)?);
            match self.advance(view.offset)? {
                Ok(()) => self.compare_live(view)?,
                // Postgres can be compared all the same.
                Err(problem) => self
                    .report
                    .problems
                    .push(format!("the live view: {problem}")),
            }
        }
        Ok(Ok(()))
    }

    /// Folds the records before `to`, and keeps their rows.
    fn advance(&mut self, to: i64) -> Result<Result<(), Problem>, AuditError> {
        let mut since_drain = 0;
        while self.next < to {
            if let Err(problem) = self.step()? {
                return Ok(Err(problem));
            }
            since_drain += 1;
            if since_drain % BATCH == 0 {
                self.drain()?;
            }
        }
        self.drain()?;
        Ok(Ok(()))
    }

    /// Folds the next record, if Kafka gives one.
    fn step(&mut self) -> Result<Result<(), Problem>, AuditError> {
        let Some(message) = self.reader.next(self.next)? else {
            self.audit.still_wanted()?;
            return Ok(Ok(()));
        };
        let offset = message.offset();
        if offset != self.next {
            return Ok(Err(format!(
                "the record at offset {} is missing in Kafka, which gave {offset} instead",
                self.next
            )));
        }
        let value = message.payload().unwrap_or_default();
        let rejection = if self.poison.contains(&offset) {
            self.report.poison += 1;
            poison()
        } else {
            match F::decode(value) {
                Err(rejection) => rejection,
                Ok(record) => {
                    drop(message);
                    return self.fold_one(record);
                }
            }
        };
        let dead = quarantine(polled(&message), rejection);
        drop(message);
        self.quarantine
            .push(Write::Put(quarantined(self.report.partition, &dead)));
        self.passed();
        Ok(Ok(()))
    }

    /// Folds the record at the present offset.
    fn fold_one(&mut self, record: F::Record) -> Result<Result<(), Problem>, AuditError> {
        let offset = self.next;
        if self.fold.is_due(&record) {
            self.amend(&record, offset)?;
        }
        let folded = catch_unwind(AssertUnwindSafe(|| self.fold.apply(record, offset)));
        if folded.is_err() {
            return Ok(Err(format!(
                "the fold panicked on the record at offset {offset}, which is not in quarantine as poison"
            )));
        }
        self.passed();
        Ok(Ok(()))
    }

    fn passed(&mut self) {
        self.next += 1;
        self.report.records += 1;
    }

    /// Shows the fold its own past, as the engine does before such a record.
    fn amend(&mut self, record: &F::Record, offset: i64) -> Result<(), AuditError> {
        self.drain()?;
        let mut wanted = Some(self.fold.wants());
        while let Some(want) = wanted {
            let past = if self.report.is_whole {
                self.own_past(want)?
            } else {
                self.stored_past(want)?
            };
            wanted = self.fold.amend(past, record, offset);
        }
        Ok(())
    }

    /// The past as the log says it.
    fn own_past(
        &self,
        want: <F::Rows as Rows>::Want,
    ) -> Result<<F::Rows as Rows>::Past, AuditError> {
        let mut read = |table: &Table, range: Range<Micros>| {
            let mut rows = self.store.range(table, range.clone())?;
            if let Some(later) = &self.later {
                rows.extend(later.range(table, range)?);
            }
            let rows = rows.values().filter(|row| !row.is_empty());
            Ok(rows.filter_map(|row| Row::from_bytes(row)).collect())
        };
        Ok(F::past(want, &mut read)?)
    }

    /// The past as Postgres has it, where the log does not reach back so far. What it knows already is not amended once more, so
    /// those rows are not compared.
    fn stored_past(
        &self,
        want: <F::Rows as Rows>::Want,
    ) -> Result<<F::Rows as Rows>::Past, AuditError> {
        self.runtime.block_on(async {
            let mut holder = self.audit.scene.holder.lock().await;
            F::Rows::recall(&mut holder, want)
                .await
                .map_err(|source| AuditError::Postgres {
                    doing: "reading rows around late events",
                    source,
                })
        })
    }

    /// Takes the rows out of the fold. What it would show live is thrown away, or it would grow with the log.
    fn drain(&mut self) -> Result<(), AuditError> {
        let rows = self.fold.drain_rows();
        drop(self.fold.drain_live(true));
        let quarantine = std::mem::take(&mut self.quarantine);
        let tables = F::writes(rows, self.report.partition);
        for (table, writes) in tables.into_iter().chain([(&DEAD_LETTER, quarantine)]) {
            self.take(table, writes)?;
        }
        self.audit.count_records(self.report.records - self.counted);
        self.counted = self.report.records;
        self.audit.still_wanted()
    }

    fn take(&mut self, table: &'static Table, writes: Vec<Write>) -> Result<(), AuditError> {
        let store = self.later.as_mut().unwrap_or(&mut self.store);
        Ok(store.take(table, writes)?)
    }

    fn compare_live(&mut self, view: &View) -> Result<(), AuditError> {
        let shown = self.fold.all_live();
        let (store, later) = (&self.store, &self.later);
        let is_whole = self.report.is_whole;
        let is_let_go = |map, field: &[u8]| -> Result<bool, AuditError> {
            let Some((table, key)) = F::row_of_live(map, field) else {
                return Ok(false);
            };
            // Before the first folded record, a row may have been written that nobody here knows.
            let is_later = match later {
                Some(later) => later.has(table, &key)?,
                None => false,
            };
            Ok(!is_whole || is_later || store.has(table, &key)?)
        };
        let (side, first) = live::compare(view, shown, is_let_go)?;
        self.report.redis = Some(side);
        self.report.first_difference = self.report.first_difference.take().or(first);
        Ok(())
    }
}
