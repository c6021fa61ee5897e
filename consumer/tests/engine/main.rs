//! The engine on real servers: what Postgres and Redis hold is what one pass over the log gives, every record is accounted for, and
//! what nobody survives by waiting stops and says why.
//!
//! - `corner`: tables, topics and a log; `running`: a consumer; `crowd`: what it has to do; `replay`: one pass over the log;
//! - the other modules are the tests, by subject.

#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "helpers of tests: small numbers, and a panic is the report"
)]

mod corner;
mod crowd;
mod live;
mod origin;
mod replay;
mod rows;
mod running;
mod standing;
