//! The state of the movement fold as bytes, and back. Taken right after the rows were drained.
//!
//! `form` says what the bytes are made of, `write` makes them, `read` makes a state of them again and believes nothing.

mod form;
mod read;
mod write;

pub(super) use read::read;
pub(super) use write::write;
