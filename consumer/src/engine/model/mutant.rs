//! Broken variants of ourselves, and the check that has to catch each.

use std::fmt;

/// What is checked, by the names of `docs/reliability.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// Postgres's rows and quarantine are what one pass over the log up to the ledger's offset gives.
    I1,
    /// After a flush, Redis laid over Postgres is the state at the header's offset.
    I2,
    /// Kafka's commit is never ahead of the ledger.
    I3,
    /// Memory holds every row that changed since the ledger's offset.
    I5,
    /// Who lost a partition writes nothing of it.
    OneWriter,
    /// A late event has its row.
    LateKept,
    /// No partition stops for good.
    NoHand,
    /// Once everything is healed, ledger, rows, live view and commits are those of the whole log.
    EndResult,
    /// Once everything is final, the rows count each event once.
    CountedOnce,
}

impl fmt::Display for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::I1 => "I1",
            Self::I2 => "I2",
            Self::I3 => "I3",
            Self::I5 => "I5",
            Self::OneWriter => "one writer",
            Self::LateKept => "late event kept",
            Self::NoHand => "no hand needed",
            Self::EndResult => "end result",
            Self::CountedOnce => "each event counted once",
        })
    }
}

/// One broken variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    CommitBeforeCheckpoint,
    NoEpoch,
    EpochReused,
    NoOffset,
    RedisAhead,
    HeaderUnchecked,
    SequenceUnchecked,
    MapsUncounted,
    DedupeOutside,
    DedupeForgotten,
    NoDedupe,
    LateDropped,
    PastNotRead,
    TickByWallClock,
    PaneAdded,
    GapAccepted,
    RowsOutside,
    DeadLettersOutside,
    GoneBeforeRows,
    SilenceIsSaved,
    FencedGoesOn,
    LedgerNotAsked,
    LoadUnjudged,
    DeltaNotLogged,
    DirtyEvicted,
}

/// Every mutant, what it does, and who catches it while the counting fold is driven.
pub(super) const MUTANTS: [(Mutant, &str, Check); 25] = [
    (
        Mutant::CommitBeforeCheckpoint,
        "commit before checkpoint",
        Check::I3,
    ),
    (
        Mutant::NoEpoch,
        "no epoch in the compare-and-set",
        Check::OneWriter,
    ),
    (
        Mutant::EpochReused,
        "epochs of a restored database given out again",
        Check::EndResult,
    ),
    (
        Mutant::NoOffset,
        "no offset in the compare-and-set",
        Check::I1,
    ),
    (
        Mutant::RedisAhead,
        "Redis trusted with an offset ahead",
        Check::I1,
    ),
    (
        Mutant::HeaderUnchecked,
        "header not checked before a flush writes",
        Check::I2,
    ),
    (
        Mutant::SequenceUnchecked,
        "a header that went back is accepted",
        Check::I2,
    ),
    (
        Mutant::MapsUncounted,
        "an evicted map goes unnoticed",
        Check::I2,
    ),
    (Mutant::DedupeOutside, "dedupe outside the state", Check::I1),
    (
        Mutant::DedupeForgotten,
        "dedupe forgotten in snapshots",
        Check::I1,
    ),
    (Mutant::NoDedupe, "no dedupe", Check::CountedOnce),
    (Mutant::LateDropped, "late event dropped", Check::LateKept),
    (
        Mutant::PastNotRead,
        "late event folded without the rows of its past",
        Check::I1,
    ),
    (Mutant::TickByWallClock, "tick by wall clock", Check::I1),
    (
        Mutant::PaneAdded,
        "pane written twice on revision",
        Check::I1,
    ),
    (Mutant::GapAccepted, "gap accepted", Check::I1),
    (
        Mutant::RowsOutside,
        "rows outside of the compare-and-set",
        Check::I1,
    ),
    (
        Mutant::DeadLettersOutside,
        "dead letters outside of the statement",
        Check::I1,
    ),
    (
        Mutant::GoneBeforeRows,
        "gone from Redis before Postgres has the row",
        Check::I2,
    ),
    (
        Mutant::SilenceIsSaved,
        "no answer is taken for saved",
        Check::I3,
    ),
    (Mutant::FencedGoesOn, "who is fenced goes on", Check::I3),
    (
        Mutant::LedgerNotAsked,
        "ledger not asked before a generation is opened",
        Check::OneWriter,
    ),
    (
        Mutant::LoadUnjudged,
        "a state loaded while the ledger moved is accepted",
        Check::NoHand,
    ),
    (
        Mutant::DeltaNotLogged,
        "state not logged when there are no rows",
        Check::NoHand,
    ),
    (
        Mutant::DirtyEvicted,
        "changed rows evicted from memory",
        Check::I5,
    ),
];

/// Those that break a fold, and who catches them while the movement fold is driven.
pub(super) const MOVEMENT_MUTANTS: [(Mutant, &str, Check); 7] = [
    (Mutant::DedupeOutside, "dedupe outside the state", Check::I1),
    (
        Mutant::DedupeForgotten,
        "dedupe forgotten in snapshots",
        Check::CountedOnce,
    ),
    (Mutant::NoDedupe, "no dedupe", Check::CountedOnce),
    (Mutant::LateDropped, "late event dropped", Check::LateKept),
    (
        Mutant::PastNotRead,
        "late event folded without the rows of its past",
        Check::I1,
    ),
    (Mutant::TickByWallClock, "tick by wall clock", Check::I1),
    (
        Mutant::DirtyEvicted,
        "changed rows evicted from memory",
        Check::I5,
    ),
];
