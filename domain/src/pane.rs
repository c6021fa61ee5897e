//! Panes: ten seconds of one sensor and traveler type, small enough to keep and exact enough to answer any window.

use crate::id::{DeviceId, TravelerType};
use crate::quantity::Speed;
use crate::sketch::Sketch;
use crate::time::{Micros, Span};

/// The length of the finest pane.
pub const PANE: Span = Span::from_secs(10);

/// Which pane: half-open `[start, start + 10 s)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaneKey {
    /// The sensor.
    pub sensor: DeviceId,
    /// The kind of traveler.
    pub traveler_type: TravelerType,
    /// A multiple of ten seconds.
    pub start: Micros,
}

/// What happened in a pane. Panes of several sensors, types or instants are combined by [`Pane::merge`], except for
/// `present`: see [`Pane::present`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pane {
    /// Visits whose first sample lies in it.
    pub entered: u32,
    /// Visits whose `[first, last]` touches it. Distinct visits in `[a, b)` = `present(a) + Σ entered` of the later panes;
    /// adding `present` along time would count a visit twice.
    pub present: u32,
    /// Speed samples whose later end lies in it.
    pub speed: SpeedStats,
    /// How many of the panes that are merged in it changed after they were final: 0 or 1 for a single one.
    pub revised: u32,
}

/// Speed samples: mean, extremes and distribution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpeedStats {
    /// How many.
    pub n: u32,
    /// Their sum.
    pub sum: Speed,
    /// The smallest; zero when there is none.
    pub min: Speed,
    /// The largest; zero when there is none.
    pub max: Speed,
    /// Their distribution, in m/s.
    pub sketch: Sketch,
}

impl Pane {
    /// Adds the pane of another sensor or type over the same ten seconds.
    pub fn merge(&mut self, other: &Self) {
        self.entered += other.entered;
        self.present += other.present;
        self.speed.merge(&other.speed);
        self.revised += other.revised;
    }

    /// Whether nothing happened in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entered == 0 && self.present == 0 && self.speed.n == 0
    }
}

impl SpeedStats {
    /// Adds one sample.
    pub fn add(&mut self, speed: Speed) {
        self.min = if self.n == 0 {
            speed
        } else {
            self.min.min(speed)
        };
        self.max = self.max.max(speed);
        self.n += 1;
        self.sum = Speed(self.sum.0.saturating_add(speed.0));
        self.sketch.add(speed.as_m_s());
    }

    /// Adds everything that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        if other.n == 0 {
            return;
        }
        self.min = if self.n == 0 {
            other.min
        } else {
            self.min.min(other.min)
        };
        self.max = self.max.max(other.max);
        self.n += other.n;
        self.sum = Speed(self.sum.0.saturating_add(other.sum.0));
        self.sketch.merge(&other.sketch);
    }

    /// The mean in m/s; `None` when there is no sample (an average is never zero-filled).
    #[must_use]
    pub fn mean_m_s(&self) -> Option<f64> {
        (self.n > 0).then(|| self.sum.as_m_s() / f64::from(self.n))
    }
}
