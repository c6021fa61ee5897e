//! Announcements, holes, and what readers learn.

use std::collections::HashMap;

use domain::live::{FrameWrite, LiveMap, PaneValue, pane_field};
use domain::pane::{Pane, PaneKey};
use prost::Message;

use super::*;

const EVER: Range<Micros> = Micros::MIN..Micros(i64::MAX);

fn write(sensor: &str, start: i64, entered: Option<u32>, offset: i64) -> FrameWrite {
    let key = PaneKey {
        sensor: sensor.into(),
        traveler_type: "person".into(),
        start: Micros(start),
    };
    let value = entered.map(|entered| {
        let pane = Pane {
            entered,
            ..Pane::default()
        };
        PaneValue::new(&pane, offset, false).encode_to_vec()
    });
    FrameWrite {
        map: LiveMap::Panes.as_str().to_owned(),
        field: pane_field(&key),
        value,
    }
}

fn frame(generation: &str, seq: u64, next_offset: i64, writes: Vec<FrameWrite>) -> Frame {
    Frame {
        generation: generation.to_owned(),
        seq,
        next_offset,
        newest_received_us: 1_000_000,
        writes,
        watermark_us: None,
    }
}

fn image(generation: &str, seq: u64, next_offset: i64, panes: &[FrameWrite]) -> Image {
    Image {
        header: Header {
            generation: generation.to_owned(),
            seq,
            next_offset,
        },
        newest_received: None,
        panes: panes
            .iter()
            .map(|w| (w.field.clone(), w.value.clone().unwrap()))
            .collect(),
        sensors: Vec::new(),
    }
}

fn entered(view: &PaneView) -> HashMap<(i64, &str), Option<u32>> {
    let panes = view.panes.iter();
    panes
        .map(|(start, who, pane)| {
            let entered = pane.as_ref().map(|pane| pane.pane(true).entered);
            ((start.0, who.sensor.as_str()), entered)
        })
        .collect()
}

#[test]
fn announcements_follow_one_another_and_a_hole_is_seen() {
    let mirror = Mirror::default();
    let now = Micros(3_000_000);
    assert_eq!(
        mirror.apply(0, &frame("1-1", 1, 5, vec![]), now),
        Applied::Gap
    );
    mirror.replace(
        0,
        image("1-1", 4, 10, &[write("a", 0, Some(1), 9)]),
        Micros(0),
    );
    assert_eq!(
        mirror.apply(0, &frame("1-1", 4, 10, vec![]), now),
        Applied::Known
    );
    let next = frame(
        "1-1",
        5,
        12,
        vec![write("a", 0, Some(2), 11), write("a", 10, Some(7), 11)],
    );
    assert_eq!(mirror.apply(0, &next, now), Applied::Next);
    let all = mirror.panes(&EVER, |_| true);
    assert_eq!(
        entered(&all),
        HashMap::from([((0, "a"), Some(2)), ((10, "a"), Some(7))])
    );
    assert_eq!(
        mirror.apply(0, &frame("1-1", 7, 14, vec![]), now),
        Applied::Gap
    );
    assert_eq!(
        mirror.apply(0, &frame("2-1", 6, 14, vec![]), now),
        Applied::Gap
    );
    assert_eq!(mirror.status(now).offsets, BTreeMap::from([(0, 12)]));
}

#[test]
fn a_pane_that_left_the_live_view_is_gone_and_said_to_be() {
    let mirror = Mirror::default();
    let now = Micros(3_000_000);
    mirror.replace(
        0,
        image("1-1", 1, 10, &[write("a", 0, Some(1), 9)]),
        Micros(0),
    );
    let (version, _) = mirror.version();
    mirror.apply(0, &frame("1-1", 2, 20, vec![write("a", 0, None, 0)]), now);
    assert!(mirror.panes(&EVER, |_| true).panes.is_empty());
    let since = mirror.panes_since(version, &EVER, |_| true).unwrap();
    assert_eq!(entered(&since), HashMap::from([((0, "a"), None)]));
    mirror.replace(0, image("1-2", 1, 20, &[]), Micros(0));
    let lost = mirror.panes_since(since.version, &EVER, |_| true);
    assert!(lost.is_none(), "what was read anew has no history");
}

#[test]
fn a_reader_learns_what_changed_and_no_more() {
    let mirror = Mirror::default();
    let now = Micros(3_000_000);
    mirror.replace(
        0,
        image(
            "1-1",
            1,
            10,
            &[write("a", 0, Some(1), 9), write("b", 0, Some(1), 9)],
        ),
        Micros(0),
    );
    let (version, gaps) = mirror.version();
    mirror.apply(
        0,
        &frame(
            "1-1",
            2,
            12,
            vec![write("b", 0, Some(2), 11), write("b", 20, Some(1), 11)],
        ),
        now,
    );
    mirror.apply(
        0,
        &frame("1-1", 3, 14, vec![write("b", 0, Some(3), 13)]),
        now,
    );
    let since = mirror
        .panes_since(version, &(Micros(0)..Micros(10)), |_| true)
        .unwrap();
    assert_eq!(entered(&since), HashMap::from([((0, "b"), Some(3))]));
    assert_eq!(since.gaps, gaps);
    assert!(
        mirror
            .panes_since(since.version, &EVER, |_| true)
            .unwrap()
            .panes
            .is_empty()
    );
    assert!(
        mirror
            .panes_since(version, &EVER, |who| who.sensor.as_str() == "a")
            .unwrap()
            .panes
            .is_empty()
    );
}

#[test]
fn it_is_stale_until_every_partition_was_read_and_while_redis_is_away() {
    let mirror = Mirror::default();
    let stale = || mirror.status(Micros(0)).stale;
    assert!(stale());
    mirror.set_connected(true);
    assert!(!stale(), "there is nothing to know yet");
    mirror.expect(BTreeSet::from([0, 1]));
    assert!(stale());
    mirror.replace(0, image("1-1", 1, 10, &[]), Micros(0));
    mirror.replace(1, image("1-1", 1, 10, &[]), Micros(0));
    assert!(!stale());
    mirror.set_missing(1);
    assert!(stale());
    mirror.replace(1, image("2-1", 1, 10, &[]), Micros(0));
    mirror.set_connected(false);
    assert!(stale());
}

#[test]
fn lag_is_how_late_the_newest_record_was_shown_until_nothing_comes_any_more() {
    let mirror = Mirror::default();
    assert_eq!(mirror.status(Micros(0)).lag_ms, None);
    mirror.replace(0, image("1-1", 1, 10, &[]), Micros(0));
    mirror.apply(0, &frame("1-1", 2, 12, vec![]), Micros(1_250_000));
    assert_eq!(mirror.status(Micros(9_000_000)).lag_ms, Some(250));
    assert_eq!(mirror.status(Micros(61_000_000)).lag_ms, Some(60_000));
}

#[test]
fn who_comes_back_learns_whether_something_final_was_revised_meanwhile() {
    let mirror = Mirror::default();
    let hour = Micros(7_200_000_000);
    let its_hour = hour..hour + HOUR;
    let the_next = hour + HOUR..hour + HOUR * 2;
    let revised = |instant, range| mirror.is_revised_since_instant(Micros(instant), range);
    assert!(revised(i64::MAX, &its_hour), "nothing was ever read");
    mirror.set_connected(true);
    mirror.replace(0, image("1-1", 1, 10, &[]), Micros(100));
    assert!(revised(99, &its_hour), "it was not there by then");
    assert!(!revised(100, &its_hour));
    let late = FrameWrite {
        map: LiveMap::Revised.as_str().to_owned(),
        ..write("a", hour.0 + 10_000_000, None, 0)
    };
    mirror.apply(0, &frame("1-1", 2, 12, vec![late]), Micros(200));
    assert!(revised(200, &its_hour));
    assert!(!revised(201, &its_hour));
    assert!(!revised(100, &the_next));
    mirror.set_connected(false);
    assert!(revised(201, &its_hour), "whatever was said is not heard");
    mirror.set_connected(true);
    mirror.replace(0, image("1-2", 1, 12, &[]), Micros(300));
    assert!(revised(299, &the_next), "announcements were lost");
    assert!(!revised(300, &its_hour));
}
