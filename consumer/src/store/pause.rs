//! How long to wait before a store is tried again, and how often that is said.

use std::fmt;
use std::time::Duration;

use tracing::warn;

const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// Pauses that double up to two seconds.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    tries: u32,
}

impl Pause {
    /// Says what failed (the first time, and then at every tenth try) and waits.
    pub(crate) async fn wait(&mut self, error: &(impl fmt::Display + Sync), doing: &str) {
        if self.tries.is_multiple_of(10) {
            warn!(store.doing = doing, store.tries = self.tries, error = %error, "{doing}: {error}; trying again");
        }
        tokio::time::sleep(SHORTEST.saturating_mul(1 << self.tries.min(6)).min(LONGEST)).await;
        self.tries += 1;
    }
}
