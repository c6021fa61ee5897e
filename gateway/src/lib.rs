//! MQTT in → Kafka out.
//!
//! Devices connect to the gateway itself (MQTT 3.1.1 and 5). The way of a publish: `listener` accepts the connection and
//! reads its CONNECT; `connection` reads bytes, which `input` and `codec` turn into packets; `session` decides what
//! the protocol wants; `intake` routes and decodes the message into records; `producer` hands them to Kafka; their
//! delivery reports count a slot of the connection's `window` down, and when all publishes before it are done too, the
//! PUBACK is written.
//!
//! **Architecture invariant.** A PUBACK is written only after Kafka confirmed every record of the publish, dead letters
//! included, and in the order of receipt. While Kafka is away nothing is acknowledged, nothing is refused, nothing is
//! dropped, and memory stays within the budget: the socket is simply not read. Nothing is kept here across restarts.

mod budget;
mod close;
mod codec;
pub mod config;
mod connection;
mod delivery;
mod encode;
mod farewell;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod gateway;
mod hold;
mod housekeeping;
mod input;
mod intake;
mod listener;
pub mod metrics;
#[cfg(test)]
mod model;
mod packet;
mod patience;
mod producer;
pub mod redecode;
mod registry;
pub mod route;
mod session;
mod shared;
mod signal;
mod ticker;
mod window;

pub use config::Config;
pub use gateway::{Gateway, run};
