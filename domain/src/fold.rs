//! The contract between a metric and the engine: a fold turns a partition's log into state, rows and live values.
//!
//! `S(n)`, the state after all records before offset `n`, is a pure function of those records. The engine (crate
//! `consumer`) owns delivery, fencing, checkpoints and crashes and knows nothing of what is counted; a fold knows what is
//! counted and nothing of Kafka, Postgres or Redis. A new metric is a new `Fold`, not a new loop.

use thiserror::Error;

use crate::canary::Canary;
use crate::live::LiveWrite;
use crate::rejection::Rejection;
use crate::time::Micros;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It changed the state.
    Applied,
    /// It was folded before; nothing changed.
    Duplicate,
    /// It is older than the watermark; it amends what was final at the next tick that is due ([`Fold::is_due`]).
    Late,
    /// It is older than what can still be amended; it is kept as a late event and changes no answer.
    TooLate,
    /// A kind of event that this fold does not count.
    Ignored,
    /// A gateway's own record, which no device sent: it moves the clock and counts nothing.
    Marker,
}

impl Outcome {
    /// Every outcome, for metrics.
    pub const ALL: [Self; 6] = [
        Self::Applied,
        Self::Duplicate,
        Self::Late,
        Self::TooLate,
        Self::Ignored,
        Self::Marker,
    ];

    /// The label in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Duplicate => "duplicate",
            Self::Late => "late",
            Self::TooLate => "too_late",
            Self::Ignored => "ignored",
            Self::Marker => "marker",
        }
    }
}

/// Rows for the ledger's database: absolute values by key, so that writing them twice is writing them once.
pub trait Rows: std::fmt::Debug + Default + Send + Sync + 'static {
    /// Which of them a fold has to see again.
    type Want: Clone + std::fmt::Debug + Send + 'static;
    /// What it is given then.
    type Past: std::fmt::Debug + Send + 'static;

    /// Takes in rows that were made later; the later value of a key wins.
    fn absorb(&mut self, newer: Self);

    /// How many rows there are.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A snapshot that cannot be read.
#[derive(Debug, Error)]
#[error("the snapshot of fold {fold} cannot be read: {detail}")]
pub struct RestoreError {
    /// The fold.
    pub fold: &'static str,
    /// What was wrong.
    pub detail: String,
}

/// A pure fold of one partition.
pub trait Fold: Sized + Send + 'static {
    /// Name, as in `footfall-{name}`, the consumer group.
    const NAME: &'static str;
    /// The topic it folds, without the deployment's prefix.
    const TOPIC: &'static str;
    /// Raised when the same log would give another state or other rows.
    const VERSION: i32;
    /// Whether the state is so small that every checkpoint stores it whole.
    const SMALL: bool = false;
    /// The parameters of its rules.
    type Config: Clone + std::fmt::Debug + Send + Sync + 'static;
    /// What a record of its topic says.
    type Record;
    /// The rows it makes.
    type Rows: Rows;

    /// Reads the value of a record.
    ///
    /// # Errors
    /// The rejection with which the engine puts the record into quarantine.
    fn decode(value: &[u8]) -> Result<Self::Record, Rejection>;

    /// When the gateway received the record, or wrote it by itself: how far the live view is behind. `None` when unknown.
    fn received_at(record: &Self::Record) -> Option<Micros>;

    /// The canary that the record carries and when it was written; the engine follows it, no fold counts it.
    fn canary(_record: &Self::Record) -> Option<(Canary, Micros)> {
        None
    }

    /// `S(0)`.
    fn new(config: &Self::Config) -> Self;

    /// Folds the record at `offset`. Offsets rise; the engine guarantees that each is folded exactly once.
    fn apply(&mut self, record: Self::Record, offset: i64) -> Outcome;

    /// Whether the fold has to see rows of its own past before `record` is applied. The engine then brings the ledger to the
    /// present offset, reads what [`Fold::wants`] names, and gives it to [`Fold::amend`]; only then it applies the record.
    /// What is seen is a function of the log like the state itself, so purity is kept.
    fn is_due(&self, _record: &Self::Record) -> bool {
        false
    }

    /// What is to be read when [`Fold::is_due`] says so.
    fn wants(&self) -> <Self::Rows as Rows>::Want;

    /// Takes in the past, on behalf of the record at `offset`, which is applied next. Gives what else is to be read; `None`
    /// when it is done: nothing is due then.
    fn amend(
        &mut self,
        past: <Self::Rows as Rows>::Past,
        record: &Self::Record,
        offset: i64,
    ) -> Option<<Self::Rows as Rows>::Want>;

    /// Gives up what waits for [`Fold::amend`], which panics on it: nothing is due any more. It changes no answer then; rows say
    /// what of it is kept. A fold whose [`Fold::is_due`] is ever true has to.
    fn give_up(&mut self) {}

    /// Rows that changed since the last call.
    fn drain_rows(&mut self) -> Self::Rows;

    /// Live values that changed since the last call; the slow ones ([`crate::live::LiveMap::Visits`]) only `with_visits`.
    fn drain_live(&mut self, with_visits: bool) -> Vec<LiveWrite>;

    /// Every live value, for a generation that starts empty; what [`Fold::drain_live`] had to give is contained.
    fn all_live(&mut self) -> Vec<LiveWrite>;

    /// The instant before which nothing changes any more: the least over the active devices; `None` before the first event.
    fn watermark(&self) -> Option<Micros>;

    /// The state as bytes. Taken right after [`Fold::drain_rows`], so that no row is pending in it.
    fn snapshot(&mut self) -> Vec<u8>;

    /// The state whose [`Fold::snapshot`] `bytes` is.
    ///
    /// # Errors
    /// When the bytes are not such a snapshot.
    fn restore(bytes: &[u8], config: &Self::Config) -> Result<Self, RestoreError>;
}
