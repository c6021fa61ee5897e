//! `/series`: any metric over any range, window and step.
//!
//! - `question`: what is asked, checked;
//! - `reading`: the panes and the uptime that answer it, from Postgres and the live view, never a pane twice;
//! - `hours`: hours of panes that are final, kept in memory;
//! - `answer`: the columns made of them;
//! - `body`, `metric`: what is sent.

pub mod answer;
pub mod body;
pub mod hours;
pub mod metric;
pub mod question;
pub mod reading;
