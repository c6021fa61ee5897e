//! Windows made of panes against windows counted from the visits themselves.

use std::collections::{BTreeSet, HashSet};

use proptest::prelude::*;

use super::*;
use crate::coverage::{HOUR, rhythm};
use crate::id::DeviceId;
use crate::quantity::Speed;

const SECOND: i64 = 1_000_000;

/// A visit: its samples in order, each with the speed towards it (none for the first).
#[derive(Clone, Debug)]
struct Visit {
    samples: Vec<(i64, f64)>,
}

impl Visit {
    fn first(&self) -> i64 {
        self.samples[0].0
    }

    fn last(&self) -> i64 {
        self.samples[self.samples.len() - 1].0
    }

    fn speeds(&self) -> impl Iterator<Item = (i64, Speed)> + '_ {
        let later = self.samples.iter().skip(1);
        later.map(|&(at, speed)| (at, Speed::from_m_s(speed)))
    }
}

fn visits() -> impl Strategy<Value = Vec<Visit>> {
    let visit = (
        -100 * SECOND..900 * SECOND,
        prop::collection::vec((1..30 * SECOND, 0.0..4.0_f64), 0..8),
    )
        .prop_map(|(first, steps)| {
            let mut at = first;
            let mut samples = vec![(first, 0.0)];
            for (gap, speed) in steps {
                at += gap;
                samples.push((at, speed));
            }
            Visit { samples }
        });
    prop::collection::vec(visit, 0..40)
}

fn grid() -> impl Strategy<Value = Grid> {
    (-5..50_i64, 1..12_i64, 1..20_i64, 0..60_usize).prop_map(|(start, step, window, points)| Grid {
        start: Micros(start * PANE.0),
        step: PANE * step,
        window: PANE * window,
        points,
    })
}

/// The panes as the fold makes them, spread over two sensors.
fn strip_of(visits: &[Visit]) -> Strip {
    let mut sensors: [BTreeMap<Micros, Pane>; 2] = Default::default();
    for (index, visit) in visits.iter().enumerate() {
        let panes = &mut sensors[index % 2];
        let first = Micros(visit.first()).floor(PANE);
        let mut pane = first;
        while pane <= Micros(visit.last()) {
            panes.entry(pane).or_default().present += 1;
            pane = pane + PANE;
        }
        panes.entry(first).or_default().entered += 1;
        for (at, speed) in visit.speeds() {
            let pane = Micros(at).floor(PANE);
            panes.entry(pane).or_default().speed.add(speed);
        }
    }
    let mut strip = Strip::default();
    for panes in sensors {
        for (start, pane) in panes {
            strip.add(start, &pane);
        }
    }
    strip
}

/// The definition, visit by visit.
fn counted(visits: &[Visit], window: &Range<Micros>) -> (u64, u64, u64, Vec<Speed>) {
    let inside = |at: i64| window.contains(&Micros(at));
    let count =
        |is_in: &dyn Fn(&Visit) -> bool| visits.iter().filter(|visit| is_in(visit)).count() as u64;
    let mut speeds: Vec<Speed> = visits
        .iter()
        .flat_map(Visit::speeds)
        .filter(|(at, _)| inside(*at))
        .map(|(_, speed)| speed)
        .collect();
    speeds.sort_unstable();
    (
        count(&|visit| inside(visit.first())),
        count(&|visit| inside(visit.last())),
        count(&|visit| Micros(visit.first()) < window.end && Micros(visit.last()) >= window.start),
        speeds,
    )
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank is between 0 and the count"
)]
fn check_speeds(found: Option<Speeds>, expected: &[Speed]) -> Result<(), TestCaseError> {
    let Some(found) = found else {
        prop_assert!(expected.is_empty());
        return Ok(());
    };
    prop_assert_eq!(found.n, expected.len() as u64);
    let sum: i64 = expected.iter().map(|speed| speed.0).sum();
    prop_assert!((found.mean - sum as f64 / 1e9 / expected.len() as f64).abs() < 1e-12);
    prop_assert_eq!(found.min, expected[0].as_m_s());
    prop_assert_eq!(found.max, expected[expected.len() - 1].as_m_s());
    for (q, quantile) in [(0.5, found.p50), (0.95, found.p95)] {
        let truth = expected[(q * (expected.len() - 1) as f64).floor() as usize].as_m_s();
        prop_assert!((quantile.unwrap() - truth).abs() <= truth * 0.0101 + 1e-9);
    }
    Ok(())
}

proptest! {
    #[test]
    fn windows_of_panes_are_windows_of_visits(visits in visits(), grid in grid()) {
        let totals = strip_of(&visits).totals(&grid, true);
        prop_assert_eq!(totals.len(), grid.points);
        for (i, found) in totals.iter().enumerate() {
            let (entries, exits, present, speeds) = counted(&visits, &grid.window_of(i));
            prop_assert_eq!((found.entries, found.exits, found.present), (entries, exits, present), "point {}", i);
            check_speeds(found.speeds, &speeds)?;
        }
    }

    #[test]
    fn only_the_panes_that_a_grid_names_matter(visits in visits(), grid in grid()) {
        let whole = strip_of(&visits);
        let mut part = Strip::default();
        for (&start, pane) in whole.panes.range(grid.panes()) {
            part.put(start, pane.clone());
        }
        prop_assert_eq!(part.totals(&grid, true), whole.totals(&grid, true));
    }

    #[test]
    fn coverage_is_the_mean_share_of_the_panes_that_were_up(
        mut up in prop::collection::btree_set((0..3_usize, 0..800_i64), 0..600),
        grid in grid(),
        now in 0..9000 * SECOND,
        wait in 0..100_i64,
    ) {
        let now = Micros(now);
        // Two sensors are expected at any time, and the last one only for a while after each of its signs.
        let expected = Expected {
            always: HashSet::from([DeviceId::from("s0"), DeviceId::from("s1")]),
            others_for: PANE * wait,
        };
        let signs = up.iter().filter(|(sensor, _)| *sensor == 2);
        let stray: BTreeSet<i64> = signs.flat_map(|(_, pane)| *pane..=*pane + wait).collect();
        let mut uptime = Uptime::default();
        let mut hours: BTreeMap<(Micros, usize), [u8; 45]> = BTreeMap::new();
        for &(sensor, pane) in &up {
            let hour = Micros(pane * PANE.0).floor(HOUR);
            let bits = hours.entry((hour, sensor)).or_insert([0; 45]);
            let index = usize::try_from((pane * PANE.0 - hour.0) / PANE.0).unwrap();
            bits[index / 8] |= 1 << (index % 8);
        }
        for (&(hour, sensor), bits) in &hours {
            // Whatever was said of the hour before does not count.
            uptime.put(&DeviceId(format!("s{sensor}")), hour, &[0xa5; 45]);
            uptime.forget_after(&DeviceId(format!("s{sensor}")), hour - HOUR);
            uptime.put(&DeviceId(format!("s{sensor}")), hour, bits);
        }
        // What else silences mean has tests of its own.
        uptime.settle(|_| None);
        for sensor in 0..3 {
            let its = hours.iter().filter(|((_, of), _)| *of == sensor);
            let runs = rhythm::runs(its.map(|((hour, _), bits)| (*hour, &bits[..])));
            for (from, to) in rhythm::covered(&runs) {
                up.extend((from + 1..to).map(|pane| (sensor, pane)));
            }
        }
        for (i, found) in uptime.coverage(&grid, &expected, now).into_iter().enumerate() {
            let window = grid.window_of(i);
            let starts = (window.start.0 / PANE.0)..(window.end.0 / PANE.0);
            let mut measured: Vec<i64> = starts.clone().filter(|pane| (pane + 1) * PANE.0 <= now.0).collect();
            if measured.is_empty() && window.start <= now {
                measured.push(starts.start);
            }
            let counted = measured.iter().map(|pane| (0..3).filter(|sensor| up.contains(&(*sensor, *pane))).count());
            let possible: usize = measured.iter().map(|pane| 2 + usize::from(stray.contains(pane))).sum();
            let share = if measured.is_empty() { 0.0 } else { counted.sum::<usize>() as f64 / possible as f64 };
            prop_assert_eq!(found, share, "point {}", i);
        }
    }
}

fn at(seconds: i64) -> Micros {
    Micros(seconds * SECOND)
}

#[test]
fn a_grid_covers_its_range_and_may_reach_past_it() {
    let minute = Span::from_secs(60);
    let grid = Grid::over(at(0)..at(130), minute, minute);
    assert_eq!(grid.points, 3);
    assert_eq!(grid.window_of(2), at(120)..at(180));
    assert_eq!(grid.panes(), at(0)..at(190));
    assert_eq!(Grid::over(at(0)..at(0), minute, minute).points, 0);
    assert_eq!(
        Grid::over(at(0)..at(0), minute, minute).panes(),
        at(0)..at(0)
    );
    let rolling = Grid::over(at(600)..at(720), minute, Span::from_secs(300));
    assert_eq!(rolling.window_of(0), at(360)..at(660));
    assert_eq!(rolling.panes(), at(360)..at(730));
    assert_eq!(
        [at(0), at(659), at(660), at(900)].map(|t| rolling.points_until(t)),
        [0, 0, 1, 2]
    );
}

#[test]
fn a_pane_that_is_put_stands_alone() {
    let mut strip = Strip::default();
    let mut pane = Pane {
        entered: 2,
        present: 3,
        ..Pane::default()
    };
    strip.add(at(0), &pane);
    strip.add(at(0), &pane);
    assert_eq!(strip.get(at(0)).map(|pane| pane.entered), Some(4));
    pane.entered = 1;
    strip.put(at(0), pane);
    assert_eq!(strip.get(at(0)).map(|pane| pane.entered), Some(1));
    strip.put(at(0), Pane::default());
    assert_eq!(strip.get(at(0)), None);
}

#[test]
fn an_uneven_pair_of_panes_never_makes_a_count_negative() {
    // The later pane is newer than the earlier one: a visit reached it that the earlier one does not know of yet.
    let mut strip = Strip::default();
    strip.add(
        at(0),
        &Pane {
            entered: 0,
            present: 1,
            ..Pane::default()
        },
    );
    strip.add(
        at(10),
        &Pane {
            entered: 0,
            present: 2,
            ..Pane::default()
        },
    );
    let grid = Grid::over(at(0)..at(10), PANE, PANE);
    assert_eq!(strip.totals(&grid, false)[0].exits, 0);
}

/// A heartbeat every five minutes, hour by hour as it is stored, the present silence and what comes of it.
#[test]
#[expect(clippy::cast_possible_truncation, reason = "at most 30 panes")]
fn usual_silences_are_covered_and_the_present_one_while_it_lasts() {
    let sensor = DeviceId::from("s1");
    let mut uptime = Uptime::default();
    for hour in 0..2 {
        let mut bits = [0; 45];
        for pane in (0..360_usize).step_by(30) {
            bits[pane / 8] |= 1 << (pane % 8);
        }
        uptime.put(&sensor, at(hour * 3600), &bits);
    }
    let last = at(7200 - 300);
    uptime.settle(|_| Some(last));
    let minutes = Span::from_secs(300);
    let grid = Grid::over(at(0)..at(7200 + 1200), minutes, minutes);
    let expected = Expected {
        always: HashSet::from([sensor.clone()]),
        ..Expected::default()
    };
    let panes = |uptime: &Uptime, now| -> Vec<i64> {
        let shares = uptime.coverage(&grid, &expected, now);
        shares
            .into_iter()
            .map(|share| (share * 30.0).round() as i64)
            .collect()
    };
    // While the silence after the last word is a usual one, it is covered; the pane of now counts alone.
    let now = panes(&uptime, last + Span::from_secs(580));
    assert_eq!(now[..4], [1, 1, 1, 30]);
    assert_eq!(now[22..], [30, 30, 30, 0, 0, 0]);
    // Then it was dead since its last word.
    let later = panes(&uptime, last + Span::from_secs(581));
    assert_eq!(later[..22], now[..22]);
    assert_eq!(later[22..], [30, 1, 0, 0, 0, 0]);
    // It comes back within half an hour, and was silent for too long.
    uptime.put(&sensor, at(7200), &[0, 0, 0, 0, 0, 0, 0, 0, 1]);
    uptime.settle(|_| Some(at(7200 + 640)));
    let back = panes(&uptime, at(7200 + 1200));
    assert_eq!(back[22..], [30, 1, 0, 0, 26, 30]);
    let gone_again = panes(&uptime, at(7200 + 640 + 581));
    assert_eq!(gone_again[22..], [30, 1, 0, 0, 1, 0]);
}
