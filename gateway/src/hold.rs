//! A publish that has to wait: for memory, or for room in librdkafka. Nothing is taken in behind it.

use std::time::Duration;

use tokio::time::sleep;

use crate::intake::Taken;
use crate::producer::Batch;
use crate::session::Acknowledgement;
use crate::signal::Signal;

/// How soon librdkafka is asked again after it had no room.
pub(crate) const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(1);

/// See the module.
#[derive(Debug)]
pub(crate) enum Hold {
    Nothing,
    /// For memory.
    Budget(Box<Pending>),
    /// For room in librdkafka's queue.
    Queue(Box<Batch>),
}

/// A publish whose records have not been handed to Kafka.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) taken: Taken,
    /// What it takes from the budget.
    pub(crate) cost: u32,
    pub(crate) acknowledgement: Acknowledgement,
    pub(crate) traceparent: Option<String>,
}

impl Hold {
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    /// Waits until it is worth a try. Cancel safe. When memory was waited for, it is taken.
    pub(crate) async fn over(&self, signal: &Signal) {
        match self {
            Self::Nothing => {}
            Self::Budget(pending) => signal.budget.take(pending.cost).await,
            Self::Queue(_) => sleep(QUEUE_FULL_PAUSE).await,
        }
    }
}
