//! Many of something: what one record costs may not grow with what came before. Nothing here is timed; with a walk through
//! everything for each event these tests would not end within minutes.

use super::reference::Store;
use super::*;
use crate::id::TravelerType;
use crate::pane::PaneKey;

/// A position with an `event_id` of its own, `micros` after the start.
fn seen(sensor: &str, traveler: &str, id: usize, micros: i64) -> Event {
    let x = micros as f64 / 1e6;
    let body = Body::Position(Position {
        traveler: traveler.into(),
        traveler_type: "person".into(),
        x,
        y: 0.0,
    });
    Event {
        key: EventKey::from_event_id(&id.to_string()),
        ..event(sensor, instant(0) + Span(micros), body)
    }
}

/// Seconds into the test.
fn at(second: i64) -> i64 {
    second * 1_000_000
}

/// Folds `events` and what ends them: two ticks long after.
fn folded_to_the_end(events: impl IntoIterator<Item = Event>) -> Store {
    let mut fold = MovementFold::new(&MovementConfig::default());
    let mut store = Store::default();
    let ticks = [tick(1_000_000), tick(2_000_000)];
    for (offset, event) in (0..).zip(events.into_iter().chain(ticks)) {
        store.apply(&mut fold, event, offset);
    }
    store.write(fold.drain_rows());
    store
}

/// A gateway that was away for two hours hands on what its sensors kept, after what they see now.
#[test]
fn a_hundred_thousand_late_events_of_ten_thousand_travelers_are_amended_at_once() {
    let sensor_of = |traveler: i64| {
        if traveler % 100 == 0 {
            "ent-2"
        } else {
            "ent-1"
        }
    };
    let live = ["ent-1", "ent-2"].map(|sensor| seen(sensor, "live", 0, at(9_000)));
    let late = (0..10_i64).flat_map(|second| {
        (0..10_000_i64).map(move |traveler| {
            let name = format!("traveler-{traveler}");
            let id = usize::try_from(second * 10_000 + traveler).unwrap();
            seen(
                sensor_of(traveler),
                &name,
                id,
                at(second) + traveler * 700_000,
            )
        })
    });
    let store = folded_to_the_end(live.into_iter().chain(late));
    assert_eq!(store.rows.late.len(), 100_000);
    assert!(store.rows.late.iter().all(|row| row.amended));
    let revised: Vec<_> = store.visits().filter(|row| row.revised).collect();
    assert_eq!(revised.len(), 10_000);
    for row in revised {
        assert_eq!(
            (row.samples, row.speed_n, row.speed_sum.0),
            (10, 9, 9_000_000_000)
        );
    }
}

/// One traveler who is always there, as of a device that knows no names; first every second sample, then those in between.
#[test]
fn a_visit_of_very_many_samples_takes_in_late_ones_without_being_made_anew() {
    let live = (0..1_000).map(|n| seen("ent-1", "somebody", n, at(9_000) + n as i64 * 100_000));
    let (even, odd) = (0..40_000_usize).partition::<Vec<_>, _>(|n| n % 2 == 0);
    let late = even.into_iter().chain(odd);
    let late = late.map(|n| seen("ent-1", "somebody", 1_000 + n, n as i64 * 100_000));
    let store = folded_to_the_end(live.chain(late));
    let mut visits: Vec<_> = store
        .visits()
        .map(|row| (row.samples, row.speed_sum.0))
        .collect();
    visits.sort_unstable();
    assert_eq!(
        visits,
        [(1_000, 999_000_000_000), (40_000, 39_999_000_000_000)]
    );
}

#[test]
fn a_copy_with_another_stamp_is_known_among_very_many_until_its_sample_is_final() {
    let stamped = |id: usize, micros: i64| Event {
        time_source: TimeSource::Received,
        ..seen("ent-1", "somebody", id, micros)
    };
    let mut fold = MovementFold::new(&MovementConfig::default());
    let mut offset = 0;
    let mut apply = |event| {
        offset += 1;
        fold.apply(event, offset)
    };
    let count = 60_000;
    for id in 0..count {
        let outcome = apply(stamped(id, id as i64 * 10_000));
        assert_eq!(outcome, Outcome::Applied, "{id}");
    }
    for id in [0, 1, count / 2, count - 1] {
        assert_eq!(apply(stamped(id, at(700))), Outcome::Duplicate, "{id}");
    }
    // Half of them are final after these, and what is final is not known any more.
    apply(stamped(count, at(700)));
    apply(stamped(count + 1, at(1_640)));
    assert_eq!(apply(stamped(0, at(1_641))), Outcome::Applied);
    assert_eq!(apply(stamped(0, at(1_642))), Outcome::Duplicate);
    assert_eq!(apply(stamped(count - 1, at(1_643))), Outcome::Duplicate);
}

#[test]
fn a_sensor_tells_65_535_types_of_traveler_apart_and_the_last_stands_for_the_rest() {
    let types = 65_600;
    let events = (0..types).map(|n| {
        let mut event = seen("ent-1", "somebody", n, at(1));
        let Body::Position(position) = &mut event.body else {
            unreachable!("it is one");
        };
        position.traveler_type = TravelerType::from(format!("type-{n}").as_str());
        position.traveler = format!("{n}").as_str().into();
        event
    });
    let store = folded_to_the_end(events);
    let entered = |key: &PaneKey| {
        (
            store.rows.panes[key].pane.entered,
            key.traveler_type.clone(),
        )
    };
    let mut entered: Vec<_> = store.rows.panes.keys().map(entered).collect();
    entered.sort_unstable();
    assert_eq!(entered.len(), 65_535);
    assert_eq!(entered[65_533].0, 1);
    assert_eq!(entered[65_534], (66, "type-65534".into()));
}
