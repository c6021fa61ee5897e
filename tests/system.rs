//! The whole system on real servers: `footfall up` as a child process, the simulator as the fleet, and the simulator's true
//! answer against what REST, Postgres and the websocket say.
//!
//! Each test starts a system of its own, and two run at a time.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is the report"
)]

#[path = "system/answers.rs"]
mod answers;
#[path = "system/clients.rs"]
mod clients;
#[path = "system/harness.rs"]
mod harness;
#[path = "system/scenarios.rs"]
mod scenarios;
