//! The engine: exactly-once effects for any fold.
//!
//! - `partition`, `witness`, `poison`, `shown`, `job`, `delta`, `saving`, `work`, `conservation`, `stop`: every decision, without a client;
//! - `owner`, `slot`: the partitions of one worker, taken over and handed back; `rebuild`: made again after a panic;
//!   `amend`: shown rows of their own past;
//! - `duties`: flushes and checkpoints under way;
//! - `member`, `rebalance`: one OS thread = one Kafka consumer = one member of the group;
//! - `coordinator`: whether Kafka answers for the group;
//! - `standing`: what the ledger is told about partitions, stopped ones above all; `watch`: what a member counts and reports.
//!
//! **Architecture invariant.** Nothing in here knows what is counted; nothing outside of `store` speaks SQL or Redis.

mod amend;
pub(crate) mod conservation;
mod coordinator;
pub(crate) mod delta;
pub(crate) mod duties;
pub(crate) mod job;
pub(crate) mod member;
mod orders;
mod origin;
pub(crate) mod owner;
pub(crate) mod partition;
pub(crate) mod poison;
mod rebalance;
mod rebuild;
pub(crate) mod saving;
mod shown;
mod slot;
pub(crate) mod standing;
pub(crate) mod stop;
pub(crate) mod watch;
pub(crate) mod witness;
pub(crate) mod work;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
