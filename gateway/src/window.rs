//! The publishes of a connection that Kafka has not confirmed, in the order in which they came.
//!
//! Partitions confirm in any order; MQTT wants acknowledgements in the order of receipt. So a publish is a [`Slot`] that
//! counts its records down, and only the done prefix of the queue is acknowledged. The connection is woken by the one
//! slot at the head: however many records a batch confirms, that is one wake-up and one write.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use tokio::time::Instant;

use crate::session::Acknowledgement;
use crate::signal::{Flag, Signal};

/// Set in [`Slot::state`] when somebody waits for this slot; the rest counts records.
const WATCHED: u32 = 1 << 31;

/// Counts the publishes of the process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// One publish: how many of its records Kafka has not confirmed.
///
/// It is the opaque value of each of those records, so librdkafka brings it back with every delivery report.
#[derive(Debug)]
pub(crate) struct Slot {
    state: AtomicU32,
    /// Of two publishes of one connection, the later has the higher one.
    number: u64,
    cost: u32,
    signal: Arc<Signal>,
}

impl Slot {
    /// A publish of `records` records for which `cost` was taken from the budget.
    pub(crate) fn new(records: usize, cost: u32, signal: Arc<Signal>) -> Self {
        let records = u32::try_from(records)
            .ok()
            .filter(|&records| records < WATCHED)
            .expect("a message of a quarter of a megabyte has fewer records than that");
        Self {
            state: AtomicU32::new(records),
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            cost,
            signal,
        }
    }

    /// Where the publish stands among all others.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// Kafka has one more of its records.
    pub(crate) fn delivered(&self) {
        if self.state.fetch_sub(1, Ordering::AcqRel) == WATCHED | 1 {
            self.signal.wake();
        }
    }

    /// Kafka refused one of its records for good: it is never acknowledged, and its connection ends. Says whether this
    /// was the connection's first.
    pub(crate) fn refused(&self) -> bool {
        self.signal.raise(Flag::KafkaRefused)
    }

    /// Whether Kafka has all of its records; if not, the task is woken when it does.
    pub(crate) fn is_done_or_watched(&self) -> bool {
        self.is_done() || self.state.fetch_or(WATCHED, Ordering::AcqRel) & !WATCHED == 0
    }

    /// Whether Kafka has all of its records.
    pub(crate) fn is_done(&self) -> bool {
        self.state.load(Ordering::Acquire) & !WATCHED == 0
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.signal.budget.give_back(self.cost);
    }
}

/// A publish whose turn it is to be acknowledged.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) acknowledgement: Acknowledgement,
    pub(crate) received: Instant,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Window {
    entries: VecDeque<Entry>,
}

#[derive(Debug)]
struct Entry {
    /// `None` for a publish that gave no record.
    slot: Option<Arc<Slot>>,
    done: Done,
}

impl Window {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn push(
        &mut self,
        slot: Option<Arc<Slot>>,
        acknowledgement: Acknowledgement,
        received: Instant,
    ) {
        self.entries.push_back(Entry {
            slot,
            done: Done {
                acknowledgement,
                received,
            },
        });
    }

    /// The next publish to acknowledge. After `None`, and unless the window is empty, a wake-up follows as soon as there
    /// is one.
    pub(crate) fn pop_done(&mut self) -> Option<Done> {
        let head = self.entries.front()?;
        if head
            .slot
            .as_ref()
            .is_some_and(|slot| !slot.is_done_or_watched())
        {
            return None;
        }
        self.entries.pop_front().map(|entry| entry.done)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::budget::Budget;
    use crate::packet::Outcome;

    fn signal() -> Arc<Signal> {
        Arc::new(Signal::new(Arc::new(Budget::new(1000))))
    }

    fn puback(pkid: u16) -> Acknowledgement {
        Acknowledgement::PubAck {
            pkid,
            outcome: Outcome::Accepted,
        }
    }

    fn popped(window: &mut Window) -> Vec<Acknowledgement> {
        std::iter::from_fn(|| window.pop_done())
            .map(|done| done.acknowledgement)
            .collect()
    }

    async fn is_woken(signal: &Signal) -> bool {
        tokio::time::timeout(Duration::from_millis(1), signal.woken())
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn only_the_done_prefix_is_acknowledged_and_only_the_head_wakes() {
        let signal = signal();
        let mut window = Window::default();
        let slots: Vec<_> = (0..3)
            .map(|_| Arc::new(Slot::new(1, 0, Arc::clone(&signal))))
            .collect();
        for (pkid, slot) in (1..).zip(&slots) {
            window.push(Some(Arc::clone(slot)), puback(pkid), Instant::now());
        }
        assert_eq!(popped(&mut window), []);
        slots[2].delivered();
        slots[1].delivered();
        assert!(!is_woken(&signal).await, "the head is not done");
        slots[0].delivered();
        assert!(is_woken(&signal).await);
        assert_eq!(popped(&mut window), [puback(1), puback(2), puback(3)]);
        assert!(window.is_empty());
    }

    #[tokio::test]
    async fn a_publish_is_done_with_the_last_of_its_records() {
        let signal = signal();
        assert!(signal.budget.try_take(100));
        let slot = Arc::new(Slot::new(2, 100, Arc::clone(&signal)));
        let mut window = Window::default();
        window.push(Some(Arc::clone(&slot)), puback(1), Instant::now());
        window.push(None, puback(2), Instant::now());
        slot.delivered();
        assert_eq!(popped(&mut window), []);
        slot.delivered();
        assert_eq!(popped(&mut window), [puback(1), puback(2)]);
        assert!(!signal.budget.try_take(1000));
        drop(slot);
        assert!(signal.budget.try_take(1000), "its memory is free again");
    }

    proptest! {
        /// Whatever the order of delivery: acknowledgements come in the order of receipt, none early, none missing.
        #[test]
        fn acknowledgements_keep_the_order_of_receipt(
            records in prop::collection::vec(0_usize..4, 1..40),
            order in any::<prop::sample::Index>(),
        ) {
            let signal = signal();
            let mut window = Window::default();
            let mut pending = Vec::new();
            let mut owed: Vec<usize> = records.clone();
            for (index, &count) in records.iter().enumerate() {
                let slot = (count > 0).then(|| Arc::new(Slot::new(count, 0, Arc::clone(&signal))));
                pending.extend((0..count).map(|_| (index, Arc::clone(slot.as_ref().unwrap()))));
                window.push(slot, puback(u16::try_from(index + 1).unwrap()), Instant::now());
            }
            let mut acknowledged = popped(&mut window);
            while !pending.is_empty() {
                let (index, slot) = pending.swap_remove(order.index(pending.len()));
                slot.delivered();
                owed[index] -= 1;
                acknowledged.extend(popped(&mut window));
                let done_prefix = owed.iter().take_while(|&&owed| owed == 0).count();
                prop_assert_eq!(acknowledged.len(), done_prefix);
            }
            let expected: Vec<_> = (1..=u16::try_from(records.len()).unwrap()).map(puback).collect();
            prop_assert_eq!(acknowledged, expected);
        }
    }
}
