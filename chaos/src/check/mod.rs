//! The checkers, one file each: pure functions of what was observed, so that each can be shown a lie and must notice it.
//!
//! They are named as in the list of invariants. A checker gives a [`Finding`] or nothing; what it counted on the way goes into
//! the report.

pub mod bound;
pub mod canary;
pub mod conserve;
pub mod hand;
pub mod heal;
pub mod late;
pub mod loss;
pub mod offset;
pub mod order;
pub mod progress;
pub mod refuse;
pub mod replay;
pub mod slope;
pub mod stand;

use serde::{Deserialize, Serialize};

/// An invariant that is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Checker {
    /// No acknowledged loss: each event ends as exactly one of stored, duplicate, dead letter.
    D1,
    /// Effect once: rows and answers equal a replay by brute force.
    D2,
    /// Order: per device, offsets follow its sequence.
    D3,
    /// What is committed to Kafka never leads the ledger, and follows it.
    D4,
    /// Refuse, don't lie: no PUBACK while Kafka is away, and never one with an error of ours.
    D5,
    /// Healed within the row's bound, without a hand.
    L1,
    /// Memory, descriptors and threads stay bounded.
    L2,
    /// No process ends by itself, and nothing panics.
    S1,
    /// What Kafka has is what the ledger accounts for.
    Conservation,
    /// No number of a gateway's sequence is missing.
    Canary,
}

/// A promise that was seen broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which.
    pub checker: Checker,
    /// How.
    pub sentence: String,
}

impl Finding {
    /// A promise that was seen broken.
    #[must_use]
    pub fn new(checker: Checker, sentence: impl Into<String>) -> Self {
        Self {
            checker,
            sentence: sentence.into(),
        }
    }
}
