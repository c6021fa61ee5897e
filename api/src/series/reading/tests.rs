//! A reading that is kept stays equal to one that is made anew.

use std::collections::{BTreeSet, HashSet};

use domain::live::{SensorValue, UpHour};
use domain::pane::PANE;
use domain::series::{Expected, Grid};
use domain::time::Span;
use proptest::prelude::*;

use super::*;
use crate::sensors::KnownSensor;
use crate::series::metric::Metric;

fn question(group_by: GroupBy) -> Arc<Question> {
    Arc::new(Question::for_tests(Metric::Entries, group_by))
}

fn who(sensor: u8, kind: u8) -> Arc<Who> {
    Arc::new(Who {
        sensor: format!("s{sensor}").into(),
        traveler_type: format!("k{kind}").into(),
    })
}

/// What happens to a pane: it opens or changes, or it leaves the live view.
#[derive(Clone, Copy, Debug)]
enum Step {
    Put {
        start: i64,
        who: (u8, u8),
        entered: u32,
    },
    Close {
        start: i64,
        who: (u8, u8),
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let slot = (0..3_i64, (0..2_u8, 0..2_u8));
    let step = prop_oneof![
        3 => (slot.clone(), 0..5_u32).prop_map(|((start, who), entered)| Step::Put { start, who, entered }),
        1 => slot.prop_map(|(start, who)| Step::Close { start, who }),
    ];
    prop::collection::vec(step, 0..40)
}

fn pane(entered: u32) -> Pane {
    Pane {
        entered,
        present: entered,
        ..Pane::default()
    }
}

fn group() -> impl Strategy<Value = GroupBy> {
    prop_oneof![
        Just(GroupBy::None),
        Just(GroupBy::Sensor),
        Just(GroupBy::Type)
    ]
}

/// A sensor of which the live view says that it was up in the first panes of some hours.
fn up_in(hours: &[(i64, u8)]) -> Sensors {
    let hour = |(hour, panes): &(i64, u8)| UpHour {
        hour_us: hour * 3_600_000_000,
        bits: [&[*panes][..], &[0; 44]].concat(),
    };
    let value = SensorValue {
        up: hours.iter().map(hour).collect(),
        ..SensorValue::default()
    };
    let known = KnownSensor {
        heard: Some(Heard::from_live(Arc::new(value), None)),
        ..KnownSensor::default()
    };
    Sensors::from([(DeviceId::from("s0"), known)])
}

#[test]
fn coverage_that_the_live_view_has_taken_back_is_not_kept() {
    let mut question = Question::for_tests(Metric::Entries, GroupBy::None);
    question.sensors = vec![DeviceId::from("s0")];
    let mut reading = Reading::new(Arc::new(question), Micros(0)..Micros(i64::MAX));
    let hour = Span::from_secs(3600);
    let grid = Grid::over(Micros(0)..Micros(0) + hour * 2, hour, hour);
    let expected = Expected {
        always: HashSet::from([DeviceId::from("s0")]),
        ..Expected::default()
    };
    let mut up = |sensors: Sensors| {
        reading.take_in_uptime(&sensors);
        let shares = reading
            .uptime("")
            .unwrap()
            .coverage(&grid, &expected, Micros(i64::MAX / 2));
        shares.into_iter().map(|share| (share * 360.0).round())
    };
    // It spoke just before the full hour, and was taken for alive for a while.
    assert!(up(up_in(&[(0, 0b1111), (1, 0b11)])).eq([4.0, 2.0]));
    assert!(up(up_in(&[(0, 0b0011)])).eq([2.0, 0.0]));
}

proptest! {
    #[test]
    fn the_merged_panes_are_the_newest_of_each(
        settled in prop::collection::vec((0..3_i64, (0..2_u8, 2..4_u8), 1..5_u32), 0..10),
        steps in steps(),
        group_by in group(),
    ) {
        let question = question(group_by);
        let mut reading = Reading::new(Arc::clone(&question), Micros(0)..Micros(i64::MAX));
        let mut truth: BTreeMap<(Micros, Arc<Who>), u32> = BTreeMap::new();
        for (start, (sensor, kind), entered) in settled {
            let (start, who) = (Micros(start * PANE.0), who(sensor, kind));
            let group = question.group_of(&who).to_owned();
            reading.strips.entry(group).or_default().add(start, &pane(entered));
            *truth.entry((start, who)).or_default() += entered;
        }
        // A pane that has left the live view is final.
        let mut closed = BTreeSet::new();
        for (offset, step) in steps.into_iter().enumerate() {
            match step {
                Step::Put { start, who: (sensor, kind), entered } => {
                    let slot = (Micros(start * PANE.0), who(sensor, kind));
                    if closed.contains(&slot) {
                        continue;
                    }
                    let open = OpenPane { pane: pane(entered), changed_offset: i64::try_from(offset).unwrap() };
                    reading.put_open(slot.0, Arc::clone(&slot.1), open);
                    let older = OpenPane { pane: pane(99), changed_offset: -1 };
                    reading.put_open(slot.0, Arc::clone(&slot.1), older);
                    truth.insert(slot, entered);
                }
                Step::Close { start, who: (sensor, kind) } => {
                    let slot = (Micros(start * PANE.0), who(sensor, kind));
                    reading.close(slot.0, &slot.1);
                    if truth.contains_key(&slot) {
                        closed.insert(slot);
                    }
                }
            }
        }
        let mut expected: BTreeMap<(String, Micros), u32> = BTreeMap::new();
        for ((start, who), entered) in &truth {
            *expected.entry((question.group_of(who).to_owned(), *start)).or_default() += entered;
        }
        for ((group, start), entered) in expected {
            let found = reading.strip(&group).and_then(|strip| strip.get(start)).map_or(0, |pane| pane.entered);
            prop_assert_eq!(found, entered, "{} at {}", group, start);
        }
    }
}
