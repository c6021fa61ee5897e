//! When the sensors of a series were up, and what share of each window that makes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::{Bound, Range};

use super::Grid;
use super::silences::Silences;
use crate::coverage::rhythm::{self, Run};
use crate::coverage::{HOUR, HOUR_BYTES, HourBits, REVISED, UP_BYTES, has_bit};
use crate::id::DeviceId;
use crate::pane::PANE;
use crate::time::{Micros, Span};

/// Panes of an hour.
const PANES: usize = 360;

/// Which of some sensors were up in which panes.
#[derive(Clone, Debug, Default)]
pub struct Uptime {
    hours: BTreeMap<Micros, Hour>,
    /// Sensors whose hours changed since [`Uptime::settle`].
    changed: HashSet<DeviceId>,
    silences: HashMap<DeviceId, Silences>,
}

#[derive(Clone, Debug)]
struct Hour {
    sensors: HashMap<DeviceId, HourBits>,
    /// How many of the sensors were up, by pane.
    up: Vec<u32>,
}

/// Which sensors could be up, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// These at any time.
    pub always: HashSet<DeviceId>,
    /// Any other from each of its signs of life on for so long. What it says later changes nothing of that, so an answer that
    /// was final stays so.
    pub others_for: Span,
}

impl Uptime {
    /// Puts what is known of an hour of a sensor in the place of what was known of it before: who looks again may know
    /// that it was not up after all.
    pub fn put(&mut self, sensor: &DeviceId, hour: Micros, bits: &[u8]) {
        let known = self.hours.entry(hour).or_insert_with(|| Hour {
            sensors: HashMap::new(),
            up: vec![0; PANES],
        });
        if !known.sensors.contains_key(sensor) {
            known.sensors.insert(sensor.clone(), [0; HOUR_BYTES]);
        }
        let Some(before) = known.sensors.get_mut(sensor) else {
            return;
        };
        let bits = bits.iter().copied().chain(std::iter::repeat(0));
        for (index, (byte, new)) in before.iter_mut().zip(bits).enumerate() {
            if new != *byte && !self.changed.contains(sensor) {
                self.changed.insert(sensor.clone());
            }
            let mut changed = if index < UP_BYTES { new ^ *byte } else { 0 };
            while changed != 0 {
                let bit = changed.trailing_zeros() as usize;
                let up = &mut known.up[index * 8 + bit];
                if new & 1 << bit == 0 {
                    *up -= 1;
                } else {
                    *up += 1;
                }
                changed &= changed - 1;
            }
            *byte = new;
        }
    }

    /// Forgets what was known of a sensor after `hour`.
    pub fn forget_after(&mut self, sensor: &DeviceId, hour: Micros) {
        let later = (Bound::Excluded(hour), Bound::Unbounded);
        let later: Vec<Micros> = self.hours.range(later).map(|(hour, _)| *hour).collect();
        for hour in later {
            self.put(sensor, hour, &[]);
        }
    }

    /// Finds the silences that are usual, once all hours are put: those three hours before a window count as well, and half an
    /// hour after it. `last` says when a sensor spoke last.
    pub fn settle(&mut self, last: impl Fn(&DeviceId) -> Option<Micros>) {
        for sensor in std::mem::take(&mut self.changed) {
            let runs = self.runs_of(&sensor);
            let silences = Silences::of(runs, self.revised_of(&sensor), last(&sensor));
            self.silences.insert(sensor, silences);
        }
    }

    fn runs_of(&self, sensor: &DeviceId) -> Vec<Run> {
        let hours = self.hours.iter();
        rhythm::runs(
            hours.filter_map(|(hour, known)| Some((*hour, &known.sensors.get(sensor)?[..]))),
        )
    }

    /// The numbers of the panes that were revised.
    fn revised_of(&self, sensor: &DeviceId) -> Vec<i64> {
        let hours = self.hours.iter();
        let known = hours.filter_map(|(hour, known)| Some((*hour, known.sensors.get(sensor)?)));
        // Most hours were never revised.
        let known = known.filter(|(_, bits)| bits[REVISED..].iter().any(|byte| *byte != 0));
        let revised = known.flat_map(|(hour, bits)| {
            let within = (0..PANES).filter(|index| has_bit(bits, REVISED, *index));
            let first = rhythm::pane_number(hour);
            within.map(move |index| first + i64::try_from(index).expect("below 360"))
        });
        revised.collect()
    }

    /// For each window of `grid` whether something in it was revised: a pane of a sensor, or what is usual for a silence.
    #[must_use]
    pub fn revised(&self, grid: &Grid) -> Vec<bool> {
        let ranges = self.silences.values().flat_map(Silences::revised);
        touched(grid, ranges)
    }

    /// For each window of `grid` whether a sensor is silent in it of which the watermark does not tell yet whether it was up: a
    /// silence that reaches past the watermark may turn out to have been short. `watermark` knows those that are waited for.
    #[must_use]
    pub fn undecided(
        &self,
        grid: &Grid,
        silent_after: Span,
        watermark: impl Fn(&DeviceId) -> Option<Micros>,
    ) -> Vec<bool> {
        let open = self
            .silences
            .iter()
            .filter_map(|(sensor, silences)| silences.undecided(watermark(sensor)?, silent_after));
        touched(grid, open)
    }

    /// For each window of `grid` the share, 0 to 1, in which the `expected` sensors were up: the mean over them.
    ///
    /// A window that reaches past `now` is measured over its past, in whole panes; the pane of `now` counts alone. One that
    /// has not begun is not covered, nor is one in which no sensor is expected.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share is a float")]
    pub fn coverage(&self, grid: &Grid, expected: &Expected, now: Micros) -> Vec<f64> {
        let panes = grid.panes();
        let count = pane_count(panes.start, panes.end);
        // Every pane in which a sensor is up is one in which it is expected: the share is one at most.
        let up = sums(self.by_pane(panes.start, count, now));
        let expected = sums(self.expected_by_pane(expected, panes.start, count));
        (0..grid.points)
            .map(|i| {
                let window = grid.window_of(i);
                if window.start > now {
                    return 0.0;
                }
                let whole = window.end.min(now.floor(PANE));
                let end = whole.max(window.start + PANE);
                let within = |sums: &[u64]| {
                    sums[pane_count(panes.start, end)] - sums[pane_count(panes.start, window.start)]
                };
                match within(&expected) {
                    0 => 0.0,
                    expected => within(&up) as f64 / expected as f64,
                }
            })
            .collect()
    }

    /// How many sensors could be up in each of the `panes` from `start`.
    fn expected_by_pane(&self, expected: &Expected, start: Micros, panes: usize) -> Vec<u64> {
        let mut by_pane = vec![expected.always.len() as u64; panes];
        let others = self.silences.iter();
        let others = others.filter(|(sensor, _)| !expected.always.contains(*sensor));
        for range in others.flat_map(|(_, silences)| silences.awaited(expected.others_for)) {
            by_pane[within(&range, start, panes)]
                .iter_mut()
                .for_each(|expected| *expected += 1);
        }
        by_pane
    }

    /// How many sensors were up in each of the `panes` from `start`.
    fn by_pane(&self, start: Micros, panes: usize, now: Micros) -> Vec<u64> {
        let mut up = vec![0_u64; panes];
        let from = start.floor(HOUR);
        let end = start + PANE * i64::try_from(panes).expect("panes fit in memory");
        for (&hour, known) in self.hours.range(from..end) {
            for (index, &count) in known.up.iter().enumerate() {
                let pane = hour + PANE * i64::try_from(index).expect("below 360");
                if (start..end).contains(&pane) {
                    up[pane_count(start, pane)] = u64::from(count);
                }
            }
        }
        for range in self
            .silences
            .values()
            .flat_map(|silences| silences.covered(now))
        {
            up[within(&range, start, panes)]
                .iter_mut()
                .for_each(|up| *up += 1);
        }
        up
    }
}

/// Which of the `panes` from `start` are in `range`, by number.
fn within(range: &Range<i64>, start: Micros, panes: usize) -> Range<usize> {
    let first = rhythm::pane_number(start);
    let index = |pane: i64| usize::try_from(pane - first).unwrap_or(0).min(panes);
    index(range.start)..index(range.end).max(index(range.start))
}

/// Which windows of `grid` one of the `ranges` of pane numbers touches.
fn touched(grid: &Grid, ranges: impl Iterator<Item = Range<i64>>) -> Vec<bool> {
    let panes = grid.panes();
    let count = pane_count(panes.start, panes.end);
    let mut is_in = vec![0; count];
    for range in ranges {
        is_in[within(&range, panes.start, count)].fill(1);
    }
    let sums = sums(is_in);
    (0..grid.points)
        .map(|i| {
            let window = grid.window_of(i);
            let until = |at| sums[pane_count(panes.start, at)];
            until(window.end) > until(window.start)
        })
        .collect()
}

/// `sums[i]`: the sum of the first i counts.
fn sums(counts: impl IntoIterator<Item = u64>) -> Vec<u64> {
    let mut sum = 0;
    let running = counts.into_iter().map(|count| {
        sum += count;
        sum
    });
    std::iter::once(0).chain(running).collect()
}

fn pane_count(from: Micros, to: Micros) -> usize {
    usize::try_from((to - from).0 / PANE.0).unwrap_or(0)
}
