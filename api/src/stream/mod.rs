//! The websocket: subscriptions to what REST answers, kept up to date by small changes.
//!
//! - `message`, `cursor`: what is said, and what a position means;
//! - `hub`: the feeds that are open, each shared by every socket that asks the same question;
//! - `overview_feed`, `series_feed`: one question, answered again when somebody asks for a newer answer;
//! - `patch`, `series_delta`: the difference of two answers;
//! - `view`: a feed and the version of it that a client has;
//! - `session`, `asked`, `outbound`: one socket, what is asked of it, and what is written to it.
//!
//! Nothing is queued for a socket. Each asks for the newest answer at its own rate and is sent the difference to what it
//! has, so a slow one gets fewer and larger changes, and costs no memory.

mod asked;
pub mod cursor;
mod feed;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod hub;
pub mod message;
mod outbound;
mod overview_feed;
pub mod patch;
pub mod series_delta;
mod series_feed;
pub mod session;
mod view;
