//! What becomes of a record on which the fold panics: it is left out, and quarantined as poison.
//!
//! Quarantine says which of two things was left out, because whoever folds the log once more has to do the same.

use chassis::guard::guarded;
use domain::canary::Canary;
use domain::fold::Fold;
use domain::rejection::{Reason, Rejection};
use domain::time::Micros;

/// What the fold panicked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Poison {
    /// The record.
    Record,
    /// What waited for the record, because it came late. The fold gives it up, or every record that is due would be poison.
    Waiting,
}

/// How a letter says that it is [`Poison::Waiting`]. Letters are read again, so it stays as it is.
const WAITING: &str = "the fold panicked on late events that waited for this record: they change no answer; those with a \
                       position are kept as late events that were not amended";

impl Poison {
    /// Why a record is in quarantine.
    pub(crate) fn rejection(self) -> Rejection {
        let detail = match self {
            Self::Record => "the fold panicked on this record",
            Self::Waiting => WAITING,
        };
        Rejection::new(Reason::Poison, detail)
    }

    /// What a letter in quarantine as poison says.
    pub(crate) fn of_detail(detail: &str) -> Self {
        if detail == WAITING {
            Self::Waiting
        } else {
            Self::Record
        }
    }
}

/// The canary that poison carries, if it can be read: it arrived, so it is not missing.
pub(crate) fn canary_of<F: Fold>(value: &[u8]) -> Option<(Canary, Micros)> {
    guarded(|| F::canary(&F::decode(value).ok()?)).ok()?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_says_what_was_left_out() {
        for poison in [Poison::Record, Poison::Waiting] {
            assert_eq!(Poison::of_detail(&poison.rejection().detail), poison);
        }
    }
}
