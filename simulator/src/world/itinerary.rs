//! Where a person goes: the stops of a day on site, drawn so that the zones hold their shares of the people.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::exponential;
use crate::plan::{Habit, Plan, Scenario};
use crate::traveler::Traveler;

/// A stay in one zone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stop {
    /// Index of the zone.
    pub(super) zone: usize,
    /// How long, s; 0 is walking straight through.
    pub(super) stay_s: f64,
    /// Through which side the person comes.
    pub(super) from: Side,
    /// Through which side the person goes.
    pub(super) to: Side,
}

/// The two ends of a sensor's field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// x = 0: the street, or the door of a room.
    Near,
    /// x = width: the inside of the site.
    Far,
}

impl Stop {
    /// Straight through `zone` from its near side.
    pub(super) const fn through(zone: usize) -> Self {
        Self {
            zone,
            stay_s: 0.0,
            from: Side::Near,
            to: Side::Far,
        }
    }
}

/// Draws itineraries.
#[derive(Clone, Debug)]
pub(super) struct Itineraries {
    scenario: Scenario,
    habits: Vec<Habit>,
    /// How often each room is visited, in all; a zone with long stays is visited less often than its share.
    weights: Vec<f64>,
    /// How often each room is the first: people come for where most of them are, and take their coffee later.
    first: Vec<f64>,
    /// How often each room is a later one.
    later: Vec<f64>,
    shares: Vec<f64>,
    stay_s: f64,
}

/// The zone through which people come and go.
const ENTRANCE: usize = 0;

/// A person stays in this many rooms on average: one, and each time another one with [`ANOTHER`].
const ROOMS: f64 = 1.0 / (1.0 - ANOTHER);
const ANOTHER: f64 = 0.55;

/// Share of changes of room that lead through the entrance hall.
const VIA_ENTRANCE: f64 = 0.6;

/// Arrivals by bicycle ride through the entrance's field and are gone.
const BY_BICYCLE: f64 = 0.04;

/// Time for crossing a field, for the mean length of a stay, s.
const CROSSING_S: f64 = 10.0;

impl Itineraries {
    pub(super) fn new(scenario: Scenario, plan: &Plan) -> Self {
        let habits: Vec<Habit> = plan.zones.iter().map(|zone| zone.habit).collect();
        let weights = habits.iter().enumerate().map(|(zone, habit)| match zone {
            ENTRANCE => 0.0,
            _ => habit.share / habit.stay_s.max(1.0),
        });
        let weights = shares_of(weights);
        let first = shares_of(habits.iter().enumerate().map(|(zone, habit)| match zone {
            ENTRANCE => 0.0,
            _ => habit.share,
        }));
        // First and later visits together are as frequent as the weights say.
        let later = weights
            .iter()
            .zip(&first)
            .map(|(weight, first)| (weight * ROOMS - first).max(0.0));
        let mut itineraries = Self {
            scenario,
            later: later.collect(),
            first,
            weights,
            shares: habits.iter().map(|habit| habit.share).collect(),
            habits,
            stay_s: CROSSING_S,
        };
        if scenario == Scenario::Campus {
            itineraries.stay_s = itineraries.mean_stay_s();
        }
        itineraries
    }

    /// How long a person is on site on average, s.
    pub(super) const fn stay_s(&self) -> f64 {
        self.stay_s
    }

    fn mean_stay_s(&self) -> f64 {
        let hall = self.habits[ENTRANCE];
        let crossing = hall.stay_s * (1.0 - hall.pass_share) + CROSSING_S;
        let crossings = 2.0 + (ROOMS - 1.0) * VIA_ENTRANCE;
        let total: f64 = self.weights.iter().sum();
        let room: f64 = self
            .habits
            .iter()
            .zip(&self.weights)
            .map(|(habit, weight)| habit.stay_s * weight)
            .sum();
        let rooms = if total > 0.0 {
            ROOMS * room / total
        } else {
            0.0
        };
        rooms + crossings * crossing
    }

    /// Who comes in from the street and where they go: the stops, the first one last.
    pub(super) fn newcomer(&self, rng: &mut ChaCha8Rng) -> (Traveler, Vec<Stop>) {
        if self.scenario == Scenario::Crossing {
            return self.across_the_street(rng);
        }
        if rng.random_bool(BY_BICYCLE) {
            return (Traveler::Bicycle, vec![Stop::through(ENTRANCE)]);
        }
        let mut stops = self.rooms_and_out(rng);
        stops.push(self.hall(Side::Near, Side::Far, rng));
        (campus_traveler(rng), stops)
    }

    /// Who is on site in the middle of a stay, and where they go from there: the stops, the present one last.
    pub(super) fn insider(&self, rng: &mut ChaCha8Rng) -> (Traveler, Vec<Stop>) {
        if self.scenario == Scenario::Crossing {
            return self.across_the_street(rng);
        }
        let zone = pick(&self.shares, rng);
        let mut stops = if rng.random_bool(0.5) {
            vec![self.way_out(rng)]
        } else {
            self.rooms_and_out(rng)
        };
        let stay_s = self.habits[zone].stay_s * exponential(rng);
        stops.push(Stop {
            zone,
            stay_s,
            from: Side::Near,
            to: if zone == ENTRANCE {
                Side::Far
            } else {
                Side::Near
            },
        });
        (campus_traveler(rng), stops)
    }

    fn across_the_street(&self, rng: &mut ChaCha8Rng) -> (Traveler, Vec<Stop>) {
        let traveler = if rng.random_bool(0.12) {
            Traveler::Bicycle
        } else {
            Traveler::Person
        };
        let mut stop = Stop::through(ENTRANCE);
        if rng.random_bool(0.5) {
            (stop.from, stop.to) = (stop.to, stop.from);
        }
        (traveler, vec![stop])
    }

    /// Some rooms and the way out, in reverse.
    fn rooms_and_out(&self, rng: &mut ChaCha8Rng) -> Vec<Stop> {
        let mut stops = vec![self.way_out(rng)];
        if self.weights.iter().sum::<f64>() <= 0.0 {
            return stops;
        }
        while rng.random_bool(ANOTHER) {
            stops.push(self.room(&self.later, rng));
            if rng.random_bool(VIA_ENTRANCE) {
                stops.push(self.hall(Side::Far, Side::Far, rng));
            }
        }
        stops.push(self.room(&self.first, rng));
        stops
    }

    fn room(&self, weights: &[f64], rng: &mut ChaCha8Rng) -> Stop {
        let zone = pick(weights, rng);
        Stop {
            zone,
            stay_s: self.habits[zone].stay_s * around_one(rng),
            from: Side::Near,
            to: Side::Near,
        }
    }

    fn way_out(&self, rng: &mut ChaCha8Rng) -> Stop {
        self.hall(Side::Far, Side::Near, rng)
    }

    fn hall(&self, from: Side, to: Side, rng: &mut ChaCha8Rng) -> Stop {
        let habit = self.habits[ENTRANCE];
        let stay_s = if rng.random_bool(habit.pass_share) {
            0.0
        } else {
            habit.stay_s * around_one(rng)
        };
        Stop {
            zone: ENTRANCE,
            stay_s,
            from,
            to,
        }
    }
}

fn campus_traveler(rng: &mut ChaCha8Rng) -> Traveler {
    match rng.random_range(0..100) {
        0..78 => Traveler::Student,
        78..92 => Traveler::Staff,
        _ => Traveler::Visitor,
    }
}

/// Mean 1, seldom near 0 and seldom above 3: the mean of two exponentials.
fn around_one(rng: &mut ChaCha8Rng) -> f64 {
    f64::midpoint(exponential(rng), exponential(rng))
}

/// The same in proportion, with sum 1; all 0 when there is nothing.
fn shares_of(weights: impl Iterator<Item = f64>) -> Vec<f64> {
    let weights: Vec<f64> = weights.collect();
    let total: f64 = weights.iter().sum();
    weights
        .iter()
        .map(|weight| if total > 0.0 { weight / total } else { 0.0 })
        .collect()
}

/// An index, drawn by its weight.
fn pick(weights: &[f64], rng: &mut ChaCha8Rng) -> usize {
    let mut left = rng.random::<f64>() * weights.iter().sum::<f64>();
    for (index, &weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return index;
        }
    }
    // Rounding left a rest: the last one that can be chosen at all.
    weights
        .iter()
        .rposition(|&weight| weight > 0.0)
        .unwrap_or(0)
}
