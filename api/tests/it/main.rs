//! The API against real Postgres and Redis, filled by the real fold.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test may panic like the test itself"
)]

mod exits;
mod healing;
mod lists;
mod owner;
mod pipeline;
mod refusals;
mod resources;
mod revised;
mod series;
mod silence;
mod socket;
mod strays;
mod stream;
mod visits;
mod world;
