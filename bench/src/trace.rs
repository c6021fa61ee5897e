//! The load: which traveler is seen by which sensor, where, at the i-th event. A pure function of i, so that the sender needs no
//! memory and the check afterwards knows what must have been counted.

use std::collections::HashSet;

use domain::time::{Micros, Span};

/// Shape of a load. As flags it is shared by the subcommands that lay a log into Kafka: each may
/// have defaults of its own.
#[derive(clap::Args, Clone, Copy, Debug, PartialEq)]
pub(crate) struct Trace {
    /// Events a second of event time
    #[arg(long, default_value_t = 20_000.0)]
    pub(crate) rate: f64,
    /// Travelers who are seen in turn
    #[arg(long, default_value_t = 20_000)]
    pub(crate) travelers: u32,
    /// Sensors that see them
    #[arg(long, default_value_t = 24)]
    pub(crate) sensors: u16,
}

/// One event of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Index of the sensor.
    pub(crate) sensor: u16,
    /// Place among the travelers.
    pub(crate) slot: u32,
    /// How many travelers stood in that place before.
    pub(crate) generation: u32,
    /// Whether it is the traveler's first event: a visit begins.
    pub(crate) is_first: bool,
    /// Position in mm.
    pub(crate) x_mm: u32,
    /// Position in mm.
    pub(crate) y_mm: u32,
}

/// Events in a traveler's life; then another one takes the place. One visit for thirty events is what makes rows.
const LIFE: u32 = 30;

/// Places begin their lives at different points, so that visits begin at an even rate.
const STAGGER: u32 = 7_919;

/// A traveler is seen at least this often, or the idle gap of 30 s would cut the visit.
const PAUSE_S_MAX: f64 = 25.0;

/// About a walking pace, m/s.
const PACE_M_S: f64 = 1.3;

impl Trace {
    /// Says what is wrong with a shape that the check could not follow.
    pub(crate) fn check(&self) -> Result<(), String> {
        let pause = f64::from(self.travelers) / self.rate;
        if self.travelers == 0 || self.sensors == 0 || !(0.1..=1e6).contains(&self.rate) {
            return Err(
                "expected at least one traveler, one sensor and a rate of 0.1 to 1000000"
                    .to_owned(),
            );
        }
        if pause > PAUSE_S_MAX {
            return Err(format!(
                "{} travelers at {} events/s are each seen every {pause:.0} s only, expected {PAUSE_S_MAX:.0} s at most: fewer travelers or a higher rate",
                self.travelers, self.rate
            ));
        }
        Ok(())
    }

    /// The `i`-th event.
    pub(crate) fn step(&self, i: u64) -> Step {
        let slot = u32::try_from(i % u64::from(self.travelers)).expect("a remainder of a u32");
        let round =
            u32::try_from(i / u64::from(self.travelers)).expect("a bench ends before 2^32 rounds");
        let turn = round + slot.wrapping_mul(STAGGER) % LIFE;
        let step = turn % LIFE;
        Step {
            sensor: u16::try_from(slot % u32::from(self.sensors)).expect("a remainder of a u16"),
            slot,
            generation: turn / LIFE,
            is_first: round == 0 || step == 0,
            x_mm: step * self.stride_mm(),
            y_mm: slot % 50 * 200,
        }
    }

    /// When the `i`-th event happens after the first.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "hours in µs are far below 2^53"
    )]
    pub(crate) fn offset(&self, i: u64) -> Span {
        Span((i as f64 * 1e6 / self.rate) as i64)
    }

    /// How many visits the first `events` events make.
    pub(crate) fn visits(&self, events: u64) -> u64 {
        let first = (0..events).filter(|&i| self.step(i).is_first).count();
        u64::try_from(first).expect("a usize fits")
    }

    /// How many travelers' visits are open after the first `events` events: seen within `idle_gap` of the last one.
    pub(crate) fn open(&self, events: u64, idle_gap: Span) -> usize {
        let Some(last) = events.checked_sub(1) else {
            return 0;
        };
        let ended = Span(self.offset(last).0 - idle_gap.0);
        let seen = (0..events).rev();
        let seen = seen.take_while(|&i| self.offset(i) >= ended);
        let lives = seen
            .map(|i| self.step(i))
            .map(|step| (step.slot, step.generation));
        lives.collect::<HashSet<_>>().len()
    }

    /// Steps as long as the pause between two of them allows, and short enough that a life stays within 100 m.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and 3,300"
    )]
    fn stride_mm(&self) -> u32 {
        (f64::from(self.travelers) / self.rate * PACE_M_S * 1e3).clamp(1.0, 3_300.0) as u32
    }
}

/// Names of one run, so that two runs against one stack stay apart.
#[derive(Clone, Debug)]
pub(crate) struct RunNames {
    run: String,
}

impl RunNames {
    /// Names of a run that begins at `now`: its second in six digits of base 36.
    pub(crate) fn new(now: Micros) -> Self {
        let mut left = now.0.div_euclid(1_000_000).unsigned_abs();
        let mut run = String::new();
        for _ in 0..6 {
            let digit = u32::try_from(left % 36).expect("a remainder of 36");
            run.insert(0, char::from_digit(digit, 36).expect("a digit of base 36"));
            left /= 36;
        }
        Self { run }
    }

    /// Six characters that all names of the run hold.
    pub(crate) fn run(&self) -> &str {
        &self.run
    }

    /// Id of a sensor of the load.
    pub(crate) fn sensor(&self, index: u16) -> String {
        format!("bench-{}-{index:02}", self.run)
    }

    /// Id of the sensor whose events are watched on the websocket.
    pub(crate) fn canary(&self, number: u32) -> String {
        format!("canary-{}-{number}", self.run)
    }

    /// A pattern for SQL's `like` that all sensors of the load match, and no canary.
    pub(crate) fn sensors_like(&self) -> String {
        format!("bench-{}-%", self.run)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const TRACE: Trace = Trace {
        travelers: 1_000,
        sensors: 7,
        rate: 500.0,
    };

    #[test]
    fn a_life_has_thirty_events_at_one_sensor_and_the_visits_are_counted() {
        let mut lives: HashMap<(u32, u32), Vec<Step>> = HashMap::new();
        let events = 100_000;
        for i in 0..events {
            let step = TRACE.step(i);
            lives
                .entry((step.slot, step.generation))
                .or_default()
                .push(step);
        }
        assert_eq!(u64::try_from(lives.len()).unwrap(), TRACE.visits(events));
        for steps in lives.values() {
            assert!(steps.len() <= 30);
            assert!(steps.iter().all(|step| step.sensor == steps[0].sensor));
            assert!(steps[0].is_first && steps[1..].iter().all(|step| !step.is_first));
            assert!(steps.is_sorted_by_key(|step| step.x_mm));
        }
        let full = lives.values().filter(|steps| steps.len() == 30).count();
        assert!(full > 2_000, "{full}");
    }

    #[test]
    fn visits_begin_at_an_even_rate_after_the_first_round() {
        let firsts: Vec<u64> = (1..20)
            .map(|round| TRACE.visits((round + 1) * 1_000) - TRACE.visits(round * 1_000))
            .collect();
        assert!(
            firsts.iter().all(|&firsts| (20..48).contains(&firsts)),
            "{firsts:?}"
        );
    }

    #[test]
    fn those_who_left_within_the_idle_gap_are_open_too() {
        let gap = Span::from_secs(30);
        assert_eq!(TRACE.open(0, gap), 0);
        assert_eq!(TRACE.open(400, gap), 400);
        assert_eq!(TRACE.open(1_000, gap), 1_000);
        // Sixteen looks at each place, two seconds apart: about half of the thirty change hands in between.
        let open = TRACE.open(50_000, gap);
        assert!((1_450..1_600).contains(&open), "{open}");
    }

    #[test]
    fn a_shape_whose_visits_would_break_is_refused() {
        assert_eq!(TRACE.check(), Ok(()));
        let sparse = Trace {
            rate: 10.0,
            ..TRACE
        };
        assert!(sparse.check().unwrap_err().contains("100 s"));
        assert!(
            Trace {
                travelers: 0,
                ..TRACE
            }
            .check()
            .is_err()
        );
    }

    #[test]
    fn time_follows_the_rate() {
        assert_eq!(TRACE.offset(500), Span::from_secs(1));
    }
}
