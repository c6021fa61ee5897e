//! Silences by hand: those that are not decided, those that were revised, and who is awaited.

use std::collections::{BTreeMap, HashSet};

use crate::coverage::{HOUR, REVISED};
use crate::id::DeviceId;
use crate::pane::PANE;
use crate::series::{Expected, Grid, Uptime};
use crate::time::{Micros, Span};

fn at(seconds: i64) -> Micros {
    Micros(seconds * 1_000_000)
}

/// The hours in which a sensor gave these signs, in minutes.
fn heard_at(uptime: &mut Uptime, sensor: &DeviceId, minutes: &[i64]) {
    let mut hours: BTreeMap<Micros, [u8; 45]> = BTreeMap::new();
    for minute in minutes {
        let hour = at(minute * 60).floor(HOUR);
        let index = usize::try_from((at(minute * 60) - hour).0 / PANE.0).unwrap();
        hours.entry(hour).or_insert([0; 45])[index / 8] |= 1 << (index % 8);
    }
    for (hour, bits) in hours {
        uptime.put(sensor, hour, &bits);
    }
    uptime.settle(|_| None);
}

#[test]
#[expect(clippy::cast_possible_truncation, reason = "at most 90 panes")]
fn a_silence_that_reaches_past_the_watermark_is_not_decided() {
    let sensor = DeviceId::from("s1");
    let always = Expected {
        always: HashSet::from([sensor.clone()]),
        ..Expected::default()
    };
    let grid = Grid::over(
        at(165 * 60)..at(225 * 60),
        Span::from_secs(900),
        Span::from_secs(900),
    );
    let beats: Vec<i64> = (0..=180).step_by(15).collect();
    let told = |more: &[i64], watermark: i64| {
        let mut uptime = Uptime::default();
        heard_at(&mut uptime, &sensor, &[&beats[..], more].concat());
        let silent_after = Span::from_secs(60);
        let undecided = uptime.undecided(&grid, silent_after, |_| Some(at(watermark * 60)));
        let coverage = uptime.coverage(&grid, &always, at(400 * 60));
        (
            coverage
                .iter()
                .map(|share| (share * 90.0).round() as i64)
                .collect::<Vec<_>>(),
            undecided,
        )
    };
    // It was silent for 35 minutes, and that is not usual. A word at 196, which is not late yet, makes it so.
    assert_eq!(
        told(&[215], 195),
        (vec![90, 1, 0, 1], vec![false, true, false, false])
    );
    assert_eq!(
        told(&[196, 215], 195),
        (
            vec![90; 3].into_iter().chain([31]).collect(),
            vec![false; 4]
        )
    );
    // When the watermark is half an hour past its last word nothing can.
    assert_eq!(told(&[215], 210), (vec![90, 1, 0, 1], vec![false; 4]));
    // One that has no rhythm is decided as soon as a minute of silence is past.
    let mut uptime = Uptime::default();
    heard_at(&mut uptime, &sensor, &[180, 215]);
    let open = |watermark| uptime.undecided(&grid, Span::from_secs(60), |_| Some(watermark));
    assert_eq!(open(at(181 * 60)), [false, true, false, false]);
    assert_eq!(open(at(182 * 60)), [false; 4]);
    assert_eq!(
        uptime.undecided(&grid, Span::from_secs(60), |_| None),
        [false; 4]
    );
}

#[test]
fn a_revised_pane_revises_its_windows_and_what_is_usual_after_it() {
    let sensor = DeviceId::from("s1");
    let mut uptime = Uptime::default();
    heard_at(
        &mut uptime,
        &sensor,
        &(0..=300).step_by(15).collect::<Vec<_>>(),
    );
    let grid = Grid::over(
        at(0)..at(300 * 60),
        Span::from_secs(900),
        Span::from_secs(900),
    );
    assert_eq!(uptime.revised(&grid), [false; 20]);
    // The word at an hour came late.
    let mut hour = [0; 3 * 45];
    hour[REVISED] = 1;
    for pane in (0..360_usize).step_by(90) {
        hour[pane / 8] |= 1 << (pane % 8);
    }
    uptime.put(&sensor, at(3600), &hour);
    uptime.settle(|_| None);
    let revised = uptime.revised(&grid);
    // The silence before it, and those of the three hours after it.
    let windows: Vec<usize> = (0..20).filter(|i| revised[*i]).collect();
    assert_eq!(windows, (3..=15).collect::<Vec<_>>());
}

#[test]
fn a_sensor_that_nobody_registered_is_expected_for_a_while_after_each_sign_and_hides_nobody() {
    let (known, stray) = (DeviceId::from("s1"), DeviceId::from("s2"));
    let expected = Expected {
        always: HashSet::from([known.clone()]),
        others_for: HOUR,
    };
    let grid = Grid::over(at(0)..at(6 * 3600), HOUR, HOUR);
    let mut uptime = Uptime::default();
    heard_at(&mut uptime, &stray, &[0]);
    let before = uptime.coverage(&grid, &expected, at(6 * 3600));
    // It is not there for the silent one.
    assert_eq!(before[0], 1.0 / 720.0);
    assert_eq!(before[1], 0.0);
    // What was answered of the time before it came back stays.
    heard_at(&mut uptime, &stray, &[300]);
    let after = uptime.coverage(&grid, &expected, at(6 * 3600));
    assert_eq!(after[..5], before[..5]);
    heard_at(&mut uptime, &known, &(0..360).collect::<Vec<_>>());
    let shares = uptime.coverage(&grid, &expected, at(6 * 3600));
    assert!(
        shares[1] > shares[0],
        "only the stray is silent: {shares:?}"
    );
}
