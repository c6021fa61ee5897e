//! Whether Kafka's log still is the one that was folded: the ledger has a mark of the last record, and a new owner reads that
//! record once more before the first new one.
//!
//! An offset alone does not tell. A broker that lost records which it had confirmed, or a topic that was made anew, soon has
//! others at the same offsets, and going on after them would leave them out.

use domain::dead_letter::PAYLOAD_BYTES_MAX;
use xxhash_rust::xxh3::xxh3_64;

use super::stop::{LogRange, Stop, StopReason};

/// What a record is known by: XXH3 of its value, which names device, event and time; of as much as quarantine keeps.
pub(crate) fn mark(value: &[u8]) -> i64 {
    xxh3_64(&value[..value.len().min(PAYLOAD_BYTES_MAX)]).cast_signed()
}

/// What the record before the ledger's offset must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Witness {
    /// The offset after it.
    next: i64,
    mark: i64,
}

impl Witness {
    pub(crate) fn new(next: i64, mark: i64) -> Self {
        Self { next, mark }
    }

    /// The offset to read first, unless retention has taken that record.
    pub(crate) fn position(self, log: Option<LogRange>) -> i64 {
        let is_gone = log.is_some_and(|log| log.begin >= self.next);
        if is_gone { self.next } else { self.next - 1 }
    }

    /// Whether it is the record at `offset` that is asked for.
    pub(crate) fn is_of(self, offset: i64) -> bool {
        offset == self.next - 1
    }

    /// Whether that is the record that was folded.
    pub(crate) fn knows(self, value: &[u8]) -> bool {
        mark(value) == self.mark
    }
}

impl Stop {
    /// Another record stands before `next` than the one that was folded.
    pub(crate) fn of_witness(topic: &str, partition: i32, next: i64) -> Self {
        Self {
            reason: StopReason::LogChanged,
            why: format!(
                "the record before offset {next} is not the one that was folded: the topic was made anew, or Kafka lost records that it had \
                 confirmed and has others in their place. Bring that log back; or delete the rows of topic '{topic}' in ledger and state_log \
                 to fold this one from its beginning; or go on at {next} and leave out what stands before it: update ledger set \
                 marked_offset = null, epoch = epoch + 1 where topic = '{topic}' and partition = {partition}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_before_the_offset_is_read_unless_it_is_gone() {
        let witness = Witness::new(100, mark(b"last"));
        assert_eq!(witness.position(None), 99);
        let log = |begin| Some(LogRange { begin, end: 200 });
        assert_eq!(witness.position(log(99)), 99);
        assert_eq!(witness.position(log(100)), 100);
    }

    #[test]
    fn another_record_in_its_place_is_told_from_it() {
        let witness = Witness::new(100, mark(b"last"));
        assert!(witness.is_of(99) && !witness.is_of(98) && !witness.is_of(100));
        assert!(witness.knows(b"last") && !witness.knows(b"lost"));
    }
}
