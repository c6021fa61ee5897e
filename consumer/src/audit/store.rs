//! What the log says, on disk: the rows of one partition by table and key. So a log of any length costs the same memory.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use domain::time::Micros;

use redb::{
    Database, Durability, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction,
};

use super::cell::{Cell, Row, Table};

/// Rows of one table: the sorted key to the row's bytes.
type Definition<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;

/// Rows in the order of their keys.
pub(crate) type Rows = redb::Range<'static, &'static [u8], &'static [u8]>;

/// What becomes of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Write {
    /// It has these values from now on.
    Put(Row),
    /// It has these values unless it is there already.
    Keep(Row),
    /// There is none with the key of this one, whose other cells do not matter.
    Remove(Row),
}

/// The rows of one partition while its log is folded.
pub(crate) struct RowStore {
    database: Database,
    /// Never durable: what is left of an audit that was ended is thrown away.
    transaction: WriteTransaction,
    /// Rows that are no more are remembered as empty, because others may stand in Postgres that nobody explains.
    keeps_removed: bool,
}

/// The same, to be read.
#[derive(Debug)]
pub(crate) struct FinishedStore {
    database: Database,
}

impl RowStore {
    /// An empty store in a new file. `cache_bytes` bounds its memory.
    pub(crate) fn create(
        file: &Path,
        cache_bytes: usize,
        keeps_removed: bool,
    ) -> Result<Self, redb::Error> {
        let database = Database::builder()
            .set_cache_size(cache_bytes)
            .create(file)?;
        let mut transaction = database.begin_write()?;
        transaction.set_durability(Durability::None)?;
        Ok(Self {
            database,
            transaction,
            keeps_removed,
        })
    }

    /// Takes writes in; the later one of a key counts.
    pub(crate) fn take(&mut self, table: &Table, writes: Vec<Write>) -> Result<(), redb::Error> {
        let mut stored = self.transaction.open_table(definition(table))?;
        for write in writes {
            match write {
                Write::Put(row) => {
                    stored.insert(row.key(table).as_slice(), row.to_bytes().as_slice())?;
                }
                Write::Keep(row) => {
                    let key = row.key(table);
                    if stored.get(key.as_slice())?.is_none() {
                        stored.insert(key.as_slice(), row.to_bytes().as_slice())?;
                    }
                }
                Write::Remove(row) if self.keeps_removed => {
                    stored.insert(row.key(table).as_slice(), [].as_slice())?;
                }
                Write::Remove(row) => {
                    stored.remove(row.key(table).as_slice())?;
                }
            }
        }
        Ok(())
    }

    /// The row of that key; `None` when nothing is known of it, and an empty one when it is no more.
    pub(crate) fn get(&self, table: &Table, key: &[u8]) -> Result<Option<Vec<u8>>, redb::Error> {
        let stored = self.transaction.open_table(definition(table))?;
        let found = stored.get(key)?;
        Ok(found.map(|row| row.value().to_vec()))
    }

    /// The rows of a table whose first key column, an instant, lies in `range`, by key; an empty one is no more.
    pub(crate) fn range(
        &self,
        table: &Table,
        range: Range<Micros>,
    ) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, redb::Error> {
        let stored = self.transaction.open_table(definition(table))?;
        let bound = |at| Row(vec![Cell::Time(at)]).sorted();
        let (from, to) = (bound(range.start), bound(range.end));
        let mut rows = BTreeMap::new();
        for entry in stored.range(from.as_slice()..to.as_slice())? {
            let (key, row) = entry?;
            rows.insert(key.value().to_vec(), row.value().to_vec());
        }
        Ok(rows)
    }

    /// Ends the writing.
    pub(crate) fn finish(self) -> Result<FinishedStore, redb::Error> {
        self.transaction.commit()?;
        Ok(FinishedStore {
            database: self.database,
        })
    }
}

impl FinishedStore {
    /// Every row of a table in the order of its keys; an empty one is a row that must not be.
    pub(crate) fn rows(&self, table: &Table) -> Result<Option<Rows>, redb::Error> {
        let transaction = self.database.begin_read()?;
        match transaction.open_table(definition(table)) {
            Ok(stored) => Ok(Some(stored.range::<&[u8]>(..)?)),
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn definition(table: &Table) -> Definition<'static> {
    TableDefinition::new(table.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::cell::{Cell, Kind, Owner};

    const TABLE: Table = Table {
        name: "t",
        key: &[("id", Kind::Bigint)],
        fields: &[("n", Kind::Bigint)],
        owner: Owner::Partition(0),
        has_topic: false,
    };

    fn row(id: i64, n: i64) -> Row {
        Row(vec![Cell::Int(id), Cell::Int(n)])
    }

    fn stored(keeps_removed: bool) -> Vec<Option<Row>> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rows");
        let mut store = RowStore::create(&file, 1 << 20, keeps_removed).unwrap();
        let writes = vec![Write::Put(row(2, 1)), Write::Put(row(1, 1))];
        store.take(&TABLE, writes).unwrap();
        let writes = vec![
            Write::Put(row(1, 2)),
            Write::Keep(row(2, 9)),
            Write::Keep(row(3, 3)),
            Write::Put(row(4, 4)),
            Write::Remove(row(4, 0)),
        ];
        store.take(&TABLE, writes).unwrap();
        let get = |id| store.get(&TABLE, &row(id, 0).key(&TABLE)).unwrap();
        assert_eq!(get(3), Some(row(3, 3).to_bytes()));
        assert_eq!(get(4), keeps_removed.then(Vec::new));
        let finished = store.finish().unwrap();
        let rows = finished.rows(&TABLE).unwrap().unwrap();
        rows.map(|entry| {
            let (_, value) = entry.unwrap();
            Row::from_bytes(value.value()).filter(|row| !row.0.is_empty())
        })
        .collect()
    }

    #[test]
    fn the_later_value_counts_and_rows_come_back_in_order() {
        let rows = [row(1, 2), row(2, 1), row(3, 3)].map(Some).to_vec();
        assert_eq!(stored(false), rows);
        assert_eq!(stored(true), [rows, vec![None]].concat());
    }
}
