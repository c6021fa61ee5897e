//! One person in the field of a sensor: walking to a spot, resting there, walking on, leaving.

use domain::time::{Micros, Span};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::itinerary::{Side, Stop};
use super::{Sighting, seconds};
use crate::plan::{Plan, Sensor};
use crate::traveler::Traveler;

/// Somebody on site.
#[derive(Clone, Debug)]
pub(super) struct Person {
    number: u32,
    traveler: Traveler,
    /// Usual speed, m/s.
    pace_m_s: f64,
    /// Where they still go, the next one last.
    stops: Vec<Stop>,
    stop: Stop,
    sensor: u16,
    leave_at: Micros,
    /// Metres in the sensor's plane.
    place: (f64, f64),
    moved_at: Micros,
    doing: Doing,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Doing {
    /// Between two fields, seen by nobody; then into the next one.
    Away,
    /// To a spot.
    Walking { to: (f64, f64) },
    /// To the side through which they leave.
    Leaving { to: (f64, f64) },
    /// At a spot.
    Resting { until: Micros },
}

/// What a turn of a person brings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Next {
    /// Seen, and when the next turn is.
    Seen(Sighting, Micros),
    /// Left the site.
    Gone,
}

/// Time between two samples of somebody who walks, s: about one a second, with jitter.
const WALK_SAMPLE_S: (f64, f64) = (0.8, 1.2);

/// Time between two fields, s.
const AWAY_S: (f64, f64) = (35.0, 150.0);

/// Share of the samples of somebody who rests after which they step out of sight for a while: now and then long enough to
/// end the visit, and sometimes for exactly as long as a visit may pause.
const STEPS_OUT: f64 = 0.002;
const OUT_S: (f64, f64) = (18.0, 60.0);
const OUT_EXACTLY: Span = Span::from_secs(30);

/// How far off a sensor's idea of a place may be, m.
const BLUR_M: f64 = 0.06;

impl Person {
    /// Somebody who is about to walk into the field of the first stop (the last one in `stops`).
    pub(super) fn new(
        number: u32,
        traveler: Traveler,
        stops: Vec<Stop>,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let (slow, fast) = traveler.pace_m_s();
        Self {
            number,
            traveler,
            pace_m_s: rng.random_range(slow..fast),
            stops,
            stop: Stop::through(0),
            sensor: 0,
            leave_at: Micros::MIN,
            place: (0.0, 0.0),
            moved_at: Micros::MIN,
            doing: Doing::Away,
        }
    }

    /// Puts the person at rest in the middle of `stop`, the first of their stops; gives the time of their first turn.
    pub(super) fn settle(
        &mut self,
        stop: Stop,
        now: Micros,
        plan: &Plan,
        rng: &mut ChaCha8Rng,
    ) -> Micros {
        let (_, longest) = plan.zones[stop.zone].habit.rest_sample_s;
        let first = now + seconds(rng.random_range(0.0..longest));
        // Somebody who only passes through walks in now.
        if stop.stay_s > 0.0 {
            self.stops.pop();
            self.enter(stop, first, plan, rng);
            self.place = somewhere(&plan.sensors[usize::from(self.sensor)], rng);
            self.rest(first, plan, rng);
        }
        first
    }

    /// The person's turn at `now`.
    pub(super) fn step(&mut self, now: Micros, plan: &Plan, rng: &mut ChaCha8Rng) -> Next {
        match self.doing {
            Doing::Away => {
                let Some(stop) = self.stops.pop() else {
                    return Next::Gone;
                };
                self.enter(stop, now, plan, rng);
            }
            Doing::Walking { to } => {
                if self.walk(to, now, plan, rng) {
                    self.rest(now, plan, rng);
                }
            }
            Doing::Leaving { to } => {
                if self.walk(to, now, plan, rng) {
                    // Seen at the edge of the field for the last time.
                    self.doing = Doing::Away;
                    let sighting = self.sighting(now, rng);
                    let away = if self.stops.is_empty() {
                        WALK_SAMPLE_S
                    } else {
                        AWAY_S
                    };
                    return Next::Seen(sighting, now + between(away, rng));
                }
            }
            Doing::Resting { until } => {
                if now >= until || now >= self.leave_at {
                    self.get_up(now, plan, rng);
                }
            }
        }
        let gap = match self.doing {
            Doing::Resting { .. } if rng.random_bool(STEPS_OUT) => out_of_sight(rng),
            Doing::Resting { .. } => between(plan.zones[self.stop.zone].habit.rest_sample_s, rng),
            _ => between(WALK_SAMPLE_S, rng),
        };
        Next::Seen(self.sighting(now, rng), now + gap)
    }

    fn enter(&mut self, stop: Stop, now: Micros, plan: &Plan, rng: &mut ChaCha8Rng) {
        let sensors = &plan.zones[stop.zone].sensors;
        let count = u32::try_from(sensors.len()).expect("a plan has at most 65,535 sensors");
        self.sensor = sensors[rng.random_range(0..count) as usize];
        self.stop = stop;
        self.leave_at = now + seconds(stop.stay_s);
        self.place = at_side(stop.from, &plan.sensors[usize::from(self.sensor)], rng);
        self.moved_at = now;
        self.get_up(now, plan, rng);
    }

    /// Chooses where to walk next.
    fn get_up(&mut self, now: Micros, plan: &Plan, rng: &mut ChaCha8Rng) {
        let sensor = &plan.sensors[usize::from(self.sensor)];
        self.moved_at = now;
        self.doing = if now >= self.leave_at {
            Doing::Leaving {
                to: at_side(self.stop.to, sensor, rng),
            }
        } else {
            Doing::Walking {
                to: somewhere(sensor, rng),
            }
        };
    }

    fn rest(&mut self, now: Micros, plan: &Plan, rng: &mut ChaCha8Rng) {
        let until = now + between(plan.zones[self.stop.zone].habit.rest_s, rng);
        self.doing = Doing::Resting { until };
    }

    /// Walks towards `to`; says whether it was reached.
    fn walk(&mut self, to: (f64, f64), now: Micros, plan: &Plan, rng: &mut ChaCha8Rng) -> bool {
        let pace =
            self.pace_m_s * plan.zones[self.stop.zone].habit.pace * rng.random_range(0.9..1.1);
        let step = pace * (now - self.moved_at).as_secs_f64();
        let (dx, dy) = (to.0 - self.place.0, to.1 - self.place.1);
        let left = dx.hypot(dy);
        self.moved_at = now;
        if left <= step {
            self.place = to;
            return true;
        }
        self.place = (
            self.place.0 + dx * step / left,
            self.place.1 + dy * step / left,
        );
        false
    }

    fn sighting(&self, at: Micros, rng: &mut ChaCha8Rng) -> Sighting {
        Sighting {
            at,
            sensor: self.sensor,
            number: self.number,
            traveler: self.traveler,
            x_mm: millimetres(self.place.0 + rng.random_range(-BLUR_M..BLUR_M)),
            y_mm: millimetres(self.place.1 + rng.random_range(-BLUR_M..BLUR_M)),
        }
    }
}

fn at_side(side: Side, sensor: &Sensor, rng: &mut ChaCha8Rng) -> (f64, f64) {
    let x = match side {
        Side::Near => 0.0,
        Side::Far => sensor.width_m,
    };
    (x, rng.random_range(0.0..sensor.depth_m))
}

fn somewhere(sensor: &Sensor, rng: &mut ChaCha8Rng) -> (f64, f64) {
    (
        rng.random_range(0.0..sensor.width_m),
        rng.random_range(0.0..sensor.depth_m),
    )
}

fn out_of_sight(rng: &mut ChaCha8Rng) -> Span {
    if rng.random_bool(0.2) {
        OUT_EXACTLY
    } else {
        between(OUT_S, rng)
    }
}

fn between((from, to): (f64, f64), rng: &mut ChaCha8Rng) -> Span {
    seconds(rng.random_range(from..to))
}

/// Millimetres, so that the decimal text of a coordinate is exact.
#[expect(
    clippy::cast_possible_truncation,
    reason = "fields are some tens of metres wide; `as` saturates"
)]
fn millimetres(metres: f64) -> i32 {
    (metres * 1e3).round() as i32
}
