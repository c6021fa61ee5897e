//! How the rest of the gateway reaches a connection: one wake-up for everything, and flags that say why.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::budget::Budget;
use crate::close::Close;

/// Wakes a connection, or another task that waits for Kafka.
#[derive(Debug)]
pub(crate) struct Signal {
    notify: Notify,
    flags: AtomicU8,
    ended: CancellationToken,
    pub(crate) budget: Arc<Budget>,
}

/// Why a connection is woken, beside delivered records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flag {
    /// The gateway shuts down: read no more, acknowledge what is owed, leave.
    Shutdown = 1,
    /// Leave at once.
    Abort = 2,
    /// Another connection has the client id now.
    TakenOver = 4,
    /// Kafka refused a record for good.
    KafkaRefused = 8,
}

impl Signal {
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        Self {
            notify: Notify::new(),
            flags: AtomicU8::new(0),
            ended: CancellationToken::new(),
            budget,
        }
    }

    /// Wakes the task, now or as soon as it waits. Many wake-ups before it runs are one.
    pub(crate) fn wake(&self) {
        self.notify.notify_one();
    }

    /// Waits for a wake-up. Cancel safe: one that is not waited for stays for the next call.
    pub(crate) async fn woken(&self) {
        self.notify.notified().await;
    }

    /// Raises `flag`. Says whether it was not raised before.
    pub(crate) fn raise(&self, flag: Flag) -> bool {
        let before = self.flags.fetch_or(flag as u8, Ordering::AcqRel);
        self.wake();
        before & flag as u8 == 0
    }

    pub(crate) fn is_raised(&self, flag: Flag) -> bool {
        self.flags.load(Ordering::Acquire) & flag as u8 != 0
    }

    /// The reason to leave at once, if any.
    pub(crate) fn close(&self) -> Option<Close> {
        let flags = self.flags.load(Ordering::Acquire);
        [
            (Flag::Abort, Close::Abort),
            (Flag::TakenOver, Close::TakenOver),
            (Flag::KafkaRefused, Close::Kafka),
        ]
        .into_iter()
        .find_map(|(flag, close)| (flags & flag as u8 != 0).then_some(close))
    }

    /// The task has ended.
    pub(crate) fn end(&self) {
        self.ended.cancel();
    }

    /// Waits until the task has ended.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }
}
