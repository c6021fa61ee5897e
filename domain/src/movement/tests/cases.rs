//! One rule each, by hand.

use prost::Message;

use super::reference::{Between, check, check_with, folded, plain};
use super::*;
use crate::coverage::UP_BYTES;
use crate::event::DeviceState;
use crate::fold::Rows;
use crate::live::{LiveMap, OpenCount, SensorValue};

#[test]
fn the_first_row_of_a_sensor_names_instants_that_a_calendar_has() {
    let mut fold = MovementFold::new(&MovementConfig::default());
    fold.apply(position((1, 0, 1, 0, 0)), 0);
    let rows = fold.drain_rows();
    let row = &rows.sensors[&DeviceId::from("ent-1")];
    assert_eq!(
        row.watermark,
        instant(0) - MovementConfig::default().lateness
    );
    for at in [row.last_event, row.last_received, row.clock] {
        assert_eq!(at, instant(0));
    }
}

#[test]
fn a_pause_of_exactly_the_idle_gap_is_one_visit_and_a_longer_one_is_two() {
    let one = folded(&plain(&[(1, 0, 1, 0, 0), (1, 300, 2, 30, 0)]));
    assert_eq!(one.visits().count(), 1);
    let two = folded(&plain(&[(1, 0, 1, 0, 0), (1, 301, 2, 30, 0)]));
    assert_eq!(two.visits().count(), 2);
    check(&plain(&[(1, 0, 1, 0, 0), (1, 300, 2, 30, 0)]));
}

#[test]
fn a_late_sample_joins_two_visits_whose_rows_were_written() {
    let samples = [
        ((1, 0, 1, 0, 0), Between::Nothing),
        ((1, 400, 2, 30, 0), Between::Tick),
        ((2, 900, 3, 0, 0), Between::Checkpoint),
        ((1, 200, 4, 10, 10), Between::Checkpoint),
    ];
    check(&samples);
    assert_eq!(folded(&samples).visits().count(), 2);
}

#[test]
fn samples_of_one_instant_have_no_speed_between_them_and_the_id_decides_their_order() {
    let samples = [
        (1, 0, 1, 0, 0),
        (1, 10, 3, 50, 0),
        (1, 10, 2, 10, 0),
        (1, 20, 4, 60, 0),
    ];
    check(&plain(&samples));
    let mut backwards = samples;
    backwards.reverse();
    check(&plain(&backwards));
}

#[test]
fn an_event_behind_the_watermark_amends_what_was_final_and_says_so() {
    let samples = [(1, 0, 1, 0, 0), (1, 13_000, 2, 10, 0), (1, 5, 3, 9, 9)];
    check(&plain(&samples));
    let store = folded(&plain(&samples));
    assert_eq!(store.visits().filter(|row| row.revised).count(), 1);
    let (_, pane) = store
        .rows
        .panes
        .iter()
        .min_by_key(|(key, _)| key.start)
        .unwrap();
    assert_eq!((pane.revision, pane.pane.revised), (1, 1));
    assert_eq!(store.rows.late.len(), 1);
    assert!(store.rows.late[0].amended);
}

/// A sensor that is new may tell what it kept for days: its clock is far behind the ticks, which make it final at once.
#[test]
fn what_a_new_sensor_kept_for_more_than_two_days_is_closed_before_it_leaves_memory() {
    let days = |days: i64| days * 24 * 3600 * 10;
    let mut fold = MovementFold::new(&MovementConfig::default());
    fold.apply(tick(days(3)), 0);
    fold.apply(position((1, 0, 1, 0, 0)), 1);
    assert_eq!(open_and_last_known(&mut fold), (1, 1));
    fold.apply(tick(days(3) + 20), 2);
    let rows = fold.drain_rows();
    assert_eq!(rows.visits.values().flatten().count(), 1, "it has a row");
    assert_eq!(open_and_last_known(&mut fold), (0, 0), "nobody is there");
}

#[test]
fn late_events_that_are_given_up_are_kept_and_nothing_is_due_any_more() {
    let mut fold = MovementFold::new(&MovementConfig::default());
    let seen = [(1, 0, 1, 0, 0), (1, 13_000, 2, 10, 0), (1, 5, 3, 9, 9)];
    for (offset, sample) in (0..).zip(seen) {
        fold.apply(position(sample), offset);
    }
    assert!(fold.is_due(&tick(13_100)));
    fold.give_up();
    assert!(!fold.is_due(&tick(13_100)));
    assert_eq!(fold.wants().stretches, []);
    let late = fold.drain_rows().late;
    let kept: Vec<_> = late.iter().map(|row| (row.event_at, row.amended)).collect();
    assert_eq!(kept, [(instant(5), false)]);
    assert!(!fold.is_due(&tick(26_000)));
    // The next one that comes late is amended as ever.
    fold.apply(position((1, 7, 4, 9, 9)), 3);
    assert!(fold.is_due(&tick(26_000)));
}

#[test]
fn a_copy_of_an_event_that_is_final_changes_nothing_and_is_no_late_event() {
    let mut samples = vec![(1, 0, 1, 0, 0), (1, 5, 3, 9, 9), (1, 13_000, 2, 10, 0)];
    let before = folded(&plain(&samples));
    samples.push((1, 5, 3, 9, 9));
    let after = folded(&plain(&samples));
    assert_eq!(
        (&after.rows.visits, &after.rows.panes),
        (&before.rows.visits, &before.rows.panes)
    );
    assert!(after.rows.late.is_empty());
}

#[test]
fn an_event_beyond_the_horizon_is_kept_and_changes_no_answer() {
    let two_days = 2 * 864_000;
    let mut samples = vec![(1, 0, 1, 0, 0), (1, two_days + 100, 2, 10, 0)];
    let before = folded(&plain(&samples)).answers();
    samples.push((1, 5, 3, 9, 9));
    let after = folded(&plain(&samples));
    assert_eq!(after.answers(), before);
    assert_eq!(after.rows.late.len(), 1);
    assert!(!after.rows.late[0].amended);
}

#[test]
fn a_late_event_in_the_middle_of_a_long_visit_changes_the_whole_of_it() {
    // Four hours without a pause, of which all but the last twenty minutes are forgotten; then one sample that was missing.
    let hours = 4 * 36_000;
    let mut samples: Vec<Seen> = (0..hours)
        .step_by(200)
        .map(|tenths| (1, tenths, u16::try_from(tenths / 200).unwrap(), 0, 0))
        .collect();
    samples.push((1, 50_100, 60_000, 500, 0));
    check(&plain(&samples));
    let store = folded(&plain(&samples));
    assert_eq!(store.visits().count(), 1);
    assert!(store.visits().all(|row| row.revised));
}

#[test]
fn a_copy_that_the_gateway_stamped_anew_is_a_duplicate() {
    let mut fold = MovementFold::new(&MovementConfig::default());
    let first = Event {
        time_source: TimeSource::Received,
        ..position((1, 0, 7, 1, 1))
    };
    let copy = Event {
        event_time: instant(20),
        ..first.clone()
    };
    assert_eq!(fold.apply(first, 0), Outcome::Applied);
    assert_eq!(fold.apply(copy, 1), Outcome::Duplicate);
}

#[test]
fn ticks_close_a_silent_sensor_and_do_not_make_it_late_on_its_return() {
    let mut fold = MovementFold::new(&MovementConfig::default());
    fold.apply(position((1, 0, 1, 0, 0)), 0);
    fold.apply(tick(0), 1);
    let two_hours = 2 * 36_000;
    fold.apply(tick(two_hours), 2);
    let rows = fold.drain_rows();
    assert_eq!((rows.visits.len(), rows.panes.len()), (1, 1));
    assert_eq!(fold.apply(position((1, 100, 2, 0, 0)), 3), Outcome::Applied);
    let days = 3 * 864_000;
    fold.apply(tick(days), 4);
    assert_eq!(fold.apply(position((1, 200, 3, 0, 0)), 5), Outcome::TooLate);
}

#[test]
fn a_sensor_that_is_sending_an_old_buffer_does_not_close_its_visits_one_by_one() {
    let mut fold = MovementFold::new(&MovementConfig::default());
    fold.apply(tick(100_000), 0);
    for second in 0..20 {
        fold.apply(
            position((1, second * 10, u16::try_from(second).unwrap(), 0, 0)),
            second + 1,
        );
        fold.apply(tick(100_000 + second), 100 + second);
    }
    assert!(fold.drain_rows().visits.is_empty());
}

/// Visits of the only sensor: those that are open, and those that were when it spoke last.
fn open_and_last_known(fold: &mut MovementFold) -> (u32, u32) {
    let writes = fold.all_live();
    let sensor = writes
        .iter()
        .find(|write| write.map == LiveMap::Sensors)
        .unwrap();
    let value = SensorValue::decode(sensor.value.as_deref().unwrap()).unwrap();
    let sum = |counts: &[OpenCount]| counts.iter().map(|count| count.n).sum();
    (sum(&value.open), sum(&value.last_known))
}

#[test]
fn the_last_known_count_of_a_silent_sensor_stays() {
    let mut fold = MovementFold::new(&MovementConfig::default());
    fold.apply(position((1, 0, 1, 0, 0)), 0);
    fold.apply(position((3, 10, 2, 0, 0)), 1);
    for minute in 0..30 {
        fold.apply(tick(minute * 600), minute + 2);
    }
    assert_eq!(open_and_last_known(&mut fold), (0, 2));
}

#[test]
fn a_quiet_sensor_that_lives_measures_nobody_even_when_its_clock_is_behind() {
    let mut fold = MovementFold::new(&MovementConfig::default());
    fold.apply(tick(0), 0);
    fold.apply(position((1, 0, 1, 0, 0)), 1);
    for second in (10..=50).step_by(10) {
        fold.apply(tick(second * 10), second);
    }
    assert_eq!(open_and_last_known(&mut fold), (0, 1));
    // Ticks have come to 50 s, and the sensor's own clock only to 35 s.
    fold.apply(status(350, DeviceState::Heartbeat), 60);
    assert_eq!(open_and_last_known(&mut fold), (0, 0));
    for second in (60..=90).step_by(10) {
        fold.apply(tick(second * 10), second + 1);
    }
    assert_eq!(open_and_last_known(&mut fold), (0, 0));
}

#[test]
fn a_status_is_a_sign_of_life() {
    let mut fold = MovementFold::new(&MovementConfig::default());
    fold.apply(status(0, DeviceState::Heartbeat), 0);
    fold.apply(status(300, DeviceState::Heartbeat), 1);
    fold.apply(status(900, DeviceState::Offline), 2);
    let rows = fold.drain_rows();
    let ones = |bits: &[u8]| bits.iter().map(|byte| byte.count_ones()).sum::<u32>();
    let hours: Vec<_> = rows.up.values().map(|row| row.bits).collect();
    let (up, goodbyes) = hours[0].split_at(UP_BYTES);
    assert_eq!(
        (hours.len(), ones(up), ones(goodbyes)),
        (1, 10, 1),
        "0:00 to 1:40, in panes"
    );
    // The hour began 800 s before.
    let pane = 80 + 9;
    assert_eq!(goodbyes[pane / 8], 1 << (pane % 8), "the pane of 1:30");
}

/// A heartbeat every five minutes and nothing else: three silences show the rhythm, and it outlives the hand-over.
#[test]
fn a_sensor_is_awaited_for_twice_its_usual_silence() {
    let config = MovementConfig::default();
    let mut fold = MovementFold::new(&config);
    let mut usual = Vec::new();
    for n in 0..60 {
        if n == 40 {
            drop(fold.drain_rows());
            fold = MovementFold::restore(&fold.snapshot(), &config).unwrap();
        }
        fold.apply(status(n * 3000, DeviceState::Heartbeat), n);
        let value = fold.drain_live(false).pop().and_then(|write| write.value);
        let value = SensorValue::decode(value.unwrap_or_default().as_slice()).unwrap();
        usual.push(value.usual_silence_us / 1_000_000);
    }
    let twice_29_panes = 580;
    assert_eq!(usual[..4], [0, 0, 0, twice_29_panes]);
    assert!(
        usual[4..].iter().all(|seconds| *seconds == twice_29_panes),
        "{usual:?}"
    );
}

/// A traveler whose late event is a visit of its own, hours before the one in memory: the step between what is written down of it and
/// what is in memory counts for the extremes that another traveler's late event makes stale.
#[test]
fn extremes_are_found_again_across_the_edge_of_memory() {
    let config = MovementConfig {
        lateness: Span::from_secs(120),
        ..MovementConfig::default()
    };
    let samples = [
        ((4, 2450, 1, 0, 0), Between::Nothing),
        ((4, 2701, 2, 0, 0), Between::Nothing),
        ((2, 2446, 3, 0, 0), Between::Nothing),
        ((2, 2800, 4, 0, 0), Between::Nothing),
        ((6, 4400, 5, 0, 0), Between::Nothing),
        ((2, 2702, 6, 0, 0), Between::Tick),
        ((2, 1000, 7, 0, 0), Between::Nothing),
        ((4, 2601, 8, 0, -1), Between::Nothing),
    ];
    check_with(&config, &samples);
}

#[test]
fn rows_absorb_newer_ones() {
    let mut fold = MovementFold::new(&MovementConfig::default());
    let mut older = MovementRows::default();
    fold.apply(position((1, 0, 1, 0, 0)), 0);
    fold.apply(tick(10_000), 1);
    older.absorb(fold.drain_rows());
    fold.apply(position((1, 10, 2, 0, 0)), 2);
    older.absorb(fold.drain_rows());
    assert_eq!(
        older
            .visits
            .values()
            .flatten()
            .map(|row| row.samples)
            .collect::<Vec<_>>(),
        [2]
    );
}
