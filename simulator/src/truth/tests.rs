use proptest::prelude::*;

use super::*;

/// Seconds, traveler, event id, x; all at sensor `s`, of type `person`, at y = 0.
fn samples(rows: &[(f64, &str, &str, f64)]) -> Vec<Sample> {
    rows.iter()
        .map(|&(second, traveler, event_id, x)| Sample {
            sensor: "s".to_owned(),
            traveler_type: "person".to_owned(),
            traveler_id: traveler.to_owned(),
            at: micros(second),
            event_id: event_id.to_owned(),
            x,
            y: 0.0,
        })
        .collect()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "small numbers written in this file"
)]
fn micros(seconds: f64) -> Micros {
    Micros((seconds * 1e6).round() as i64)
}

/// A visit as (traveler, entered, left, samples, metres, speeds n/min/max in m/s).
type VisitRow = (&'static str, f64, f64, u64, f64, (u64, f64, f64));

#[track_caller]
fn check_visits(rows: &[(f64, &str, &str, f64)], expected: &[VisitRow]) {
    let truth = truth(samples(rows), Rules::default());
    let got: Vec<_> = truth
        .visits
        .iter()
        .map(|visit| {
            let speeds = (
                visit.speeds.n,
                metres(visit.speeds.min),
                metres(visit.speeds.max),
            );
            let way = metres(visit.distance_nm);
            (
                visit.traveler_id.as_str(),
                visit.entered_at,
                visit.left_at,
                visit.samples,
                way,
                speeds,
            )
        })
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|&(traveler, entered, left, samples, way, speeds)| {
            (
                traveler,
                micros(entered),
                micros(left),
                samples,
                way,
                speeds,
            )
        })
        .collect();
    assert_eq!(got, expected);
}

/// A pane as (start, entered, present, speeds n/sum/min/max in m/s).
type PaneTuple = (f64, u64, u64, (u64, f64, f64, f64));

#[track_caller]
fn check_panes(rows: &[(f64, &str, &str, f64)], expected: &[PaneTuple]) {
    let truth = truth(samples(rows), Rules::default());
    let got: Vec<_> = truth
        .panes
        .iter()
        .map(|(key, pane)| {
            let Speeds { n, sum, min, max } = pane.speeds;
            (
                key.start,
                pane.entered,
                pane.present,
                (n, metres(sum), metres(min), metres(max)),
            )
        })
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|&(start, entered, present, speeds)| (micros(start), entered, present, speeds))
        .collect();
    assert_eq!(got, expected);
}

#[test]
fn a_walk_is_one_visit_with_its_way_and_speeds() {
    let walk = [
        (1.0, "a", "1", 0.0),
        (2.0, "a", "2", 1.5),
        (4.0, "a", "3", 2.5),
        (5.0, "a", "4", 2.5),
    ];
    check_visits(&walk, &[("a", 1.0, 5.0, 4, 2.5, (3, 0.0, 1.5))]);
    check_panes(&walk, &[(0.0, 1, 1, (3, 2.0, 0.0, 1.5))]);
}

#[test]
fn a_pause_of_exactly_the_idle_gap_stays_one_visit_and_a_longer_one_does_not() {
    check_visits(
        &[(0.0, "a", "1", 0.0), (30.0, "a", "2", 3.0)],
        &[("a", 0.0, 30.0, 2, 3.0, (1, 0.1, 0.1))],
    );
    check_visits(
        &[(0.0, "a", "1", 0.0), (30.000_001, "a", "2", 3.0)],
        &[
            ("a", 0.0, 0.0, 1, 0.0, (0, 0.0, 0.0)),
            ("a", 30.000_001, 30.000_001, 1, 0.0, (0, 0.0, 0.0)),
        ],
    );
}

#[test]
fn two_samples_at_one_instant_make_a_way_in_the_order_of_their_ids_and_no_speed() {
    // 0 → 4 (id b before c) → 5: ways 4 + 0.5 + 0.5, speeds 4/1 and 0.5/1.
    check_visits(
        &[
            (1.0, "a", "c", 4.5),
            (0.0, "a", "a", 0.0),
            (1.0, "a", "b", 4.0),
            (2.0, "a", "d", 5.0),
        ],
        &[("a", 0.0, 2.0, 4, 5.0, (2, 0.5, 4.0))],
    );
}

#[test]
fn a_visit_is_present_in_every_pane_it_spans_also_in_those_without_a_sample() {
    let rest = [
        (9.0, "a", "1", 0.0),
        (31.0, "a", "2", 11.0),
        (40.0, "a", "3", 20.0),
    ];
    check_panes(
        &rest,
        &[
            (0.0, 1, 1, (0, 0.0, 0.0, 0.0)),
            (10.0, 0, 1, (0, 0.0, 0.0, 0.0)),
            (20.0, 0, 1, (0, 0.0, 0.0, 0.0)),
            (30.0, 0, 1, (1, 0.5, 0.5, 0.5)),
            (40.0, 0, 1, (1, 1.0, 1.0, 1.0)),
        ],
    );
}

#[test]
fn travelers_and_repeated_events_are_told_apart() {
    check_visits(
        &[
            (0.0, "b", "1", 0.0),
            (1.0, "a", "2", 1.0),
            (0.0, "b", "1", 0.0),
            (1.0, "b", "3", 2.0),
        ],
        &[
            ("b", 0.0, 1.0, 2, 2.0, (1, 2.0, 2.0)),
            ("a", 1.0, 1.0, 1, 0.0, (0, 0.0, 0.0)),
        ],
    );
}

#[test]
fn one_id_with_two_types_or_at_two_sensors_is_several_travelers() {
    let mut all = samples(&[
        (0.0, "a", "1", 0.0),
        (1.0, "a", "2", 1.0),
        (2.0, "a", "3", 2.0),
    ]);
    all[1].traveler_type = "bicycle".to_owned();
    all[2].sensor = "t".to_owned();
    let truth = truth(all, Rules::default());
    assert_eq!(truth.visits.len(), 3);
    assert!(truth.visits.iter().all(|visit| visit.speeds.n == 0));
}

fn any_samples() -> impl Strategy<Value = Vec<Sample>> {
    let one = (
        0..3_u8,
        0..2_u8,
        0..4_u8,
        0..200_i64,
        0..30_000_u32,
        0..1_000_u32,
    );
    prop::collection::vec(one, 0..120).prop_map(|rows| {
        rows.into_iter()
            .zip(0..)
            .map(
                |((sensor, traveler_type, traveler, second, x, y), number)| Sample {
                    sensor: format!("s{sensor}"),
                    traveler_type: format!("k{traveler_type}"),
                    traveler_id: format!("t{traveler}"),
                    at: Micros(second * 1_000_000),
                    event_id: format!("{number:04}"),
                    x: f64::from(x) / 1e3,
                    y: f64::from(y) / 1e3,
                },
            )
            .collect()
    })
}

proptest! {
    #[test]
    fn the_answer_depends_on_the_set_of_events_only(all in any_samples(), seed in any::<u64>()) {
        let expected = truth(all.clone(), Rules::default());
        let mut shuffled = all.clone();
        shuffled.extend(all.into_iter().step_by(3));
        // A cheap shuffle that depends on the seed.
        shuffled.sort_by_key(|sample| sample.event_id.bytes().fold(seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(23)
        }));
        prop_assert_eq!(truth(shuffled, Rules::default()), expected);
    }

    #[test]
    fn every_sample_and_every_speed_is_counted_once(all in any_samples()) {
        let truth = truth(all.clone(), Rules::default());
        let samples: u64 = truth.visits.iter().map(|visit| visit.samples).sum();
        prop_assert_eq!(samples, u64::try_from(all.len()).unwrap());
        let sum = |visits: &mut dyn Iterator<Item = Speeds>| visits.fold((0, 0), |(n, sum), speeds| (n + speeds.n, sum + speeds.sum));
        prop_assert_eq!(
            sum(&mut truth.visits.iter().map(|visit| visit.speeds)),
            sum(&mut truth.panes.values().map(|pane| pane.speeds))
        );
        for visit in &truth.visits {
            prop_assert!(visit.speeds.n < visit.samples);
        }
    }

    /// DESIGN: distinct visits in `[a, b)` = present(a) + Σ entered of the later panes.
    #[test]
    fn distinct_visits_of_a_window_follow_from_two_counters(all in any_samples(), from in 0..20_i64, panes in 1..10_i64) {
        let truth = truth(all, Rules::default());
        let pane = Rules::default().pane;
        let (start, end) = (Micros(from * pane.0), Micros((from + panes) * pane.0));
        let touching = truth.visits.iter().filter(|visit| visit.entered_at < end && visit.left_at >= start).count();
        let counted: u64 = truth.panes.iter().map(|(key, pane)| {
            if key.start == start { pane.present } else if key.start > start && key.start < end { pane.entered } else { 0 }
        }).sum();
        prop_assert_eq!(counted, u64::try_from(touching).unwrap());
    }
}
