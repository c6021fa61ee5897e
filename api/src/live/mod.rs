//! The live view: what the owners of partitions keep in Redis, held in memory as well.
//!
//! - `partition`: the copy of one partition, and which announcements apply to it;
//! - `mirror`: the copies of all partitions, and what readers ask of them;
//! - `redis_read`: how a partition is read as one consistent state;
//! - `follower`: the task that subscribes, reads, compares and heals;
//! - `visit`: open visits, which are read when somebody asks.

mod follower;
mod mirror;
mod partition;
mod redis_read;
mod visit;

pub use follower::Follower;
pub use mirror::{Mirror, MirrorStatus};
pub use partition::{LivePane, Who};
pub use visit::{OpenVisit, VisitReader};
