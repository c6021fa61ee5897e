//! A publish that has to wait: for memory, or for room in librdkafka. Nothing is taken in behind it.

use std::time::Duration;

use tokio::time::sleep;

use crate::packet::Publish;
use crate::producer::Batch;
use crate::signal::Signal;

/// How soon librdkafka is asked again after it had no room.
pub(crate) const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(1);

/// See the module.
#[derive(Debug)]
pub(crate) enum Hold {
    Nothing,
    /// For memory.
    Budget(Box<Waiting>),
    /// For room in librdkafka's queue.
    Queue(Box<Batch>),
}

/// A publish that waits for memory, as the device sent it: its records can take a hundred times as much, which is just what
/// there is no room for. They are made again when it is its turn.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) publish: Publish,
    /// What its records take from the budget.
    pub(crate) cost: u32,
}

impl Hold {
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    /// Waits until it is worth a try. Cancel safe. When memory was waited for, it is taken.
    pub(crate) async fn over(&self, signal: &Signal) {
        match self {
            Self::Nothing => {}
            Self::Budget(waiting) => signal.budget.take(waiting.cost).await,
            Self::Queue(_) => sleep(QUEUE_FULL_PAUSE).await,
        }
    }
}
