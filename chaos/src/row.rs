//! The fault table as data: what is done, what must hold, and within which bounds. What the faults do is in [`crate::rows`].

use std::time::Duration;

use futures_util::future::LocalBoxFuture;

use crate::check::bound::Limits;
use crate::rows;
use crate::scene::Scene;

/// What a fault does to a scene. It leaves the system repaired: what it took away it gives back.
pub type Inject = for<'s, 'a> fn(&'s mut Scene<'a>) -> LocalBoxFuture<'s, anyhow::Result<()>>;

/// A row of the fault table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its number, or its name.
    pub id: &'static str,
    /// What is done to the system.
    pub fault: &'static str,
    /// What must hold besides D1 to D5, L1, L2 and S1.
    pub promise: &'static str,
    /// Events a second meanwhile.
    pub rate: f64,
    /// How many more come behind their sensor's watermark, in percent of these.
    pub late_percent: f64,
    /// The longest that it may take.
    pub longest: Duration,
    /// Within which the system must have worked off everything after the fault.
    pub heal: Duration,
    /// What a role may use.
    pub limits: Limits,
    /// Whether `make test` runs it, shortened.
    pub in_subset: bool,
    /// Does it.
    pub inject: Inject,
}

/// The load that most rows run under, events a second.
pub const BASE_RATE: f64 = 1_500.0;
/// How many late events a row has that has any, in percent of the load.
const LATE_PERCENT: f64 = 0.5;

impl Row {
    /// A row with the usual bounds.
    #[must_use]
    pub const fn usual(
        id: &'static str,
        fault: &'static str,
        promise: &'static str,
        inject: Inject,
    ) -> Self {
        Self {
            id,
            fault,
            promise,
            rate: BASE_RATE,
            late_percent: 0.0,
            longest: Duration::from_secs(120),
            heal: Duration::from_secs(30),
            limits: Limits::USUAL,
            in_subset: false,
            inject,
        }
    }

    /// The same row with a few late events beside the others, which amend what is final.
    #[must_use]
    pub const fn with_late_events(self) -> Self {
        Self {
            late_percent: LATE_PERCENT,
            ..self
        }
    }

    /// The same row, run by `make test` too.
    #[must_use]
    pub const fn in_subset(self) -> Self {
        Self {
            in_subset: true,
            ..self
        }
    }
}

/// Every row that can be run, in the order of the fault table.
#[must_use]
pub fn all() -> Vec<Row> {
    let mut rows = [
        rows::gateway::ROWS,
        rows::consumer::ROWS,
        rows::kafka::ROWS,
        rows::storage::ROWS,
        rows::record::ROWS,
        rows::disk::ROWS,
        rows::network::ROWS,
        rows::contention::ROWS,
        rows::topic::ROWS,
        rows::reader::ROWS,
        rows::upgrade::ROWS,
        rows::soak::ROWS,
        rows::elastic::ROWS,
    ]
    .concat();
    // Numbers in their order, then names as they stand above.
    rows.sort_by_key(|row| row.id.parse::<u32>().unwrap_or(u32::MAX));
    rows
}

/// The row with that number or name.
#[must_use]
pub fn find(id: &str) -> Option<Row> {
    all().into_iter().find(|row| row.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_order_and_none_twice() {
        let ids: Vec<&str> = all().iter().map(|row| row.id).collect();
        let mut unique = ids.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), ids.len());
        let numbers: Vec<u32> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        assert!(numbers.is_sorted() && numbers.len() > 10, "{ids:?}");
    }
}
