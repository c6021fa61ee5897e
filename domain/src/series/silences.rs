//! What the silences of one sensor mean: which are covered, which are not decided, and for how long it is awaited.

use std::ops::Range;

use crate::coverage::rhythm::{self, LONGEST, LOOK_BACK, Run, pane_number};
use crate::pane::PANE;
use crate::time::{Micros, Span};

/// The silences of a sensor. Ranges are of pane numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Silences {
    runs: Vec<Run>,
    /// Those that are over and covered, because they are usual.
    over: Vec<Range<i64>>,
    /// The present one: after this pane, as long as it is not later than that.
    present: Option<(i64, Micros)>,
    /// Panes that were revised, and silences of which a revision may have changed what is usual.
    revised: Vec<Range<i64>>,
}

impl Silences {
    /// The silences between `runs` of a sensor that spoke `last`, when these panes were `revised`.
    pub(super) fn of(runs: Vec<Run>, revised: Vec<i64>, last: Option<Micros>) -> Self {
        let present = last.and_then(|at| {
            let until = at + rhythm::usual_after(&runs, at);
            Some((runs.last()?.last, until))
        });
        let over = rhythm::covered(&runs).map(|(from, to)| from + 1..to);
        let reach = LOOK_BACK.0 / PANE.0;
        let mut touched: Vec<Range<i64>> = Vec::new();
        for pair in runs.windows(2) {
            let silence = pair[0].last + 1..pair[1].first;
            let looked_at = revised.partition_point(|pane| *pane < silence.start - reach);
            let is_short = silence.end - silence.start <= LONGEST.0 / PANE.0;
            let is_touched = revised
                .get(looked_at)
                .is_some_and(|pane| *pane <= silence.end);
            if is_short && is_touched {
                touched.push(silence);
            }
        }
        touched.extend(revised.into_iter().map(|pane| pane..pane + 1));
        Self {
            over: over.collect(),
            present,
            revised: touched,
            runs,
        }
    }

    /// Those that are covered at `now`.
    pub(super) fn covered(&self, now: Micros) -> impl Iterator<Item = Range<i64>> {
        let present = self
            .present
            .filter(|(last, until)| now <= *until && *last < pane_number(now));
        let present = present.map(|(last, _)| last + 1..pane_number(now) + 1);
        self.over.iter().cloned().chain(present)
    }

    /// What was revised.
    pub(super) fn revised(&self) -> impl Iterator<Item = Range<i64>> {
        self.revised.iter().cloned()
    }

    /// The one that is not decided by `watermark`.
    pub(super) fn undecided(&self, watermark: Micros, silent_after: Span) -> Option<Range<i64>> {
        let (from, to) = rhythm::undecided(&self.runs, pane_number(watermark), silent_after)?;
        Some(from..to)
    }

    /// When the sensor is awaited by those who wait for it after each sign for as long as `wait`.
    pub(super) fn awaited(&self, wait: Span) -> Vec<Range<i64>> {
        let mut awaited: Vec<Range<i64>> = Vec::new();
        for run in &self.runs {
            let end = run.last + 1 + wait.0 / PANE.0;
            match awaited.last_mut() {
                Some(before) if run.first <= before.end => before.end = end,
                _ => awaited.push(run.first..end),
            }
        }
        awaited
    }
}

#[cfg(test)]
mod tests;
