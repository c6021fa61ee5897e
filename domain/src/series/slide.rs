//! A window that moves over panes: what enters is added, what leaves is taken back.

use std::collections::VecDeque;
use std::ops::Range;

use super::{Speeds, Totals};
use crate::pane::Pane;
use crate::quantity::Speed;
use crate::sketch::Sketch;
use crate::time::Micros;

/// A window over sorted panes. It only moves forward.
#[derive(Debug)]
pub(super) struct Slide<'a> {
    panes: &'a [(&'a Micros, &'a Pane)],
    /// The panes inside: `panes[first..after]`.
    first: usize,
    after: usize,
    entered: u64,
    revised: u64,
    speed_n: u64,
    /// nm/s. Wide enough for a day of broken sensors.
    speed_sum: i128,
    /// Candidates for the least speed: indices of panes whose minima rise.
    minima: VecDeque<usize>,
    /// Candidates for the greatest speed: indices of panes whose maxima fall.
    maxima: VecDeque<usize>,
    sketch: Option<Sketch>,
}

impl<'a> Slide<'a> {
    pub(super) fn new(panes: &'a [(&'a Micros, &'a Pane)], with_quantiles: bool) -> Self {
        Self {
            panes,
            first: 0,
            after: 0,
            entered: 0,
            revised: 0,
            speed_n: 0,
            speed_sum: 0,
            minima: VecDeque::new(),
            maxima: VecDeque::new(),
            sketch: with_quantiles.then(Sketch::default),
        }
    }

    /// Moves to `window`, neither edge of which lies before where it was, and says what happened in it.
    pub(super) fn to(&mut self, window: &Range<Micros>) -> Totals {
        while self.starts_before(self.after, window.end) {
            self.enter();
        }
        while self.first < self.after && self.starts_before(self.first, window.start) {
            self.leave();
        }
        let begin = self.pane_at(self.first, window.start);
        let next = self.pane_at(self.after, window.end);
        let entered_later = self.entered - begin.map_or(0, |pane| u64::from(pane.entered));
        let present = begin.map_or(0, |pane| u64::from(pane.present)) + entered_later;
        // Panes come from two stores and may be a moment apart, so that more may seem to stay than there were.
        let stay = next.map_or(0, |pane| pane.present.saturating_sub(pane.entered));
        Totals {
            entries: self.entered,
            exits: present.saturating_sub(u64::from(stay)),
            present,
            revised: self.revised,
            speeds: self.speeds(),
        }
    }

    fn starts_before(&self, index: usize, instant: Micros) -> bool {
        self.panes
            .get(index)
            .is_some_and(|(start, _)| **start < instant)
    }

    fn pane_at(&self, index: usize, start: Micros) -> Option<&'a Pane> {
        let &(found, pane) = self.panes.get(index)?;
        (*found == start).then_some(pane)
    }

    fn enter(&mut self) {
        let index = self.after;
        let pane = self.panes[index].1;
        self.after += 1;
        self.entered += u64::from(pane.entered);
        self.revised += u64::from(pane.revised);
        let speed = &pane.speed;
        if speed.n == 0 {
            return;
        }
        self.speed_n += u64::from(speed.n);
        self.speed_sum += i128::from(speed.sum.0);
        while self
            .minima
            .back()
            .is_some_and(|&last| self.panes[last].1.speed.min >= speed.min)
        {
            self.minima.pop_back();
        }
        self.minima.push_back(index);
        while self
            .maxima
            .back()
            .is_some_and(|&last| self.panes[last].1.speed.max <= speed.max)
        {
            self.maxima.pop_back();
        }
        self.maxima.push_back(index);
        if let Some(sketch) = &mut self.sketch {
            sketch.merge(&speed.sketch);
        }
    }

    fn leave(&mut self) {
        let index = self.first;
        let pane = self.panes[index].1;
        self.first += 1;
        self.entered -= u64::from(pane.entered);
        self.revised -= u64::from(pane.revised);
        let speed = &pane.speed;
        if speed.n == 0 {
            return;
        }
        self.speed_n -= u64::from(speed.n);
        self.speed_sum -= i128::from(speed.sum.0);
        for candidates in [&mut self.minima, &mut self.maxima] {
            if candidates.front() == Some(&index) {
                candidates.pop_front();
            }
        }
        if let Some(sketch) = &mut self.sketch {
            sketch.take_back(&speed.sketch);
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a mean is a float; a sum of nm/s is exact far beyond what a sensor resolves"
    )]
    fn speeds(&self) -> Option<Speeds> {
        let least = self.panes[*self.minima.front()?].1.speed.min;
        let greatest = self.panes[*self.maxima.front()?].1.speed.max;
        let quantile = |q| self.sketch.as_ref().and_then(|sketch| sketch.quantile(q));
        Some(Speeds {
            n: self.speed_n,
            mean: self.speed_sum as f64 / Speed::from_m_s(1.0).0 as f64 / self.speed_n as f64,
            min: least.as_m_s(),
            max: greatest.as_m_s(),
            p50: quantile(0.5),
            p95: quantile(0.95),
        })
    }
}
