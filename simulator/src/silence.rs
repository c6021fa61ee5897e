//! When a sensor falls silent: it sees nobody and sends nothing, as if its plug had been pulled.

use domain::time::{Micros, Span};

/// How long after the start a sensor that falls silent does so first.
const FIRST_AFTER: Span = Span::from_secs(5 * 60);
/// How long it stays silent. Longer than five heartbeats, so that it counts as offline for most of the time.
const LASTS: Span = Span::from_secs(6 * 60);
/// From the beginning of one silence to that of the next.
const EVERY: Span = Span::from_secs(35 * 60);

/// Whether a sensor that falls silent now and then is silent at `at`, in a run that began at `start`.
pub(crate) fn is_silent(at: Micros, start: Micros) -> bool {
    let since = (at - start).0 - FIRST_AFTER.0;
    since >= 0 && since % EVERY.0 < LASTS.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sensor_is_silent_for_six_of_thirty_five_minutes() {
        let minute = |n: i64| Micros(n * 60_000_000);
        let silent: Vec<i64> = (0..50)
            .filter(|&n| is_silent(minute(1_000 + n), minute(1_000)))
            .collect();
        assert_eq!(silent, [5, 6, 7, 8, 9, 10, 40, 41, 42, 43, 44, 45]);
    }
}
