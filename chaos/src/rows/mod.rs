//! The faults, grouped by what they hurt. Each is a function over a [`crate::scene::Scene`] and a line in its file's table.

pub mod gateway;
pub mod kafka;
