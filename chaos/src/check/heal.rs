//! L1: it heals by itself, and what takes time takes no longer than the row allows.

use std::time::Duration;

use super::{Checker, Finding};

/// How a site came back.
pub type Healed = Result<Duration, anyhow::Error>;

/// Whether something took longer than it may.
#[must_use]
pub fn bound(what: &str, took: Duration, within: Duration) -> Option<Finding> {
    (took > within).then(|| {
        let (took, within) = (took.as_secs_f64(), within.as_secs_f64());
        let sentence = format!("{what} took {took:.1} s, at most {within:.1} s are allowed");
        Finding::new(Checker::L1, sentence)
    })
}

/// Whether a site did not come back by itself within its time: all roles ready, everything of the log in the ledger.
#[must_use]
pub fn check(healed: &Healed, within: Duration) -> Option<Finding> {
    match healed {
        Ok(took) => bound("healing", *took, within),
        Err(error) => Some(Finding::new(Checker::L1, format!("not healed: {error:#}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_long_or_never_heals_is_noticed() {
        let within = Duration::from_secs(10);
        assert_eq!(check(&Ok(within), within), None);
        let late = check(&Ok(within + Duration::from_millis(100)), within).unwrap();
        assert_eq!(late.checker, Checker::L1);
        assert_eq!(
            late.sentence,
            "healing took 10.1 s, at most 10.0 s are allowed"
        );
        let never = check(
            &Err(anyhow::anyhow!("7 records are not in the ledger")),
            within,
        )
        .unwrap();
        assert_eq!(never.checker, Checker::L1);
        assert!(never.sentence.ends_with("7 records are not in the ledger"));
        assert!(bound("takeover", within * 2, within).is_some());
    }
}
