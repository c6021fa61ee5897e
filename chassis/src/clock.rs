//! The one place where the wall clock is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use domain::time::Micros;
use jiff::Timestamp;

/// Where `now` comes from.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// A clock that stands until it is set, for tests. Microseconds since 1970.
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn fixed(now: Micros) -> Self {
        Self::Fixed(Arc::new(AtomicI64::new(now.0)))
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Micros {
        match self {
            Self::System => system_now(),
            Self::Fixed(micros) => Micros(micros.load(Ordering::Relaxed)),
        }
    }

    /// Sets a fixed clock; the system's clock cannot be set.
    pub fn set(&self, now: Micros) {
        if let Self::Fixed(micros) = self {
            micros.store(now.0, Ordering::Relaxed);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one home of the wall clock"
)]
fn system_now() -> Micros {
    Micros::from_timestamp(Timestamp::now())
}
