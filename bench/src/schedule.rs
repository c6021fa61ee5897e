//! When which message is due: the load and the canaries, merged.

use std::time::Duration;

use crate::canary::Canaries;
use crate::frame::Fill;
use crate::trace::Trace;

/// A message that is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    /// After the start.
    pub(crate) due: Duration,
    /// Whether it is a canary or part of the load.
    pub(crate) is_canary: bool,
    /// Index among the canaries' or the load's sensors.
    pub(crate) sensor: usize,
    /// What it says; the packet id is for the connection to choose.
    pub(crate) fill: Fill,
}

/// Walks through both schedules in the order of their due times.
#[derive(Debug)]
pub(crate) struct Schedule {
    trace: Trace,
    canaries: Option<Canaries>,
    end: Duration,
    /// How many events of the load were given out.
    pub(crate) events: u64,
    /// How many canaries were given out.
    pub(crate) sent_canaries: u64,
}

impl Schedule {
    /// Everything that is due before `end`.
    pub(crate) const fn new(trace: Trace, canaries: Option<Canaries>, end: Duration) -> Self {
        Self {
            trace,
            canaries,
            end,
            events: 0,
            sent_canaries: 0,
        }
    }

    /// How many canaries a schedule of that length has.
    pub(crate) fn canaries_before(canaries: &Canaries, end: Duration) -> u64 {
        (0..)
            .take_while(|&index| canaries.due(index) < end)
            .count()
            .try_into()
            .expect("a usize fits")
    }

    /// The next message that is due by `now`.
    pub(crate) fn next_by(&mut self, now: Duration) -> Option<Turn> {
        let (event_due, canary_due) = (self.event_due(), self.canary_due());
        let due = event_due.min(canary_due);
        if due > now || due >= self.end {
            return None;
        }
        Some(if canary_due < event_due {
            self.canary(due)
        } else {
            self.event(due)
        })
    }

    /// Whether everything was given out.
    pub(crate) fn is_done(&self) -> bool {
        self.event_due().min(self.canary_due()) >= self.end
    }

    fn event_due(&self) -> Duration {
        Duration::from_micros(self.trace.offset(self.events).0.unsigned_abs())
    }

    fn canary_due(&self) -> Duration {
        self.canaries
            .as_ref()
            .map_or(Duration::MAX, |canaries| canaries.due(self.sent_canaries))
    }

    fn event(&mut self, due: Duration) -> Turn {
        let number = self.events;
        self.events += 1;
        let step = self.trace.step(number);
        Turn {
            due,
            is_canary: false,
            sensor: usize::from(step.sensor),
            fill: Fill {
                packet_id: 0,
                event: number,
                slot: step.slot,
                generation: step.generation,
                x_mm: step.x_mm,
                y_mm: step.y_mm,
            },
        }
    }

    fn canary(&mut self, due: Duration) -> Turn {
        let number = self.sent_canaries;
        self.sent_canaries += 1;
        Turn {
            due,
            is_canary: true,
            sensor: self
                .canaries
                .as_ref()
                .map_or(0, |canaries| canaries.sensor(number)),
            fill: canary(number),
        }
    }
}

/// A canary: a traveler who is seen once.
pub(crate) fn canary(number: u64) -> Fill {
    Fill {
        packet_id: 0,
        event: CANARIES_FROM + number,
        slot: u32::try_from(number).expect("a run has fewer than 2^32 canaries"),
        generation: 0,
        x_mm: 0,
        y_mm: 0,
    }
}

/// Canaries and the load count their events apart.
const CANARIES_FROM: u64 = 9_000_000_000;

#[cfg(test)]
mod tests {
    use domain::time::Micros;

    use super::*;
    use crate::trace::RunNames;

    #[test]
    fn load_and_canaries_come_in_the_order_of_their_due_times_and_never_early() {
        let trace = Trace {
            travelers: 10,
            sensors: 3,
            rate: 100.0,
        };
        let canaries = Canaries::new(&RunNames::new(Micros(0)), 2, 7.0);
        let end = Duration::from_secs(2);
        let expected = Schedule::canaries_before(&canaries, end);
        let mut schedule = Schedule::new(trace, Some(canaries), end);
        assert!(
            schedule
                .next_by(Duration::ZERO)
                .is_some_and(|turn| turn.due.is_zero())
        );
        let mut last = Duration::ZERO;
        for now in (0..=2_500).map(Duration::from_millis) {
            while let Some(turn) = schedule.next_by(now) {
                assert!(turn.due >= last && turn.due <= now, "{turn:?} at {now:?}");
                last = turn.due;
            }
        }
        assert!(schedule.is_done());
        assert_eq!((schedule.events, schedule.sent_canaries), (200, expected));
        assert_eq!(expected, 14);
    }
}
