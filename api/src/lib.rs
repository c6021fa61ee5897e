//! The HTTP and websocket interface: answers any window of what the consumer keeps, now and in history.
//!
//! The path of a question:
//!
//! 1. [`server`] takes the request through the layers of [`request`] to a file of [`routes`];
//! 2. [`params`] turns its words into checked values, or into a [`problem`] that names the one that is wrong;
//! 3. [`catalog`] knows what is where, [`live`] what is open, [`store`] what has settled; [`series`], [`overview`] and
//!    [`visits`] put them together, never counting a pane or a visit twice;
//! 4. [`stream`] answers the same questions again and again over a websocket, and sends what is different.
//!
//! **Architecture invariant.** Nothing here writes to a store, and no answer depends on which instance gives it: what an
//! instance keeps in memory is a copy of the stores and is found again after a restart.

pub mod app;
pub mod catalog;
pub mod config;
pub mod csv;
pub mod live;
mod metrics;
pub mod openapi;
pub mod overview;
pub mod params;
pub mod problem;
mod refusal;
pub mod request;
mod role;
#[expect(
    unused_qualifications,
    reason = "the macro that describes an operation writes full paths"
)]
pub mod routes;
pub mod sensors;
pub mod series;
pub mod server;
pub mod stamp;
pub mod store;
pub mod stream;
pub mod visits;

pub use config::Config;
pub use role::{Role, run};
