//! The memory for records that Kafka has not confirmed: one bound for the whole gateway.
//!
//! While Kafka is away this fills, and then connections stop reading; nothing is dropped and nothing grows.

use tokio::sync::Semaphore;

/// What a record costs beside its key and value, in bytes: librdkafka's message and headers, and our own bookkeeping.
pub(crate) const RECORD_OVERHEAD_BYTES: usize = 512;

/// See the module.
#[derive(Debug)]
pub(crate) struct Budget {
    free: Semaphore,
    bytes_max: u32,
}

impl Budget {
    pub(crate) fn new(bytes_max: u32) -> Self {
        Self {
            free: Semaphore::new(bytes_max as usize),
            bytes_max,
        }
    }

    /// What records of `bytes` cost. One message larger than everything there is takes everything there is.
    pub(crate) fn cost(&self, bytes: usize) -> u32 {
        u32::try_from(bytes).unwrap_or(u32::MAX).min(self.bytes_max)
    }

    /// Takes `cost`, if there is so much left.
    pub(crate) fn try_take(&self, cost: u32) -> bool {
        match self.free.try_acquire_many(cost) {
            Ok(permit) => {
                permit.forget();
                true
            }
            Err(_) => false,
        }
    }

    /// Takes `cost` as soon as there is so much left. Cancel safe: a caller that goes away takes nothing.
    pub(crate) async fn take(&self, cost: u32) {
        self.free
            .acquire_many(cost)
            .await
            .expect("the semaphore is never closed")
            .forget();
    }

    pub(crate) fn give_back(&self, cost: u32) {
        self.free.add_permits(cost as usize);
    }

    /// Share in use, 0 to 1.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a share needs no more than the digits of an f64"
    )]
    pub(crate) fn used_ratio(&self) -> f64 {
        1.0 - self.free.available_permits() as f64 / f64::from(self.bytes_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_missing_until_it_is_given_back() {
        let budget = Budget::new(1000);
        assert!(budget.try_take(700));
        assert!(!budget.try_take(400));
        assert!((budget.used_ratio() - 0.7).abs() < 1e-9);
        budget.give_back(700);
        assert!(budget.try_take(budget.cost(usize::MAX)));
        assert!((budget.used_ratio() - 1.0).abs() < 1e-9);
    }
}
