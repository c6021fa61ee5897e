//! What the network is like between the two ends of a proxy.

use std::time::Duration;

/// Which direction carries nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cut {
    /// Both flow.
    #[default]
    None,
    /// Nothing reaches the target; its answers to what it already has still come.
    ToTarget,
    /// The target hears everything and nobody hears the target.
    ToClient,
    /// A freeze: connections stay open and carry nothing.
    Both,
}

/// Towards whom bytes flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Towards {
    Target,
    Client,
}

/// The state of the network. The default is a good one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weather {
    /// How much later every chunk comes, each way.
    pub delay: Duration,
    /// The delay varies by as much as this, up and down, without chunks overtaking each other.
    pub jitter: Duration,
    /// Throughput of each direction of each connection; 0 is unlimited.
    pub bytes_per_second: u64,
    /// Probability that a chunk resets its connection instead of arriving.
    pub reset_probability: f64,
    /// Bytes are written in pieces of 1 to so many; 0 writes them as they came.
    pub slice_bytes_max: usize,
    /// Which direction carries nothing.
    pub cut: Cut,
    /// New connections are reset.
    pub refuses: bool,
}

impl Weather {
    pub(super) fn is_cut(&self, towards: Towards) -> bool {
        match self.cut {
            Cut::None => false,
            Cut::Both => true,
            Cut::ToTarget => towards == Towards::Target,
            Cut::ToClient => towards == Towards::Client,
        }
    }
}

/// What went through a proxy so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that reached the target.
    pub connections: u64,
    /// Connections that were refused on purpose.
    pub refused: u64,
    /// Connections that were reset on purpose.
    pub resets: u64,
    /// Bytes written to the target.
    pub bytes_to_target: u64,
    /// Bytes written to clients.
    pub bytes_to_client: u64,
}
