//! What the log says and what Postgres holds, walked side by side in the order of keys.

use std::iter::Peekable;

use futures_util::TryStreamExt;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row as _, query};

use super::accounts::Account;
use super::cell::{Cell, Kind, Row, Table};
use super::known::Doubted;
use super::replay::Replayed;
use super::report::{
    Difference, DifferenceKind, Digest, FieldValues, PartitionReport, Side, differing,
};
use super::rows::Audited;
use super::store::Rows;
use super::tables::DEAD_LETTER;
use super::{Audit, AuditError};
use crate::store::pg_time::PgTime;

/// One partition on the way through the tables.
#[derive(Default)]
struct Walk {
    /// Rows that the log says, still to come. `None` when the partition cannot be compared.
    expected: Option<Peekable<Rows>>,
    is_whole: bool,
    doubted: Doubted,
    side: Side,
    log: Digest,
    stored: Digest,
    first: Option<Difference>,
}

impl Audit<'_> {
    /// Compares the tables of a fold with what was replayed.
    pub(super) async fn compare<F: Audited>(
        &self,
        topic: &str,
        replayed: Vec<Replayed>,
    ) -> Result<Vec<PartitionReport>, AuditError> {
        let mut walks: Vec<Walk> = replayed.iter().map(Walk::new).collect();
        for table in F::TABLES.iter().chain([&DEAD_LETTER]) {
            for (walk, replayed) in walks.iter_mut().zip(&replayed) {
                walk.expected = match &replayed.rows {
                    Some(rows) => rows.rows(table)?.map(Iterator::peekable),
                    None => None,
                };
            }
            self.compare_table(table, topic, &mut walks).await?;
        }
        Ok(walks
            .into_iter()
            .zip(replayed)
            .map(|(walk, replayed)| walk.end(replayed))
            .collect())
    }

    async fn compare_table(
        &self,
        table: &'static Table,
        topic: &str,
        walks: &mut [Walk],
    ) -> Result<(), AuditError> {
        let postgres = |source| AuditError::Postgres {
            doing: "reading the rows of a fold",
            source,
        };
        let partitions = i32::try_from(walks.len()).expect("Kafka numbers partitions with an i32");
        let mut connection = self.scene.look().await.map_err(postgres)?;
        // Assembled from constants of this crate; the topic is a parameter.
        let mut asked = query(AssertSqlSafe(table.select()));
        if table.has_topic {
            asked = asked.bind(topic);
        }
        let mut rows = asked.fetch(&mut connection);
        while let Some(found) = rows.try_next().await.map_err(postgres)? {
            self.still_wanted()?;
            let row = read(table, &found).map_err(postgres)?;
            let partition = table
                .partition(&row, partitions)
                .and_then(|at| usize::try_from(at).ok());
            // A partition that the topic does not have: no log explains the row, so it counts at the first.
            let at = partition.filter(|at| *at < walks.len()).unwrap_or(0);
            walks[at].meet(table, &row)?;
            self.progress
                .rows
                .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        drop(rows);
        self.scene.close(connection).await.map_err(postgres)?;
        for walk in walks {
            walk.pass(table, None)?;
        }
        Ok(())
    }
}

impl Walk {
    fn new(replayed: &Replayed) -> Self {
        Self {
            is_whole: replayed.report.is_whole && replayed.rows.is_some(),
            doubted: replayed.doubted.clone(),
            side: Side {
                offset: replayed.saved,
                ..Side::default()
            },
            ..Self::default()
        }
    }

    /// A row of Postgres.
    fn meet(&mut self, table: &'static Table, row: &Row) -> Result<(), AuditError> {
        let key = row.key(table);
        self.pass(table, Some(&key))?;
        let value = row.to_bytes();
        let expected = self.next_if(|found| found == key)?;
        if self.is_doubted(table, Some(row)) {
            self.side.not_compared += 1;
            return Ok(());
        }
        match expected.as_deref() {
            Some(log) if !log.is_empty() => {
                self.log.add(table.name, log);
                self.stored.add(table.name, &value);
                if log != value {
                    self.side.changed += 1;
                    self.note(
                        table,
                        DifferenceKind::Changed,
                        Row::from_bytes(log).as_ref(),
                        Some(row),
                    );
                }
            }
            // Nothing is known of rows from before the first folded record, unless the log took one back since.
            None if !self.is_whole => self.side.not_compared += 1,
            _ => {
                self.stored.add(table.name, &value);
                self.side.extra += 1;
                self.note(table, DifferenceKind::Extra, None, Some(row));
            }
        }
        Ok(())
    }

    /// Passes the rows that the log says before `key`, or all of them: Postgres does not have them.
    fn pass(&mut self, table: &'static Table, key: Option<&[u8]>) -> Result<(), AuditError> {
        while let Some(log) = self.next_if(|found| key.is_none_or(|key| found < key))? {
            let row = Row::from_bytes(&log);
            if log.is_empty() || self.is_doubted(table, row.as_ref()) {
                continue;
            }
            self.log.add(table.name, &log);
            self.side.missing += 1;
            self.note(table, DifferenceKind::Missing, row.as_ref(), None);
        }
        Ok(())
    }

    /// Whether the log does not explain as a whole what the sensor of a row saw when it was.
    fn is_doubted(&self, table: &Table, row: Option<&Row>) -> bool {
        let since = row.and_then(|row| self.doubted.get(table.sensor(row)?));
        match (since, row.and_then(|row| row.0.first())) {
            (Some(since), Some(Cell::Time(at))) => at < since,
            // The newest about a sensor depends on nothing that is late.
            _ => false,
        }
    }

    /// The next row that the log says, if its key is wanted.
    fn next_if(
        &mut self,
        is_wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<Vec<u8>>, AuditError> {
        let Some(expected) = &mut self.expected else {
            return Ok(None);
        };
        // An error is taken, so that it is seen.
        let entry = expected.next_if(|entry| {
            entry
                .as_ref()
                .map_or(true, |(key, _)| is_wanted(key.value()))
        });
        match entry.transpose().map_err(redb::Error::from)? {
            Some((_, value)) => Ok(Some(value.value().to_vec())),
            None => Ok(None),
        }
    }

    /// Keeps the first difference.
    fn note(
        &mut self,
        table: &'static Table,
        kind: DifferenceKind,
        log: Option<&Row>,
        stored: Option<&Row>,
    ) {
        if self.first.is_some() {
            return;
        }
        let cells = |row: Option<&Row>| row.map_or(Vec::new(), |row| row.0.clone());
        let (log, stored) = (cells(log), cells(stored));
        let (in_key, keys) = (table.key.len(), if log.is_empty() { &stored } else { &log });
        let named = |cells: &[Cell]| -> FieldValues {
            let fields = table.fields.iter().zip(cells.iter().skip(in_key));
            fields
                .map(|((name, _), cell)| (*name, cell.shown()))
                .collect()
        };
        self.first = Some(Difference {
            store: "Postgres",
            table: table.name,
            key: table
                .key
                .iter()
                .zip(keys)
                .map(|((name, _), cell)| (*name, cell.shown().unwrap_or_default()))
                .collect(),
            kind,
            fields: differing(&named(&log), &named(&stored)),
        });
    }

    /// A row of the accounts.
    fn meet_account(&mut self, account: &Account) {
        let Account {
            table,
            key,
            log,
            stored,
        } = account;
        for (digest, fields) in [(&mut self.log, log), (&mut self.stored, stored)] {
            if !fields.is_empty() {
                digest.add(table, format!("{key:?} {fields:?}").as_bytes());
            }
        }
        let (count, kind) = match (log.is_empty(), stored.is_empty()) {
            _ if log == stored => return,
            (false, false) => (&mut self.side.changed, DifferenceKind::Changed),
            (_, true) => (&mut self.side.missing, DifferenceKind::Missing),
            (true, _) => (&mut self.side.extra, DifferenceKind::Extra),
        };
        *count += 1;
        self.first.get_or_insert_with(|| Difference {
            store: "Postgres",
            table,
            key: vec![key.clone()],
            kind,
            fields: differing(log, stored),
        });
    }

    fn end(mut self, replayed: Replayed) -> PartitionReport {
        for account in &replayed.accounts {
            self.meet_account(account);
        }
        (self.side.log_digest, self.side.store_digest) = (self.log.text(), self.stored.text());
        (self.side.log_values, self.side.store_values) = (self.log.values, self.stored.values);
        let mut report = replayed.report;
        report.postgres = (replayed.rows.is_some() || self.side.extra > 0).then_some(self.side);
        report.first_difference = self.first.or(report.first_difference);
        report
    }
}

/// A row as the audit compares it.
pub(super) fn read(table: &Table, row: &PgRow) -> sqlx::Result<Row> {
    let cell = |(at, (_, kind)): (usize, &(&str, Kind))| {
        Ok(match kind {
            Kind::Integer => Cell::Int(row.try_get::<i32, _>(at)?.into()),
            Kind::Bigint => Cell::Int(row.try_get(at)?),
            Kind::Text => row
                .try_get::<Option<String>, _>(at)?
                .map_or(Cell::Null, Cell::Text),
            Kind::Bytes => Cell::Bytes(row.try_get(at)?),
            Kind::Time => Cell::Time(row.try_get::<PgTime, _>(at)?.0),
            Kind::Float => Cell::Float(row.try_get(at)?),
            Kind::Boolean => Cell::Bool(row.try_get(at)?),
        })
    };
    table
        .columns()
        .enumerate()
        .map(cell)
        .collect::<sqlx::Result<_>>()
        .map(Row)
}
