//! The records since a checkpoint, kept so that the state can be made again from the last snapshot.
//!
//! A delta is the values of the records in offset order, lz4-compressed. Folding them once more gives the state back,
//! because a fold is pure. A record that was not folded (it could not be decoded, or it is poison) is marked as such, so
//! that its offset is not lost.

use thiserror::Error;

/// Longest value that is read back; Kafka's own limit is 1 MiB.
const VALUE_BYTES_MAX: usize = 16 << 20;

/// Records in offset order, from `from` on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delta {
    from: i64,
    next: i64,
    bytes: Vec<u8>,
    /// Where the value of the last record begins, if that was folded.
    last: Option<usize>,
}

/// A delta that cannot be read back.
#[derive(Debug, Error)]
pub(crate) enum DeltaError {
    #[error("a delta is not lz4")]
    Compression(#[source] lz4_flex::block::DecompressError),
    #[error("a delta ends in the middle of a record")]
    Truncated,
    #[error("a delta begins at offset {found}, expected {expected}")]
    Gap { found: i64, expected: i64 },
}

impl Delta {
    pub(crate) fn new(from: i64) -> Self {
        Self {
            from,
            next: from,
            bytes: from.to_le_bytes().to_vec(),
            last: None,
        }
    }

    pub(crate) fn from(&self) -> i64 {
        self.from
    }

    /// Uncompressed size in memory.
    pub(crate) fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Appends the record at `next`; `None` when it was not folded.
    pub(crate) fn push(&mut self, value: Option<&[u8]>) {
        let tag = value.map_or(0, |value| value.len() + 1);
        let tag = u32::try_from(tag).expect("Kafka's records are far below 4 GiB");
        self.bytes.extend_from_slice(&tag.to_le_bytes());
        self.last = value.map(|_| self.bytes.len());
        self.bytes.extend_from_slice(value.unwrap_or_default());
        self.next += 1;
    }

    /// The value of the last record; `None` when that was not folded, or there is none.
    pub(crate) fn last(&self) -> Option<&[u8]> {
        self.last.map(|begin| &self.bytes[begin..])
    }

    pub(crate) fn compressed(&self) -> Vec<u8> {
        lz4_flex::block::compress_prepend_size(&self.bytes)
    }

    /// The first offset of a compressed delta, when it can be read.
    pub(crate) fn starts_at(compressed: &[u8]) -> Option<i64> {
        let bytes = lz4_flex::block::decompress_size_prepended(compressed).ok()?;
        bytes
            .first_chunk::<8>()
            .map(|from| i64::from_le_bytes(*from))
    }

    /// Calls `each` with offset and value of every record of a compressed delta that begins at `expected`; says where it
    /// ends.
    pub(crate) fn replay(
        compressed: &[u8],
        expected: i64,
        each: impl FnMut(i64, Option<&[u8]>),
    ) -> Result<i64, DeltaError> {
        let bytes = lz4_flex::block::decompress_size_prepended(compressed)
            .map_err(DeltaError::Compression)?;
        let (from, records) = bytes
            .split_first_chunk::<8>()
            .ok_or(DeltaError::Truncated)?;
        let found = i64::from_le_bytes(*from);
        if found != expected {
            return Err(DeltaError::Gap { found, expected });
        }
        walk(records, found, each)
    }

    /// Calls `each` with offset and value of every record.
    pub(crate) fn for_each(&self, each: impl FnMut(i64, Option<&[u8]>)) {
        let walked = walk(&self.bytes[8..], self.from, each);
        debug_assert_eq!(
            walked.ok(),
            Some(self.next),
            "what was pushed can be walked"
        );
    }
}

fn walk(
    mut records: &[u8],
    from: i64,
    mut each: impl FnMut(i64, Option<&[u8]>),
) -> Result<i64, DeltaError> {
    let mut offset = from;
    while !records.is_empty() {
        let (tag, rest) = records
            .split_first_chunk::<4>()
            .ok_or(DeltaError::Truncated)?;
        let tag = u32::from_le_bytes(*tag) as usize;
        let length = tag.saturating_sub(1);
        if length > rest.len() || length > VALUE_BYTES_MAX {
            return Err(DeltaError::Truncated);
        }
        let (value, rest) = rest.split_at(length);
        each(offset, (tag > 0).then_some(value));
        records = rest;
        offset += 1;
    }
    Ok(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Record = (i64, Option<Vec<u8>>);

    fn replayed(compressed: &[u8], expected: i64) -> Result<Vec<Record>, DeltaError> {
        let mut records = Vec::new();
        let keep = |offset, value: Option<&[u8]>| records.push((offset, value.map(<[u8]>::to_vec)));
        Delta::replay(compressed, expected, keep)?;
        Ok(records)
    }

    #[test]
    fn records_come_back_with_their_offsets() {
        let mut delta = Delta::new(7);
        delta.push(Some(b"a"));
        delta.push(None);
        delta.push(Some(b""));
        let expected = vec![(7, Some(b"a".to_vec())), (8, None), (9, Some(Vec::new()))];
        assert_eq!(replayed(&delta.compressed(), 7).unwrap(), expected);
        assert_eq!(delta.from(), 7);
        assert_eq!(Delta::starts_at(&delta.compressed()), Some(7));
    }

    #[test]
    fn a_delta_that_does_not_follow_is_refused() {
        let delta = Delta::new(7);
        assert!(matches!(
            replayed(&delta.compressed(), 6),
            Err(DeltaError::Gap {
                found: 7,
                expected: 6
            })
        ));
    }

    #[test]
    fn a_cut_off_delta_is_refused() {
        let mut delta = Delta::new(0);
        delta.push(Some(b"abcdef"));
        let cut = lz4_flex::block::compress_prepend_size(&delta.bytes[..delta.bytes.len() - 1]);
        assert!(matches!(replayed(&cut, 0), Err(DeltaError::Truncated)));
        assert!(replayed(b"no lz4", 0).is_err());
    }
}
