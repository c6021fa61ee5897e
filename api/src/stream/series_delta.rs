//! The difference of two answers to one question about series.

use std::ops::Range;

use crate::series::body::{Cell, Column, MetricValues, Series, SeriesItem};
use crate::series::metric::{ByMetric, Metric};
use crate::stream::message::{PointPatch, SeriesDelta};

/// Points that one frame replaces at most; 100 bytes each keep it far below what a frame may hold.
const REPLACED_MAX: usize = 1_000;

/// What turns `old` into `new`, frame by frame; `None` when `new` is not a continuation of `old`.
#[must_use]
pub fn between(old: &Series, new: &Series) -> Option<Vec<SeriesDelta>> {
    if old.series.len() != new.series.len() {
        return None;
    }
    let mut deltas = Vec::new();
    for (k, (before, after)) in old.series.iter().zip(&new.series).enumerate() {
        if before.key != after.key || before.n > after.n {
            return None;
        }
        let replaced = (0..before.n).filter_map(|i| Some((i, patch(Some(before), after, i)?)));
        append(&mut deltas, new, k, before.n..after.n, replaced.collect());
    }
    Some(finished(deltas, old, new))
}

/// What turns any older answer into `new`, when it had `known` points of each series and only those from `open` on may have
/// changed since.
#[must_use]
pub fn from_open(new: &Series, known: usize, open: usize) -> Option<Vec<SeriesDelta>> {
    let mut deltas = Vec::new();
    for (k, item) in new.series.iter().enumerate() {
        if known > item.n {
            return None;
        }
        let replaced = (open..known).filter_map(|i| Some((i, patch(None, item, i)?)));
        append(&mut deltas, new, k, known..item.n, replaced.collect());
    }
    if deltas.is_empty() {
        deltas.push(heading(new, 0, known));
    }
    Some(deltas)
}

/// The answer may have changed in its heading only.
fn finished(mut deltas: Vec<SeriesDelta>, old: &Series, new: &Series) -> Vec<SeriesDelta> {
    let heading_of = |series: &Series| (series.watermark.clone(), series.end.clone(), series.stale);
    if deltas.is_empty() && heading_of(old) != heading_of(new) {
        let points = new.series.first().map_or(0, |item| item.n);
        deltas.push(heading(new, 0, points));
    }
    deltas
}

fn append(
    deltas: &mut Vec<SeriesDelta>,
    new: &Series,
    k: usize,
    appended: Range<usize>,
    replaced: Vec<(usize, PointPatch)>,
) {
    let item = &new.series[k];
    let mut replaced = replaced.into_iter().peekable();
    while replaced.peek().is_some() {
        deltas.push(SeriesDelta {
            replace: replaced.by_ref().take(REPLACED_MAX).collect(),
            ..heading(new, k, appended.start)
        });
    }
    if appended.is_empty() {
        return;
    }
    // New points travel with the last of the replaced ones, so that the usual change is one frame.
    let delta = match deltas.last_mut() {
        Some(last) if last.k == k => last,
        _ => {
            deltas.push(heading(new, k, appended.start));
            deltas.last_mut().expect("just pushed")
        }
    };
    let columns = item.columns.iter();
    delta.columns = columns
        .map(|(metric, values)| (metric, Column(values.v.0[appended.clone()].to_vec())))
        .collect();
    delta.coverage = item.coverage[appended.clone()].to_vec();
    delta.state = item.state[appended].to_vec();
}

fn heading(new: &Series, k: usize, i: usize) -> SeriesDelta {
    SeriesDelta {
        k,
        i,
        watermark: new.watermark.clone(),
        end: Some(new.end.clone()),
        stale: new.stale,
        ..SeriesDelta::default()
    }
}

/// What is different at point `i`; everything when there is no `before`.
fn patch(before: Option<&SeriesItem>, after: &SeriesItem, i: usize) -> Option<PointPatch> {
    let cell_of = |values: &MetricValues| values.v.0[i];
    let is_new = |metric: Metric, cell: Cell| {
        let known = before
            .and_then(|before| before.columns.get(metric))
            .map(cell_of);
        known != Some(cell)
    };
    let cells = after
        .columns
        .iter()
        .map(|(metric, values)| (metric, cell_of(values)));
    let values: Vec<_> = cells
        .filter(|(metric, cell)| is_new(*metric, *cell))
        .collect();
    let (coverage, state) = (after.coverage[i], after.state[i]);
    #[expect(clippy::float_cmp, reason = "the same figures give the same share")]
    let same_coverage = before.is_some_and(|before| before.coverage[i] == coverage);
    let same_state = before.is_some_and(|before| before.state[i] == state);
    if values.is_empty() && same_coverage && same_state {
        return None;
    }
    Some(PointPatch {
        values: values.into_iter().collect::<ByMetric<_>>(),
        coverage: (!same_coverage).then_some(coverage),
        state: (!same_state).then_some(state),
    })
}

#[cfg(test)]
mod tests;
