//! Folding a partition once more, from its log into a store on disk, and comparing the live view on the way.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use domain::fold::Rows;
use domain::rejection::Reason;
use domain::time::Micros;
use rdkafka::message::Message;
use sqlx::PgConnection;
use tokio::runtime::Handle;

use super::accounts::{Account, Accounts, Counted};
use super::cell::{Row, Table};
use super::known::{Doubted, Known};
use super::live::{self, Gone, View};
use super::log::LogReader;
use super::plan::Job;
use super::replay::Replay;
use super::report::PartitionReport;
use super::rows::{Audited, quarantined};
use super::store::{RowStore, Write};
use super::tables::DEAD_LETTER;
use super::{Audit, AuditError};
use crate::engine::member::polled;
use crate::engine::owner::quarantine;
use crate::engine::poison::{Poison, canary_of};

/// Rows are taken out of the fold after so many records: often enough that they need little memory, and so rarely that rows which
/// change with every record are written once.
const BATCH: u64 = 1 << 15;

/// Memory for the few rows between the offsets of Postgres and Redis.
const LATER_BYTES: usize = 1 << 20;

/// A fold on its way through the log.
pub(super) struct Folding<'a, F: Audited> {
    audit: &'a Audit<'a>,
    fold: F,
    pub(super) store: RowStore,
    reader: LogReader,
    next: i64,
    poison: BTreeMap<i64, Poison>,
    skips: Vec<Range<i64>>,
    quarantine: Vec<Write>,
    counted: Counted,
    /// What Postgres counted.
    claimed: Option<Accounts>,
    /// What was counted up to its offset, beside that.
    pub(super) accounts: Vec<Account>,
    pub(super) report: PartitionReport,
    /// Records of which the watcher was told.
    told: u64,
    /// Rows that were made after the offset at which Postgres is compared, and are not in the store therefore.
    later: Option<RowStore>,
    /// Where that is kept.
    later_file: PathBuf,
    /// What can be relied upon, when the log has lost its beginning.
    known: Option<Known>,
    /// Whose rows cannot be compared.
    pub(super) doubted: Doubted,
    runtime: &'a Handle,
}

/// A sentence about a partition that cannot be folded further.
pub(super) type Problem = String;

impl<'a, F: Audited> Folding<'a, F> {
    /// Stands where a job begins, with the state that there is.
    pub(super) fn begin(
        replay: &Replay<'a, F>,
        mut fold: F,
        job: &mut Job,
    ) -> Result<Self, AuditError> {
        let scene = &replay.audit.scene;
        let file = format!("{}-{}", F::NAME, job.partition);
        let file = scene.folder.path().join(file);
        let at = job.begin.at();
        let known = (!job.report.is_whole).then(|| Known::of(&fold.all_live()));
        Ok(Self {
            audit: replay.audit,
            fold,
            store: RowStore::create(&file, replay.cache_bytes, !job.report.is_whole)?,
            reader: LogReader::new(&scene.kafka, replay.topic, job.partition, at)?,
            next: at,
            poison: std::mem::take(&mut job.poison),
            skips: std::mem::take(&mut job.skips),
            quarantine: Vec::new(),
            counted: Counted::new(at),
            claimed: job.accounts.take(),
            accounts: Vec::new(),
            report: std::mem::take(&mut job.report),
            told: 0,
            later: None,
            later_file: file.with_extension("later"),
            known,
            doubted: Doubted::new(),
            runtime: replay.runtime,
        })
    }

    /// What it means that the fold panicked.
    pub(super) fn panicked(&self, panic: &str) -> Problem {
        format!(
            "the fold panicked at the record at offset {} ({panic}), which is not in quarantine as poison",
            self.next
        )
    }

    /// Folds up to both offsets, and compares the live view at its own.
    pub(super) fn run(
        &mut self,
        saved: i64,
        view: Option<&View>,
    ) -> Result<Result<(), Problem>, AuditError> {
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
        if let Some(known) = &self.known {
            self.doubted.clone_from(known.doubted());
        }
        if let Some(claimed) = &self.claimed {
            self.report.notes.extend(self.counted.remark());
            self.accounts = self.counted.beside(claimed, self.report.partition);
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
        let remark = self.known.as_ref().and_then(Known::remark);
        self.report.notes.extend(remark);
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
        if self.skips.iter().any(|skip| skip.contains(&offset)) {
            self.report.skipped += 1;
            self.counted.skipped();
            self.next += 1;
            return Ok(Ok(()));
        }
        let rejection = match self.poison.get(&offset) {
            Some(poison) => {
                self.report.poison += 1;
                if *poison == Poison::Waiting {
                    self.fold.give_up();
                }
                poison.rejection()
            }
            None => match F::decode(message.payload().unwrap_or_default()) {
                Err(rejection) => rejection,
                Ok(record) => {
                    drop(message);
                    self.fold_one(record)?;
                    return Ok(Ok(()));
                }
            },
        };
        let value = message.payload().unwrap_or_default();
        let canary = (rejection.reason == Reason::Poison).then(|| canary_of::<F>(value));
        let dead = quarantine(polled(&message), rejection);
        drop(message);
        self.quarantine
            .push(Write::Put(quarantined(self.report.partition, &dead)));
        self.counted.quarantined(canary.flatten());
        self.passed();
        Ok(Ok(()))
    }

    /// Folds the record at the present offset.
    fn fold_one(&mut self, record: F::Record) -> Result<(), AuditError> {
        let offset = self.next;
        if self.fold.is_due(&record) {
            self.amend(&record, offset)?;
        }
        let canary = F::canary(&record);
        let outcome = self.fold.apply(record, offset);
        self.counted.folded(outcome, canary);
        self.passed();
        Ok(())
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
            if let Some(known) = &mut self.known {
                known.judge(F::stretches(&want));
            }
            let past = self.own_past(want)?;
            wanted = self.fold.amend(past, record, offset);
        }
        Ok(())
    }

    /// The past as the log says it, as far as it was folded.
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

    /// Takes the rows out of the fold. What it would show live is thrown away, or it would grow with the log.
    fn drain(&mut self) -> Result<(), AuditError> {
        let rows = self.fold.drain_rows();
        drop(self.fold.drain_live(true));
        let quarantine = std::mem::take(&mut self.quarantine);
        let tables = F::writes(rows, self.report.partition);
        for (table, writes) in tables.into_iter().chain([(&DEAD_LETTER, quarantine)]) {
            self.take(table, writes)?;
        }
        let passed = self.report.records + self.report.skipped;
        self.audit.count_records(passed - self.told);
        self.told = passed;
        self.audit.still_wanted()
    }

    fn take(&mut self, table: &'static Table, writes: Vec<Write>) -> Result<(), AuditError> {
        let store = self.later.as_mut().unwrap_or(&mut self.store);
        Ok(store.take(table, writes)?)
    }

    fn compare_live(&mut self, view: &View) -> Result<(), AuditError> {
        let mut shown = self.fold.all_live();
        let is_doubted = |map, field: &[u8]| {
            let known = self.known.as_ref();
            known.is_some_and(|known| known.is_doubted(map, field))
        };
        shown.retain(|write| !is_doubted(write.map, &write.field));
        let mut aside = None;
        let gone = |map, field: &[u8], found: &[u8]| -> Result<Gone, AuditError> {
            if is_doubted(map, field) {
                return Ok(Gone::Outdated);
            }
            let Some((table, key)) = F::row_of_live(map, field) else {
                return Ok(Gone::Never);
            };
            let row = self.last_row(&mut aside, table, &key)?;
            Ok(row.map_or(Gone::Never, |row| F::gone(&row, found)))
        };
        let (side, first) = live::compare(view, shown, gone)?;
        if let Some(aside) = aside {
            let closed = self.runtime.block_on(self.audit.scene.close(aside));
            closed.map_err(reading_panes)?;
        }
        self.report.redis = Some(side);
        self.report.first_difference = self.report.first_difference.take().or(first);
        Ok(())
    }

    /// The row of that key as the log says it up to here. Before the first folded record one may have been written that nobody here
    /// knows, so it is looked for in Postgres then.
    fn last_row(
        &self,
        aside: &mut Option<PgConnection>,
        table: &Table,
        key: &Row,
    ) -> Result<Option<Row>, AuditError> {
        let bytes = key.key(table);
        let later = match &self.later {
            Some(later) => later.get(table, &bytes)?,
            None => None,
        };
        let known = match later {
            Some(row) => Some(row),
            None => self.store.get(table, &bytes)?,
        };
        if known.is_some() || self.report.is_whole {
            return Ok(known.and_then(|row| Row::from_bytes(&row).filter(|row| !row.0.is_empty())));
        }
        let asked = self.audit.scene.stored_row(aside, table, key);
        self.runtime.block_on(asked).map_err(reading_panes)
    }
}

fn reading_panes(source: sqlx::Error) -> AuditError {
    AuditError::Postgres {
        doing: "reading rows of values that the live view still has",
        source,
    }
}
