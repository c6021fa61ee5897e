//! What is on its way to a server.

use std::rc::Rc;

use super::postgres::Statement;
use super::redis::Look;
use crate::engine::job::Flush;

/// A request whose sender gave up, and which arrives all the same.
#[derive(Clone, Debug)]
pub(super) enum Sent {
    Statement(Vec<Statement>),
    Exec(Look, Vec<Shown>),
    Acquire(i32),
    Commit(i32, i64),
}

impl Sent {
    /// Whether it waits while Postgres is away.
    pub(super) fn is_for_postgres(&self) -> bool {
        matches!(self, Self::Statement(_) | Self::Acquire(_))
    }
}

/// A flush that is to be written, and who sent it.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) flush: Rc<Flush>,
    pub(super) holder: u64,
    /// How often Postgres had been restored when its owner acquired the partition.
    pub(super) restores: u64,
}
