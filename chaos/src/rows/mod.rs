//! The faults, grouped by what they hurt. Each is a function over a [`crate::scene::Scene`] and a line in its file's table.

pub mod consumer;
pub mod contention;
mod detour;
pub mod disk;
pub mod elastic;
pub mod gateway;
pub mod kafka;
pub mod network;
pub mod reader;
pub mod record;
pub mod soak;
pub mod storage;
pub mod topic;
pub mod upgrade;
