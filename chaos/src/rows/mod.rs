//! The faults, grouped by what they hurt. Each is a function over a [`crate::scene::Scene`] and a line in its file's table.

pub mod consumer;
pub mod elastic;
pub mod gateway;
pub mod kafka;
pub mod record;
pub mod soak;
pub mod storage;
