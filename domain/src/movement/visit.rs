//! A traveler's visit: consecutive samples, and the way along them.
//!
//! A sample that comes out of order changes what is known of the way instead of walking all of it again: a visit can have
//! very many samples, and very many of them can come late.

use super::track::Sample;
use crate::quantity::{Distance, Speed};
use crate::time::Micros;

/// A way along consecutive samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) distance: Distance,
    pub(super) speed_n: u32,
    pub(super) speed_sum: Speed,
    pub(super) speed_min: Speed,
    pub(super) speed_max: Speed,
}

/// Consecutive samples without a gap above `idle_gap`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Visit {
    pub(super) first: Micros,
    pub(super) last: Micros,
    pub(super) samples: u32,
    pub(super) way: Way,
    pub(super) phase: Phase,
    /// How often a row was made of it.
    pub(super) closings: u32,
    /// Whether it changed after it was final.
    pub(super) revised: bool,
}

/// Where a visit is in its life, as far as the sensor has taken note of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// Made by the present sample; neither counted nor written.
    #[default]
    New,
    /// Counted among those who are there now.
    Open,
    /// The idle gap has passed on the sensor's clock: it has a row.
    Closed,
}

impl Way {
    /// Adds the step from `a` to `b`.
    pub(super) fn step(&mut self, a: &Sample, b: &Sample) {
        let metres = metres_between(a, b);
        self.distance = Distance(self.distance.0.saturating_add(Distance::from_m(metres).0));
        if let Some(speed) = speed_between(a, b) {
            self.speed_min = if self.speed_n == 0 {
                speed
            } else {
                self.speed_min.min(speed)
            };
            self.speed_max = self.speed_max.max(speed);
            self.speed_n += 1;
            self.speed_sum = Speed(self.speed_sum.0.saturating_add(speed.0));
        }
    }

    /// Adds a way that goes on where this one ends.
    fn join(&mut self, other: &Self) {
        self.distance = Distance(self.distance.0.saturating_add(other.distance.0));
        if other.speed_n == 0 {
            return;
        }
        self.speed_min = if self.speed_n == 0 {
            other.speed_min
        } else {
            self.speed_min.min(other.speed_min)
        };
        self.speed_max = self.speed_max.max(other.speed_max);
        self.speed_n += other.speed_n;
        self.speed_sum = Speed(self.speed_sum.0.saturating_add(other.speed_sum.0));
    }

    /// The way with `between` put in on the step from `a` to `b`; `None` when only all of its samples can tell: a sum is at its
    /// ceiling, or an extreme may be gone.
    fn by_way_of(&self, between: &Sample, (a, b): (&Sample, &Sample)) -> Option<Self> {
        let (mut old, mut new) = (Self::default(), Self::default());
        old.step(a, b);
        new.step(a, between);
        new.step(between, b);
        let is_full = self.distance.0 == i64::MAX || self.speed_sum.0 == i64::MAX;
        let is_extreme = |speed: Speed| speed == self.speed_min || speed == self.speed_max;
        let is_replaced = new.speed_n > 0
            && (old.speed_min != self.speed_min || new.speed_min <= old.speed_min)
            && (old.speed_max != self.speed_max || new.speed_max >= old.speed_max);
        if is_full || (old.speed_n > 0 && is_extreme(old.speed_max) && !is_replaced) {
            return None;
        }
        let mut way = Self {
            distance: Distance(self.distance.0 - old.distance.0),
            speed_n: self.speed_n - old.speed_n,
            speed_sum: Speed(self.speed_sum.0 - old.speed_sum.0),
            ..*self
        };
        way.join(&new);
        Some(way)
    }
}

fn metres_between(a: &Sample, b: &Sample) -> f64 {
    (b.x - a.x).hypot(b.y - a.y)
}

/// Distance over time; none between samples of one instant.
pub(super) fn speed_between(a: &Sample, b: &Sample) -> Option<Speed> {
    let span = b.at - a.at;
    (span.0 > 0).then(|| Speed::from_m_s(metres_between(a, b) / span.as_secs_f64()))
}

impl Visit {
    /// A visit of one sample.
    pub(super) fn of(sample: &Sample) -> Self {
        Self {
            first: sample.at,
            last: sample.at,
            samples: 1,
            way: Way::default(),
            phase: Phase::New,
            closings: 0,
            revised: false,
        }
    }

    pub(super) fn push(&mut self, previous: &Sample, sample: &Sample) {
        self.way.step(previous, sample);
        self.last = sample.at;
        self.samples += 1;
    }

    /// Puts a sample before all others.
    pub(super) fn begin_with(&mut self, sample: &Sample, next: &Sample) {
        self.way.step(sample, next);
        self.first = sample.at;
        self.samples += 1;
    }

    /// Puts a sample between two that follow each other; says whether that was possible without a look at all others.
    pub(super) fn put_between(&mut self, sample: &Sample, neighbours: (&Sample, &Sample)) -> bool {
        let Some(way) = self.way.by_way_of(sample, neighbours) else {
            return false;
        };
        self.way = way;
        self.samples += 1;
        true
    }

    /// Adds the visit that begins with the next sample.
    pub(super) fn join(&mut self, last: &Sample, (first, later): (&Sample, &Self)) {
        self.way.step(last, first);
        self.way.join(&later.way);
        self.last = later.last;
        self.samples += later.samples;
        self.closings = self.closings.max(later.closings);
        self.revised |= later.revised;
    }
}
