//! Any window from panes: how ten-second panes combine into series of bucket and rolling windows.
//!
//! Counts and speeds of a window follow from the panes in it and the one after it, so panes of several sensors and types
//! are merged first and windows are made of the merged ones:
//!
//! - entries = Σ `entered`;
//! - distinct visits = `present` of the first pane + Σ `entered` of the later ones;
//! - exits = visits that touch the window and not the pane after it: `present` − (`present` − `entered` of that pane). What
//!   has not been seen again counts as gone, so they are only known once visits that end in the window have closed;
//! - speeds = the merged samples.
//!
//! A series costs one pass over its panes, however far its windows overlap: what enters a window is added and what leaves
//! it is taken back, which is exact because all sums are integers.

mod silences;
mod slide;
mod uptime;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;

pub use uptime::{Expected, Uptime};

use crate::pane::{PANE, Pane};
use crate::time::{Micros, Span};
use slide::Slide;

/// Which windows: point i covers the `window` before `start + (i + 1) · step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Grid {
    /// Where the range begins; a multiple of a pane.
    pub start: Micros,
    /// Distance of two points; a positive multiple of a pane.
    pub step: Span,
    /// Length of each window; a positive multiple of a pane. Equal to the step for buckets.
    pub window: Span,
    /// How many points.
    pub points: usize,
}

/// What happened in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Visits that began in it.
    pub entries: u64,
    /// Visits whose last sample lies in it.
    pub exits: u64,
    /// Distinct visits that touch it.
    pub present: u64,
    /// How many of its panes changed after they were final.
    pub revised: u64,
    /// Its speed samples; `None` when there is none.
    pub speeds: Option<Speeds>,
}

/// Speed samples of a window, in m/s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speeds {
    /// How many.
    pub n: u64,
    /// Their mean.
    pub mean: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// Their median, within 1 %; `None` unless it was asked for.
    pub p50: Option<f64>,
    /// Their 95th percentile, within 1 %; `None` unless it was asked for.
    pub p95: Option<f64>,
}

/// The merged panes of one series, by their start. Panes in which nothing happened may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strip {
    panes: BTreeMap<Micros, Pane>,
}

impl Grid {
    /// The windows with which `start..end` is covered: the last one may reach past `end`.
    ///
    /// # Panics
    /// When the step is not positive.
    #[must_use]
    pub fn over(range: Range<Micros>, step: Span, window: Span) -> Self {
        assert!(step.0 > 0, "a step is positive");
        let length = (range.end.0 - range.start.0).max(0);
        let points = (length + step.0 - 1) / step.0;
        Self {
            start: range.start,
            step,
            window,
            points: usize::try_from(points).unwrap_or(usize::MAX),
        }
    }

    /// The window of point `i`.
    #[must_use]
    pub fn window_of(&self, i: usize) -> Range<Micros> {
        let steps = i64::try_from(i + 1).expect("points fit in memory");
        let end = self.start + Span(self.step.0 * steps);
        end - self.window..end
    }

    /// The starts of the panes that these windows are made of, and of the one after them.
    #[must_use]
    pub fn panes(&self) -> Range<Micros> {
        if self.points == 0 {
            return self.start..self.start;
        }
        let first = self.window_of(0).start.min(self.start);
        first..self.window_of(self.points - 1).end + PANE
    }

    /// How many of the points lie before the first whose window ends after `instant`.
    #[must_use]
    pub fn points_until(&self, instant: Micros) -> usize {
        let steps = (instant - self.start).0.div_euclid(self.step.0);
        usize::try_from(steps).unwrap_or(0).min(self.points)
    }
}

impl Strip {
    /// Adds the pane of a sensor and type.
    pub fn add(&mut self, start: Micros, pane: &Pane) {
        self.panes.entry(start).or_default().merge(pane);
    }

    /// Puts `pane` in the place of whatever was merged there before.
    pub fn put(&mut self, start: Micros, pane: Pane) {
        if pane.is_empty() {
            self.panes.remove(&start);
        } else {
            self.panes.insert(start, pane);
        }
    }

    /// Every pane in which something happened, by its start.
    pub fn iter(&self) -> impl Iterator<Item = (Micros, &Pane)> {
        self.panes.iter().map(|(&start, pane)| (start, pane))
    }

    /// The pane that starts at `start`.
    #[must_use]
    pub fn get(&self, start: Micros) -> Option<&Pane> {
        self.panes.get(&start)
    }

    /// What happened in each window of `grid`; quantiles of speed only when asked for, because they cost the most.
    #[must_use]
    pub fn totals(&self, grid: &Grid, with_quantiles: bool) -> Vec<Totals> {
        let panes: Vec<_> = self.panes.range(grid.panes()).collect();
        let mut slide = Slide::new(&panes, with_quantiles);
        (0..grid.points)
            .map(|i| slide.to(&grid.window_of(i)))
            .collect()
    }
}
