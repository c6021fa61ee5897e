//! Rows as the audit compares them: cells in the order of a table's columns, as bytes that sort as Postgres sorts.

use domain::time::Micros;
use domain::topic::partition_of;

/// One value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    /// No value.
    Null,
    /// `integer` or `bigint`.
    Int(i64),
    /// `text`.
    Text(String),
    /// `bytea`.
    Bytes(Vec<u8>),
    /// `timestamptz`.
    Time(Micros),
    /// `double precision`.
    Float(f64),
    /// `boolean`.
    Bool(bool),
}

/// The type of a column in Postgres.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `integer`.
    Integer,
    /// `bigint`.
    Bigint,
    /// `text`, which may be null outside of a key.
    Text,
    /// `bytea`.
    Bytes,
    /// `timestamptz`.
    Time,
    /// `double precision`.
    Float,
    /// `boolean`.
    Boolean,
}

/// How a row tells which partition it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The cell at this place names the sensor, which is the key of its records.
    Sensor(usize),
    /// The cell at this place is the partition.
    Partition(usize),
}

/// A table that a fold writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    /// Its name.
    pub(crate) name: &'static str,
    /// The columns of its key, in the order of the key.
    pub(crate) key: &'static [(&'static str, Kind)],
    /// The other columns that are compared.
    pub(crate) fields: &'static [(&'static str, Kind)],
    /// See [`Owner`].
    pub(crate) owner: Owner,
    /// Whether it holds the rows of several topics, told apart by a column `topic`.
    pub(crate) has_topic: bool,
}

/// The cells of a row, those of the key first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row(pub(crate) Vec<Cell>);

impl Table {
    /// Key and other columns, in the order of a [`Row`].
    pub(crate) fn columns(&self) -> impl Iterator<Item = &'static (&'static str, Kind)> {
        self.key.iter().chain(self.fields)
    }

    /// The statement that reads the table in the order of [`Row::key`]; `$1` is the topic where the table has one.
    pub(crate) fn select(&self) -> String {
        let columns: Vec<&str> = self.columns().map(|(name, _)| *name).collect();
        // By the bytes of texts, whatever the collation of the database.
        let order: Vec<String> = self
            .key
            .iter()
            .map(|(name, kind)| match kind {
                Kind::Text => format!("{name} collate \"C\""),
                _ => (*name).to_owned(),
            })
            .collect();
        let of_topic = if self.has_topic {
            " where topic = $1"
        } else {
            ""
        };
        format!(
            "select {} from {}{of_topic} order by {}",
            columns.join(", "),
            self.name,
            order.join(", ")
        )
    }

    /// The statement that reads the row whose key is its parameters. For tables without a column `topic`.
    pub(crate) fn select_one(&self) -> String {
        let columns: Vec<&str> = self.columns().map(|(name, _)| *name).collect();
        let names = self.key.iter().map(|(name, _)| name);
        let wanted: Vec<String> = (1..)
            .zip(names)
            .map(|(at, name)| format!("{name} = ${at}"))
            .collect();
        format!(
            "select {} from {} where {}",
            columns.join(", "),
            self.name,
            wanted.join(" and ")
        )
    }

    /// The sensor that a row is about, if it is about one.
    pub(crate) fn sensor<'a>(&self, row: &'a Row) -> Option<&'a str> {
        let Owner::Sensor(at) = self.owner else {
            return None;
        };
        match row.0.get(at)? {
            Cell::Text(sensor) => Some(sensor),
            _ => None,
        }
    }

    /// The partition that a row comes from, of so many.
    pub(crate) fn partition(&self, row: &Row, partitions: i32) -> Option<i32> {
        match self.owner {
            Owner::Sensor(_) => Some(partition_of(self.sensor(row)?, partitions)),
            Owner::Partition(at) => match row.0.get(at)? {
                Cell::Int(partition) => i32::try_from(*partition).ok(),
                _ => None,
            },
        }
    }
}

impl Row {
    /// The key as bytes that sort as [`Table::select`] does.
    pub(crate) fn key(&self, table: &Table) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        for cell in &self.0[..table.key.len()] {
            cell.write_sorted(&mut bytes);
        }
        bytes
    }

    /// All cells as bytes that sort as their values do.
    pub(crate) fn sorted(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for cell in &self.0 {
            cell.write_sorted(&mut bytes);
        }
        bytes
    }

    /// Every cell as bytes: what is compared and what digests are made of.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128);
        for cell in &self.0 {
            cell.write(&mut bytes);
        }
        bytes
    }

    /// Reads [`Row::to_bytes`]; `None` when the bytes are not of that form.
    pub(crate) fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let mut cells = Vec::new();
        while !bytes.is_empty() {
            let (cell, rest) = Cell::read(bytes)?;
            cells.push(cell);
            bytes = rest;
        }
        Some(Self(cells))
    }
}

impl Cell {
    /// Bytes whose order is the order of the values.
    fn write_sorted(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Null => bytes.push(0),
            Self::Int(number) | Self::Time(Micros(number)) => {
                bytes.extend_from_slice(&number.wrapping_sub(i64::MIN).to_be_bytes());
            }
            Self::Float(number) => bytes.extend_from_slice(&number.to_be_bytes()),
            Self::Bool(is_so) => bytes.push(u8::from(*is_so)),
            Self::Text(text) => write_ended(text.as_bytes(), bytes),
            Self::Bytes(value) => write_ended(value, bytes),
        }
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        let mut tagged = |tag: u8, value: &[u8]| {
            let length = u32::try_from(value.len()).expect("Postgres keeps no value above 1 GiB");
            bytes.push(tag);
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(value);
        };
        match self {
            Self::Null => tagged(0, &[]),
            Self::Int(number) => tagged(1, &number.to_le_bytes()),
            Self::Text(text) => tagged(2, text.as_bytes()),
            Self::Bytes(value) => tagged(3, value),
            Self::Time(at) => tagged(4, &at.0.to_le_bytes()),
            Self::Float(number) => tagged(5, &number.to_le_bytes()),
            Self::Bool(is_so) => tagged(6, &[u8::from(*is_so)]),
        }
    }

    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (&tag, rest) = bytes.split_first()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (value, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let number = || Some(i64::from_le_bytes(value.try_into().ok()?));
        let cell = match tag {
            0 => Self::Null,
            1 => Self::Int(number()?),
            2 => Self::Text(String::from_utf8(value.to_vec()).ok()?),
            3 => Self::Bytes(value.to_vec()),
            4 => Self::Time(Micros(number()?)),
            5 => Self::Float(f64::from_le_bytes(value.try_into().ok()?)),
            6 => Self::Bool(value == [1]),
            _ => return None,
        };
        Some((cell, rest))
    }

    /// As a person reads it.
    pub(crate) fn shown(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Int(number) => Some(number.to_string()),
            Self::Text(text) => Some(text.clone()),
            Self::Bytes(bytes) => Some(hex(bytes)),
            Self::Time(at) => Some(at.to_string()),
            Self::Float(number) => Some(number.to_string()),
            Self::Bool(is_so) => Some(is_so.to_string()),
        }
    }
}

/// Bytes with an end that sorts before every continuation.
fn write_ended(value: &[u8], bytes: &mut Vec<u8>) {
    for &byte in value {
        bytes.push(byte);
        if byte == 0 {
            bytes.push(0xff);
        }
    }
    bytes.extend_from_slice(&[0, 0]);
}

/// Longest value that is shown whole.
const SHOWN_BYTES_MAX: usize = 256;

/// Hexadecimal digits, with the length instead of the end when there are many.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(2 * bytes.len().min(SHOWN_BYTES_MAX));
    for byte in bytes.iter().take(SHOWN_BYTES_MAX) {
        write!(text, "{byte:02x}").expect("a string takes everything");
    }
    if bytes.len() > SHOWN_BYTES_MAX {
        write!(text, "… ({} bytes)", bytes.len()).expect("a string takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Table = Table {
        name: "t",
        key: &[
            ("at", Kind::Time),
            ("name", Kind::Text),
            ("id", Kind::Bytes),
        ],
        fields: &[("n", Kind::Integer)],
        owner: Owner::Sensor(1),
        has_topic: false,
    };

    fn row(at: i64, name: &str, id: &[u8]) -> Row {
        Row(vec![
            Cell::Time(Micros(at)),
            Cell::Text(name.to_owned()),
            Cell::Bytes(id.to_vec()),
            Cell::Int(7),
        ])
    }

    #[test]
    fn keys_sort_as_their_values_do() {
        let sorted = [
            row(i64::MIN, "", b""),
            row(-1, "b", b""),
            row(0, "a", b""),
            row(0, "a", b"\0"),
            row(0, "a", b"\0\x01"),
            row(0, "a", b"\x01"),
            row(0, "ab", b""),
            row(0, "ä", b""),
            row(1, "", b""),
        ];
        for pair in sorted.windows(2) {
            assert!(pair[0].key(&TABLE) < pair[1].key(&TABLE), "{pair:?}");
        }
    }

    #[test]
    fn a_row_survives_the_way_through_bytes() {
        let row = Row(vec![
            Cell::Null,
            Cell::Int(-3),
            Cell::Text("ä".to_owned()),
            Cell::Bytes(vec![0, 1]),
            Cell::Time(Micros(5)),
            Cell::Float(-0.5),
            Cell::Bool(true),
        ]);
        assert_eq!(Row::from_bytes(&row.to_bytes()), Some(row.clone()));
        let bytes = row.to_bytes();
        assert_eq!(Row::from_bytes(&bytes[..bytes.len() - 1]), None);
    }

    #[test]
    fn a_table_is_read_in_the_order_of_its_keys() {
        assert_eq!(
            TABLE.select(),
            "select at, name, id, n from t order by at, name collate \"C\", id"
        );
        assert_eq!(TABLE.partition(&row(0, "ent-1", b""), 6), Some(2));
        assert_eq!(
            TABLE.select_one(),
            "select at, name, id, n from t where at = $1 and name = $2 and id = $3"
        );
    }
}
