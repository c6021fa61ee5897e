//! D5: while Kafka cannot be reached nothing is acknowledged, and never is an outage of ours told to a device as an error.

use std::ops::Range;

use super::{Checker, Finding};
use crate::ledger::Ledger;

/// A PUBACK inside of `silent`, µs since 1970, if there is any.
#[must_use]
pub fn check_silence(ledger: &Ledger, silent: &Range<i64>) -> Option<Finding> {
    let inside = ledger.acks.iter().filter(|at| silent.contains(at));
    let count = inside.count();
    (count > 0).then(|| {
        let sentence = format!("{count} PUBACKs came while Kafka could not be reached");
        Finding::new(Checker::D5, sentence)
    })
}

/// PUBACKs that carried an error of ours.
#[must_use]
pub fn check_errors(errors: u64) -> Option<Finding> {
    (errors > 0).then(|| {
        let sentence =
            format!("{errors} PUBACKs carried an error: a client drops the message then");
        Finding::new(Checker::D5, sentence)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_during_the_outage_is_found() {
        let ledger = Ledger {
            acks: vec![5, 20],
            ..Ledger::default()
        };
        assert_eq!(check_silence(&ledger, &(6..20)), None);
        assert!(check_silence(&ledger, &(6..21)).is_some());
        assert_eq!(check_errors(0), None);
        assert!(check_errors(1).is_some());
    }
}
