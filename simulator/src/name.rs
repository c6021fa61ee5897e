//! Names of travelers and events: short, and different for every run, so that two runs against one stack stay apart.

use domain::time::Micros;

use crate::world::Sighting;

/// Makes the names of one run.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    /// Six digits of the second in which the run starts and two of the seed.
    run: String,
}

const RUN_SECOND_DIGITS: usize = 6;
const RUN_SEED_DIGITS: usize = 2;
const TRAVELER_DIGITS: usize = 5;
/// Together with the run and a dash an event id has sixteen bytes, so that ids are ordered as the events were made and the
/// product, which keeps sixteen bytes of an id, orders ties in the same way.
const EVENT_DIGITS: usize = 7;

impl Names {
    /// Names of the run that starts at `start` with `seed`.
    #[must_use]
    pub(crate) fn new(start: Micros, seed: u64) -> Self {
        let second = start.0.div_euclid(1_000_000).unsigned_abs();
        let mut run = String::new();
        push_base36(&mut run, second, RUN_SECOND_DIGITS);
        push_base36(&mut run, seed, RUN_SEED_DIGITS);
        Self { run }
    }

    /// The `traveler_id` of the person who was seen.
    #[must_use]
    pub(crate) fn traveler(&self, sighting: &Sighting) -> String {
        let mut name = format!("{}.", self.run);
        push_base36(&mut name, u64::from(sighting.number), TRAVELER_DIGITS);
        name
    }

    /// The `event_id` of the event with that number.
    #[must_use]
    pub(crate) fn event(&self, number: u64) -> String {
        let mut name = format!("{}-", self.run);
        push_base36(&mut name, number, EVENT_DIGITS);
        name
    }

    /// What all names of the run begin with.
    #[must_use]
    pub(crate) fn run(&self) -> &str {
        &self.run
    }
}

/// Appends the last `digits` digits of `value` in base 36.
fn push_base36(text: &mut String, value: u64, digits: usize) {
    let mut left = value;
    let at = text.len();
    for _ in 0..digits {
        let digit = u32::try_from(left % 36).expect("a remainder of 36 fits");
        text.insert(at, char::from_digit(digit, 36).expect("a digit of base 36"));
        left /= 36;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_ids_have_sixteen_bytes_and_rise() {
        let names = Names::new(Micros(1_763_724_000_000_000), 42);
        assert_eq!(names.run(), "t62q5c16");
        assert_eq!(names.event(35), "t62q5c16-000000z");
        assert_eq!(names.event(36), "t62q5c16-0000010");
        assert_eq!(names.event(0).len(), 16);
        assert!(names.event(35) < names.event(36));
    }
}
