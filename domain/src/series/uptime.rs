//! When the sensors of a series were up, and what share of each window that makes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::{Bound, Range};

use super::Grid;
use crate::coverage::rhythm::{self, Run, pane_number};
use crate::coverage::{HOUR, HOUR_BYTES, HourBits, UP_BYTES};
use crate::id::DeviceId;
use crate::pane::PANE;
use crate::time::Micros;

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

/// Silences of a sensor in which it is covered, because they are usual for it.
#[derive(Clone, Debug, Default)]
struct Silences {
    /// Those that are over, by pane number: between the first and the second.
    over: Vec<(i64, i64)>,
    /// The present one: after this pane, as long as it is not later than that.
    present: Option<(i64, Micros)>,
}

#[derive(Clone, Debug)]
struct Hour {
    sensors: HashMap<DeviceId, HourBits>,
    /// How many of the sensors were up, by pane.
    up: Vec<u32>,
}

/// How many sensors could be up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// So many at any time.
    pub always: usize,
    /// One more in each of these ranges of whole panes.
    pub within: Vec<Range<Micros>>,
}

impl Expected {
    /// How many sensors could be up in each of the `panes` from `start`.
    fn by_pane(&self, start: Micros, panes: usize) -> Vec<u64> {
        let mut expected = vec![self.always as u64; panes];
        for range in &self.within {
            let first = pane_count(start, range.start).min(panes);
            let after = pane_count(start, range.end).clamp(first, panes);
            for pane in &mut expected[first..after] {
                *pane += 1;
            }
        }
        expected
    }
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
            let present = last(&sensor).and_then(|at| {
                let until = at + rhythm::usual_after(&runs, at);
                Some((runs.last()?.last, until))
            });
            let over = rhythm::covered(&runs).collect();
            self.silences.insert(sensor, Silences { over, present });
        }
    }

    fn runs_of(&self, sensor: &DeviceId) -> Vec<Run> {
        let hours = self.hours.iter();
        rhythm::runs(
            hours.filter_map(|(hour, known)| Some((*hour, &known.sensors.get(sensor)?[..]))),
        )
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
        let expected = expected.by_pane(panes.start, count);
        let up = self.by_pane(panes.start, count, now);
        // An old buffer may tell of a sensor before it was expected.
        let up = sums(
            up.into_iter()
                .zip(&expected)
                .map(|(up, &most)| up.min(most)),
        );
        let expected = sums(expected);
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
        let first = pane_number(start);
        let number = |pane: i64| usize::try_from(pane - first).unwrap_or(0).min(panes);
        for (from, to) in self
            .silences
            .values()
            .flat_map(|silences| silences.until(now))
        {
            up[number(from + 1)..number(to)]
                .iter_mut()
                .for_each(|up| *up += 1);
        }
        up
    }
}

impl Silences {
    fn until(&self, now: Micros) -> impl Iterator<Item = (i64, i64)> {
        let present = self
            .present
            .filter(|(last, until)| now <= *until && *last < pane_number(now));
        let present = present.map(|(last, _)| (last, pane_number(now) + 1));
        self.over.iter().copied().chain(present)
    }
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
