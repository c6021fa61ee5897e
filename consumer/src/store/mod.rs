//! The two stores of a consumer: the ledger's database and the live view.

pub(crate) mod canary;
pub(crate) mod checkpoint;
pub(crate) mod ledger;
pub(crate) mod live;
pub mod origin;
pub(crate) mod partitions;
pub(crate) mod past;
pub(crate) mod pause;
pub(crate) mod pg_time;
pub(crate) mod report;
