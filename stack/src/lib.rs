//! Real Kafka, Postgres and Redis on this machine, for `make demo` and for tests.
//!
//! [`Stack::start`] brings the three servers up as child processes in one folder, on loopback, and returns when each is
//! *usable*: Kafka answers a metadata request, Postgres a `select 1`, Redis a `PING`. Data stays in the folder, so a later
//! start finds it again. What runs on top of the servers (roles, topics' content, tables) is left to others.
//!
//! Three rules hold for every child, and each has a test:
//!
//! - it sits in a process group of its own, so that a Ctrl-C in the terminal reaches us and not it;
//! - it is told to end by the kernel when we are killed ([`process`]), and what still survives is found by the next start
//!   through its pid file and ended, but only if pid *and* time of birth agree ([`identity`]);
//! - it is stopped with its own signal for an orderly stop, and with SIGKILL only after a deadline.

pub mod config;
pub mod error;
pub mod folder;
pub mod identity;
mod kafka;
pub mod launch;
pub mod leftover;
mod mock;
mod nursery;
pub mod port;
mod postgres;
pub mod process;
mod program;
mod quiet;
mod redis_server;
pub mod scratch;
pub mod server;
pub mod shared;
mod stack;
pub mod topic;

pub use config::{Durability, KafkaSource, Source, StackConfig};
pub use error::StackError;
pub use folder::Folder;
pub use identity::Identity;
pub use launch::Launch;
pub use postgres::data_outside;
pub use process::Process;
pub use program::Account;
pub use quiet::Quiet;
pub use rustix::process::Signal;
pub use scratch::Scratch;
pub use server::Server;
pub use stack::Stack;
pub use topic::Topic;
