//! When a message may be sent.

use domain::time::{Micros, Span};

/// Maps a fleet's own time to the wall clock.
///
/// Nothing is ever sent before it happens, so no event time lies in the future. Without a time-lapse, what lies in the
/// past is sent at once; with one, the fleet's time runs that many times as fast until it has caught up with now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pace {
    start: Micros,
    wall_start: Micros,
    speed: Option<f64>,
}

impl Pace {
    pub(crate) const fn new(start: Micros, wall_start: Micros, speed: Option<f64>) -> Self {
        Self {
            start,
            wall_start,
            speed,
        }
    }

    /// The wall-clock instant at which a message of `send_at` is due.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "runs are far shorter than 2^53 µs"
    )]
    pub(crate) fn due(&self, send_at: Micros) -> Micros {
        match self.speed {
            None => send_at,
            Some(speed) => {
                let since = (send_at - self.start).0 as f64 / speed;
                send_at.max(self.wall_start + Span(since as i64))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_sent_at_once_or_in_time_lapse_and_the_future_when_it_comes() {
        let minute = |n: i64| Micros(n * 60_000_000);
        let at_once = Pace::new(minute(0), minute(60), None);
        assert!(at_once.due(minute(59)) <= minute(60));
        assert_eq!(at_once.due(minute(61)), minute(61));
        let lapse = Pace::new(minute(0), minute(60), Some(60.0));
        assert_eq!(lapse.due(minute(30)), Micros(minute(60).0 + 30_000_000));
        // Half a second of the hour's time-lapse before it catches up, and after.
        assert_eq!(
            lapse.due(minute(70)),
            Micros(minute(61).0 + 10_000_000).max(minute(70))
        );
        let slow = Pace::new(minute(0), minute(0), Some(0.5));
        assert_eq!(slow.due(minute(1)), minute(2));
    }
}
