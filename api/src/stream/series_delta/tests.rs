//! Applying what is sent, as a client does, gives what REST answers.

use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::series::body::{Fill, Mode, Number, PointState, SeriesKey};
use crate::series::metric::Unit;
use crate::stamp::Stamp;
use crate::stream::cursor::StreamCursor;
use domain::time::Micros;

/// A point of a series: entries, speed, coverage, state.
type Point = (Option<u64>, Option<u8>, u8, u8);

fn series(points: &[Vec<Point>], watermark: i64) -> Series {
    let stamp = |seconds: i64| Stamp::new(Micros(seconds * 1_000_000), &TimeZone::UTC);
    let item = |(k, points): (usize, &Vec<Point>)| {
        let entries = points.iter().map(|point| Cell(point.0.map(Number::Count)));
        let speeds = points
            .iter()
            .map(|point| Cell(point.1.map(|v| Number::Measure(f64::from(v) / 8.0))));
        let values = |unit, cells: Vec<Cell>| MetricValues {
            unit,
            v: Column(cells),
        };
        let columns = [
            (Metric::Entries, values(Unit::Count, entries.collect())),
            (
                Metric::SpeedAvg,
                values(Unit::MetresPerSecond, speeds.collect()),
            ),
        ];
        let states = [PointState::Live, PointState::Provisional, PointState::Final];
        SeriesItem {
            key: SeriesKey {
                sensor: format!("s{k}"),
                traveler_type: "all".to_owned(),
            },
            n: points.len(),
            columns: columns.into_iter().collect(),
            coverage: points
                .iter()
                .map(|point| f64::from(point.2) / 4.0)
                .collect(),
            state: points
                .iter()
                .map(|point| states[usize::from(point.3)])
                .collect(),
        }
    };
    Series {
        metrics: vec!["entries".to_owned(), "speed_avg".to_owned()],
        start: stamp(0),
        end: stamp(i64::try_from(points[0].len()).unwrap() * 10),
        step_s: 10,
        window_s: 10,
        mode: Mode::Rolling,
        label: "end".to_owned(),
        tz: "UTC".to_owned(),
        fill: Fill::Auto,
        watermark: Some(stamp(watermark)),
        approx: false,
        stale: watermark % 2 == 1,
        series: points.iter().enumerate().map(item).collect(),
        stream: StreamCursor {
            topic: "series".to_owned(),
            filter: String::new(),
            epoch: String::new(),
            offset: 0,
        },
    }
}

/// What a client does with the `d` of a delta.
fn apply(state: &mut Value, delta: &Value) {
    let item = &mut state["series"][usize::try_from(delta["k"].as_u64().unwrap()).unwrap()];
    assert_eq!(
        item["n"], delta["i"],
        "the points that are appended follow those that are there"
    );
    let metrics = ["entries", "speed_avg"];
    for metric in metrics {
        let appended = delta[metric].as_array().cloned().unwrap_or_default();
        item[metric]["v"].as_array_mut().unwrap().extend(appended);
    }
    for member in ["coverage", "state"] {
        item[member]
            .as_array_mut()
            .unwrap()
            .extend(delta[member].as_array().unwrap().iter().cloned());
    }
    item["n"] = json!(item["coverage"].as_array().unwrap().len());
    for replaced in delta["replace"].as_array().into_iter().flatten() {
        let i = usize::try_from(replaced[0].as_u64().unwrap()).unwrap();
        for (member, value) in replaced[1].as_object().unwrap() {
            if metrics.contains(&member.as_str()) {
                item[member]["v"][i] = value.clone();
            } else {
                item[member][i] = value.clone();
            }
        }
    }
    for member in ["watermark", "end", "stale"] {
        state[member] = delta[member].clone();
    }
}

fn point() -> impl Strategy<Value = Point> {
    (
        prop::option::of(0..3_u64),
        prop::option::of(0..3_u8),
        0..5_u8,
        0..3_u8,
    )
}

/// Two answers to one question, the second later: points changed and points added.
fn answers() -> impl Strategy<Value = (Series, Series)> {
    (1..4_usize, 0..8_usize, 0..4_usize).prop_flat_map(|(series_n, before_n, added)| {
        let points = |n| prop::collection::vec(prop::collection::vec(point(), n), series_n);
        (
            points(before_n),
            points(before_n + added),
            0..4_i64,
            0..4_i64,
        )
            .prop_map(|(mut before, after, w1, w2)| {
                // Most points stay as they were.
                for (old, new) in before.iter_mut().zip(&after) {
                    for i in 0..old.len() {
                        if old[i].2 != 0 {
                            old[i] = new[i];
                        }
                    }
                }
                (series(&before, w1), series(&after, w2))
            })
    })
}

proptest! {
    #[test]
    fn the_difference_of_two_answers_leads_from_the_one_to_the_other((old, new) in answers()) {
        let mut state = serde_json::to_value(&old).unwrap();
        for delta in between(&old, &new).unwrap() {
            apply(&mut state, &serde_json::to_value(&delta).unwrap());
        }
        prop_assert_eq!(state, serde_json::to_value(&new).unwrap());
    }

    #[test]
    fn everything_from_the_first_open_point_on_leads_there_too((old, new) in answers(), open in 0..8_usize) {
        let known = old.series[0].n;
        let open = open.min(known);
        // What is final is the same in both.
        let mut state = serde_json::to_value(&old).unwrap();
        for (k, item) in new.series.iter().enumerate() {
            let item = serde_json::to_value(item).unwrap();
            for i in 0..open {
                for metric in ["entries", "speed_avg"] {
                    state["series"][k][metric]["v"][i] = item[metric]["v"][i].clone();
                }
                for member in ["coverage", "state"] {
                    state["series"][k][member][i] = item[member][i].clone();
                }
            }
        }
        for delta in from_open(&new, known, open).unwrap() {
            apply(&mut state, &serde_json::to_value(&delta).unwrap());
        }
        prop_assert_eq!(state, serde_json::to_value(&new).unwrap());
    }
}

#[test]
fn equal_answers_have_no_difference() {
    let answer = series(&[vec![(Some(1), None, 4, 0)]], 0);
    assert_eq!(between(&answer, &answer), Some(Vec::new()));
}

#[test]
fn the_usual_change_is_one_frame() {
    let old = series(&[vec![(Some(1), None, 4, 2), (Some(2), None, 4, 0)]], 0);
    let new = series(
        &[vec![
            (Some(1), None, 4, 2),
            (Some(3), None, 4, 0),
            (Some(0), None, 4, 0),
        ]],
        0,
    );
    let deltas = between(&old, &new).unwrap();
    assert_eq!(deltas.len(), 1);
    let delta = serde_json::to_value(&deltas[0]).unwrap();
    assert_eq!(
        (&delta["i"], &delta["entries"], &delta["replace"]),
        (&json!(2), &json!([0]), &json!([[1, {"entries": 3}]]))
    );
}

#[test]
fn other_series_or_fewer_points_are_no_continuation() {
    let one = series(&[vec![(None, None, 0, 0)]], 0);
    let two = series(&[vec![(None, None, 0, 0)], vec![(None, None, 0, 0)]], 0);
    let none = series(&[vec![]], 0);
    assert_eq!(between(&one, &two), None);
    assert_eq!(between(&one, &none), None);
    assert_eq!(from_open(&none, 1, 0), None);
}

#[test]
fn many_replaced_points_are_spread_over_frames() {
    let points = |n: u64| vec![vec![(Some(n), None, 4, 1); 2_500]];
    let (old, new) = (series(&points(1), 0), series(&points(2), 0));
    let deltas = between(&old, &new).unwrap();
    assert_eq!(
        deltas
            .iter()
            .map(|delta| delta.replace.len())
            .collect::<Vec<_>>(),
        [1_000, 1_000, 500]
    );
    let mut state = serde_json::to_value(&old).unwrap();
    for delta in &deltas {
        apply(&mut state, &serde_json::to_value(delta).unwrap());
    }
    assert_eq!(state, serde_json::to_value(&new).unwrap());
}
