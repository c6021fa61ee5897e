//! Stands in for Kafka: records lie here until the fuzzer confirms or refuses them, in any order.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use domain::dead_letter::DeadLetter;
use domain::rejection::Reason;

use super::wire::serial_in;
use crate::producer::{Batch, Record, SendError, Stream};
use crate::window::Slot;

/// See the module.
#[derive(Debug)]
pub(crate) struct Tray {
    records: Mutex<Vec<Lying>>,
    room: AtomicUsize,
}

/// A record that Kafka has not confirmed.
#[derive(Debug)]
pub(crate) struct Lying {
    pub(crate) slot: Arc<Slot>,
    /// The publish that it came from.
    pub(crate) serial: u16,
}

impl Tray {
    pub(crate) fn new() -> Self {
        Self {
            records: Mutex::default(),
            room: AtomicUsize::new(usize::MAX),
        }
    }

    /// At most so many records may lie here.
    pub(crate) fn set_room(&self, room: usize) {
        self.room.store(room, Ordering::Relaxed);
    }

    pub(crate) fn has_room(&self) -> bool {
        self.lock().len() < self.room.load(Ordering::Relaxed)
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    pub(crate) fn take_out(&self, index: usize) -> Lying {
        self.lock().swap_remove(index)
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// Takes the records of `batch`, as [`crate::producer::Producer::send`] does.
    pub(crate) fn take(&self, batch: &mut Batch) -> Result<(), SendError> {
        while let Some(record) = batch.reversed.last() {
            if !self.has_room() {
                return Err(SendError::QueueFull);
            }
            assert!(!is_poison(record), "a decoder panicked");
            let serial = serial_in(&record.value).expect("every payload carries its serial");
            self.lock().push(Lying {
                slot: Arc::clone(&batch.slot),
                serial,
            });
            batch.reversed.pop();
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Lying>> {
        self.records.lock().expect("no holder of this lock panics")
    }
}

/// Whether its decoder panicked on the message: nobody else would notice, because the gateway lives on.
fn is_poison(record: &Record) -> bool {
    record.stream == Stream::DeadLetters
        && DeadLetter::from_bytes(&record.value)
            .is_ok_and(|letter| letter.reason == Reason::Poison.as_str())
}
