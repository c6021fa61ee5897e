//! The vocabulary and the rules of Footfall: events, windows, folds.
//!
//! **Architecture invariant.** Nothing here does IO, reads a clock, draws a random number or waits. Time arrives inside
//! events; state changes only through [`fold::Fold::apply`]. So whatever this crate computes from a partition of the log
//! today, it computes again from the same log next year.

pub mod canary;
pub mod coverage;
pub mod dead_letter;
pub mod envelope;
pub mod event;
pub mod event_key;
pub mod fold;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod id;
pub mod live;
pub mod movement;
pub mod pane;
pub mod quantity;
pub mod rejection;
pub mod series;
pub mod sketch;
pub mod time;
pub mod topic;
mod varint;
