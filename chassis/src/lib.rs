//! What every process of Footfall shares: the clock, telemetry, health, shutdown and the settings of Kafka clients.
//!
//! **Architecture invariant.** Nothing here knows what is counted. A role takes its collaborators from here as values
//! and passes them on; the only global is the metrics recorder, because the `metrics` crate has one.

pub mod address;
pub mod admin;
pub mod clock;
pub mod config;
pub mod guard;
pub mod kafka;
pub mod lifeline;
pub mod port;
pub mod shutdown;
pub mod telemetry;
pub mod url;
