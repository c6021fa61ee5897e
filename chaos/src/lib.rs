//! The chaos suite: a real system, real faults, and checkers that hold it against the load's ledger and the log in Kafka.
//!
//! ```text
//! site      servers and roles as children of ours: killed, frozen, restarted
//! load      devices that publish open loop, with a line in the ledger before each PUBLISH and after each PUBACK
//! ledger    that file
//! log       what Kafka has, read by a plain consumer
//! writer    records that we write to it ourselves
//! store     what Postgres, Redis and the api say
//! watch     how far partitions come and what processes use, looked at all the time
//! check     the checkers D1 to D5, L1, L2, S1
//! audit     the product's own audit, as a second witness
//! fault     the tools that break things
//! proxy     a TCP proxy with weather
//! rows      the faults, by their number in the fault table
//! row       the table of them
//! scene     what a fault may touch
//! run       one repetition of a row: load, fault, drain
//! judge     what is checked after it
//! marks     what the roles log meanwhile
//! suite     rows one after the other on one site
//! report    results as JSON lines, and the fault table made from them
//! ```

pub mod audit;
pub mod check;
pub mod fault;
mod judge;
pub mod ledger;
pub mod load;
pub mod log;
mod marks;
pub mod proxy;
pub mod report;
pub mod row;
pub mod rows;
pub mod run;
pub mod scene;
pub mod site;
pub mod store;
pub mod suite;
pub mod watch;
pub mod writer;
