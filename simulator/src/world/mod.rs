//! People on a plan: they come, walk, rest, change zones and go. Gives what the sensors see, in time order, without end.

mod itinerary;
mod person;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use domain::time::{Micros, Span};
use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::demand::Demand;
use crate::plan::{Plan, Scenario};
use crate::traveler::Traveler;
use itinerary::{Itineraries, Stop};
use person::{Next, Person};

/// A sensor saw somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// When.
    pub at: Micros,
    /// Index of the sensor in [`Plan::sensors`].
    pub sensor: u16,
    /// Number of the person, from 0 in order of arrival.
    pub number: u32,
    /// What kind of person.
    pub traveler: Traveler,
    /// Place in the sensor's plane, mm.
    pub x_mm: i32,
    /// Place in the sensor's plane, mm.
    pub y_mm: i32,
}

/// Whether people are there from the first moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// As many as [`Demand`] says are already there, each somewhere in the middle of their stay.
    Full,
    /// Nobody is there yet; the place fills within some forty minutes.
    Empty,
}

/// What a [`World`] is made of.
#[derive(Clone, Debug)]
pub struct WorldConfig {
    /// What people do.
    pub scenario: Scenario,
    /// Where.
    pub plan: Plan,
    /// How many.
    pub demand: Demand,
    /// Whether they are there at the start.
    pub opening: Opening,
    /// Where all chance comes from.
    pub seed: u64,
    /// The first instant.
    pub start: Micros,
}

/// People on a plan; iterate for what the sensors see.
#[derive(Debug)]
pub struct World {
    plan: Plan,
    demand: Demand,
    itineraries: Itineraries,
    rng: ChaCha8Rng,
    people: Vec<Option<Person>>,
    free: Vec<usize>,
    inside: u32,
    arrived: u32,
    wakes: BinaryHeap<Reverse<(Micros, u64, Wake)>>,
    order: u64,
    again: Option<Sighting>,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wake {
    Person(usize),
    Arrival,
    LookAgain,
}

/// How fast the number of people follows the demand, s.
const FOLLOW_S: f64 = 720.0;

/// The demand is looked at this often, s. Arrivals are memoryless, so that looking again changes nothing.
const LOOK_S: f64 = 1.0;

/// Share of sightings that a sensor reports twice, at the same instant and a hand's breadth apart.
const TWICE: f64 = 0.002;

impl World {
    /// A world at its first instant.
    #[must_use]
    pub fn new(config: WorldConfig) -> Self {
        let mut world = Self {
            itineraries: Itineraries::new(config.scenario, &config.plan),
            plan: config.plan,
            demand: config.demand,
            rng: ChaCha8Rng::seed_from_u64(config.seed),
            people: Vec::new(),
            free: Vec::new(),
            inside: 0,
            arrived: 0,
            wakes: BinaryHeap::new(),
            order: 0,
            again: None,
        };
        if config.opening == Opening::Full {
            world.fill(config.start);
        }
        world.wake_at(config.start, Wake::LookAgain);
        world
    }

    /// People on site now, those on their way between two zones included.
    #[must_use]
    pub const fn inside(&self) -> u32 {
        self.inside
    }

    /// The plan it happens on.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Puts the wanted number of people in the middle of their stays.
    fn fill(&mut self, start: Micros) {
        let mut wanted = self.demand.people_at(start);
        while wanted >= 1.0 {
            wanted -= 1.0;
            let (traveler, stops) = self.itineraries.insider(&mut self.rng);
            let stop = stops.last().copied().unwrap_or(Stop::through(0));
            let mut person = Person::new(self.arrived, traveler, stops, &mut self.rng);
            let first = person.settle(stop, start, &self.plan, &mut self.rng);
            self.admit(person, first);
        }
    }

    fn admit(&mut self, person: Person, first: Micros) {
        self.inside += 1;
        self.arrived += 1;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.people.push(None);
            self.people.len() - 1
        });
        self.people[slot] = Some(person);
        self.wake_at(first, Wake::Person(slot));
    }

    fn wake_at(&mut self, at: Micros, wake: Wake) {
        self.order += 1;
        self.wakes.push(Reverse((at, self.order, wake)));
    }

    fn arrive(&mut self, now: Micros) {
        let (traveler, stops) = self.itineraries.newcomer(&mut self.rng);
        let person = Person::new(self.arrived, traveler, stops, &mut self.rng);
        self.admit(person, now);
    }

    /// Draws when the next person arrives, or looks at the demand again before that.
    fn expect_arrival(&mut self, now: Micros) {
        let people = self.demand.people_at(now);
        let leaving = people / self.itineraries.stay_s();
        let missing = (people - f64::from(self.inside)) / FOLLOW_S.min(self.itineraries.stay_s());
        let rate = (leaving + missing).max(1e-9);
        let gap = exponential(&mut self.rng) / rate;
        if gap < LOOK_S {
            self.wake_at(now + seconds(gap), Wake::Arrival);
        } else {
            self.wake_at(now + seconds(LOOK_S), Wake::LookAgain);
        }
    }

    fn step(&mut self, slot: usize, now: Micros) -> Option<Sighting> {
        let person = self.people[slot].as_mut()?;
        match person.step(now, &self.plan, &mut self.rng) {
            Next::Seen(sighting, next) => {
                if self.rng.random_bool(TWICE) {
                    let x_mm = sighting.x_mm + self.rng.random_range(-90..=90);
                    self.again = Some(Sighting { x_mm, ..sighting });
                }
                self.wake_at(next, Wake::Person(slot));
                Some(sighting)
            }
            Next::Gone => {
                self.people[slot] = None;
                self.free.push(slot);
                self.inside -= 1;
                None
            }
        }
    }
}

impl Iterator for World {
    type Item = Sighting;

    /// The next sighting. There always is one: arrivals never end.
    fn next(&mut self) -> Option<Sighting> {
        if let Some(again) = self.again.take() {
            return Some(again);
        }
        loop {
            let Reverse((now, _, wake)) = self.wakes.pop()?;
            match wake {
                Wake::Person(slot) => {
                    if let Some(sighting) = self.step(slot, now) {
                        return Some(sighting);
                    }
                }
                Wake::Arrival => {
                    self.arrive(now);
                    self.expect_arrival(now);
                }
                Wake::LookAgain => self.expect_arrival(now),
            }
        }
    }
}

/// `seconds` as a span, rounded to microseconds and not negative.
#[expect(
    clippy::cast_possible_truncation,
    reason = "lengths of stays are far below 2^53 µs; `as` saturates"
)]
fn seconds(seconds: f64) -> Span {
    Span((seconds.max(0.0) * 1e6).round() as i64)
}

/// Exponentially distributed with mean 1.
fn exponential(rng: &mut ChaCha8Rng) -> f64 {
    let uniform: f64 = rng.random();
    -(1.0 - uniform).ln()
}

#[cfg(test)]
mod tests;
