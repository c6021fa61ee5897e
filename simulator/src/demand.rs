//! How many people want to be on site at an instant.

use clap::ValueEnum;
use domain::time::{Micros, Span};
use jiff::tz::TimeZone;

/// How the number of people follows the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Every hour is a busy one, with a wave when lectures change: something to see at any time of day
    #[default]
    Busy,
    /// Fills in the morning and empties in the evening of the site's day
    Daily,
}

/// People wanted on site over time.
#[derive(Clone, Debug)]
pub struct Demand {
    /// How it follows the clock.
    pub profile: Profile,
    /// People at a usual busy moment.
    pub people: f64,
    /// The site's zone, for [`Profile::Daily`].
    pub tz: TimeZone,
}

/// Share of the busy number at each full hour of the day; linear in between.
const DAY: [f64; 24] = [
    0.02, 0.01, 0.01, 0.01, 0.01, 0.02, 0.05, 0.18, 0.45, 0.80, 0.95, 1.00, 0.97, 0.98, 1.00, 0.93,
    0.80, 0.60, 0.42, 0.32, 0.24, 0.15, 0.08, 0.04,
];

/// A wave of coming and going lifts the number by this share when lectures change.
const WAVE: f64 = 0.12;
const HOUR: Span = Span::from_secs(3_600);

impl Demand {
    /// How many people want to be on site at `at`.
    #[must_use]
    pub fn people_at(&self, at: Micros) -> f64 {
        self.people * self.day_share(at) * (1.0 + WAVE * wave(at))
    }

    fn day_share(&self, at: Micros) -> f64 {
        match (self.profile, at.to_timestamp()) {
            (Profile::Daily, Some(instant)) => {
                let local = instant.to_zoned(self.tz.clone());
                let (hour, minute) = (local.hour(), local.minute());
                let from = usize::try_from(hour).unwrap_or(0) % DAY.len();
                let part = (f64::from(minute) + f64::from(local.second()) / 60.0) / 60.0;
                DAY[from] * (1.0 - part) + DAY[(from + 1) % DAY.len()] * part
            }
            (Profile::Busy | Profile::Daily, _) => 1.0,
        }
    }
}

/// −1 to 1 over an hour, highest when lectures change at the full hour.
fn wave(at: Micros) -> f64 {
    let part = (at - at.floor(HOUR)).as_secs_f64() / HOUR.as_secs_f64();
    (part * std::f64::consts::TAU).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Micros {
        Micros::from_timestamp(text.parse().unwrap())
    }

    #[test]
    fn a_day_fills_in_the_morning_of_the_sites_zone() {
        let demand = Demand {
            profile: Profile::Daily,
            people: 1_000.0,
            tz: TimeZone::fixed(jiff::tz::offset(2)),
        };
        let night = demand.people_at(at("2026-05-04T01:30:00Z"));
        let noon = demand.people_at(at("2026-05-04T09:30:00Z"));
        assert!(night < 20.0, "03:30 local: {night}");
        assert!((800.0..1_100.0).contains(&noon), "11:30 local: {noon}");
    }

    #[test]
    fn a_busy_profile_is_busy_at_any_time_and_highest_when_lectures_change() {
        let demand = Demand {
            profile: Profile::Busy,
            people: 100.0,
            tz: TimeZone::UTC,
        };
        let change = demand.people_at(at("2026-05-04T03:00:00Z"));
        let between = demand.people_at(at("2026-05-04T03:30:00Z"));
        assert!((change - 112.0).abs() < 1e-9 && (between - 88.0).abs() < 1e-9);
    }
}
