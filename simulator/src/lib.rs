//! A seeded fleet of people and devices, and the true answer to compare with.
//!
//! ```text
//! plan      what is where: zones, sensors, what people do there
//! world     people walking between zones: sightings in time order
//! fleet     what the sensors publish: heartbeats, late, repeated, swapped and broken messages
//! run       the fleet over MQTT, one connection a sensor, until everything is acknowledged
//! truth     visits and panes by brute force, for comparison; shares no code with the product's fold
//! ```
//!
//! [`fleet::Fleet`] is an iterator and needs neither network nor clock, so tests use it without MQTT. The same seed and
//! start give the same messages, byte for byte.

pub mod config;
pub mod demand;
pub mod disturb;
pub mod fleet;
mod link;
pub mod message;
mod name;
mod pace;
mod payload;
pub mod plan;
mod progress;
pub mod report;
pub mod run;
mod silence;
pub mod traveler;
pub mod truth;
pub mod world;

pub use config::Config;
pub use run::run;
