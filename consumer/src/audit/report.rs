//! What an audit found, for people and scripts.

use serde::Serialize;
use xxhash_rust::xxh3::Xxh3;

/// Everything that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether everything that was compared is equal, and everything could be compared.
    pub equal: bool,
    /// Records of Kafka that were folded.
    pub records: u64,
    /// Rows of Postgres that were not compared, because Kafka no longer has what made them.
    pub rows_not_compared: u64,
    /// How long it took.
    pub seconds: f64,
    /// Each fold.
    pub folds: Vec<FoldReport>,
}

/// One fold.
#[derive(Clone, Debug, Serialize)]
pub struct FoldReport {
    /// Its name.
    pub fold: &'static str,
    /// Its topic, prefix included.
    pub topic: String,
    /// Each partition of the topic, in order; then those that only the ledger knows.
    pub partitions: Vec<PartitionReport>,
}

/// One partition.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PartitionReport {
    /// Which.
    pub partition: i32,
    /// The first offset that was folded.
    pub from_offset: i64,
    /// Whether that is where the ledger began. Otherwise the state there was taken from a snapshot, and rows that did not
    /// change since are not compared.
    pub is_whole: bool,
    /// Records that were folded.
    pub records: u64,
    /// Records that made the fold panic when they came first, and were left out here as there.
    pub poison: u64,
    /// Records that a person left out with `skip_to`, and that were left out here too.
    pub skipped: u64,
    /// The rows in Postgres.
    pub postgres: Option<Side>,
    /// The live view in Redis.
    pub redis: Option<Side>,
    /// Why something could not be compared at all.
    pub problems: Vec<String>,
    /// What else there is to know; nothing of it is wrong.
    pub notes: Vec<String>,
    /// The first row or value that differs.
    pub first_difference: Option<Difference>,
}

/// What the log says and what a store holds, at one offset.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Side {
    /// Everything before this offset is contained.
    pub offset: i64,
    /// Digest of what the log says.
    pub log_digest: String,
    /// Digest of what the store holds.
    pub store_digest: String,
    /// Rows or values by the log.
    pub log_values: u64,
    /// Rows or values in the store that were compared.
    pub store_values: u64,
    /// Of those in both, how many differ.
    pub changed: u64,
    /// By the log, but not in the store.
    pub missing: u64,
    /// In the store, but not by the log.
    pub extra: u64,
    /// In the store and not compared: rows from before the first folded offset; values that change once a second or that
    /// wait to be taken out.
    pub not_compared: u64,
}

/// A row or value that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `Postgres` or `Redis`.
    pub store: &'static str,
    /// The table, or the map of the live view.
    pub table: &'static str,
    /// Which row.
    pub key: Vec<(&'static str, String)>,
    /// What is wrong with it as a whole.
    pub kind: DifferenceKind,
    /// Each field that differs; all of them when the row is only on one side.
    pub fields: Vec<FieldDifference>,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// Both have it, with other values.
    Changed,
    /// The store does not have it.
    Missing,
    /// The log does not explain it.
    Extra,
}

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldDifference {
    /// Its name.
    pub name: &'static str,
    /// What the log says.
    pub log: Option<String>,
    /// What the store holds.
    pub stored: Option<String>,
}

impl Side {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.changed + self.missing + self.extra == 0
    }
}

impl PartitionReport {
    /// Whether nothing differs and nothing stood in the way.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        let sides = [&self.postgres, &self.redis];
        self.problems.is_empty() && sides.into_iter().flatten().all(Side::is_equal)
    }
}

/// Fields by name, as a person reads them.
pub(crate) type FieldValues = Vec<(&'static str, Option<String>)>;

/// Fields of two sides that differ, by name.
pub(crate) fn differing(
    log: &[(&'static str, Option<String>)],
    stored: &[(&'static str, Option<String>)],
) -> Vec<FieldDifference> {
    let value = |side: &[(&'static str, Option<String>)], name: &str| {
        let found = side.iter().find(|(field, _)| *field == name);
        found.and_then(|(_, value)| value.clone())
    };
    let names = if log.is_empty() { stored } else { log };
    names
        .iter()
        .map(|(name, _)| FieldDifference {
            name,
            log: value(log, name),
            stored: value(stored, name),
        })
        .filter(|field| field.log != field.stored)
        .collect()
}

/// The running digest of one side: of its values, in the order of their keys.
#[derive(Default)]
pub(crate) struct Digest {
    hash: Xxh3,
    pub(crate) values: u64,
}

impl Digest {
    /// Takes in a value of a table.
    pub(crate) fn add(&mut self, table: &str, value: &[u8]) {
        self.hash.update(table.as_bytes());
        self.hash.update(&(value.len() as u64).to_le_bytes());
        self.hash.update(value);
        self.values += 1;
    }

    /// Sixteen hexadecimal digits.
    pub(crate) fn text(&self) -> String {
        format!("{:016x}", self.hash.digest())
    }
}
