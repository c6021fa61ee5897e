//! What all connections share.

use std::sync::Arc;
use std::time::Duration;

use chassis::clock::Clock;

use crate::budget::Budget;
use crate::intake::Intake;
use crate::metrics::Metrics;
use crate::producer::Producer;
use crate::registry::Registry;
use crate::session::Limits;

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
    pub(crate) intake: Intake,
    pub(crate) producer: Producer,
    pub(crate) budget: Arc<Budget>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) metrics: Arc<Metrics>,
}

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// Until its CONNECT.
    pub(crate) connect: Duration,
    /// From the first to the last byte of a packet.
    pub(crate) packet: Duration,
}
