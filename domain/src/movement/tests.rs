//! The fold against brute force: whatever the order of arrival, with duplicates, ticks, checkpoints and restarts in
//! between, the rows are those of the set of samples.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::event::{DeviceState, Position, Status, TimeSource};
use crate::event_key::EventKey;
use crate::fold::Rows;
use crate::live::{LiveMap, OpenCount, SensorValue};
use crate::pane::{PANE, Pane, PaneKey};
use crate::quantity::Speed;

const START: i64 = 1_700_000_000;

/// A sample: (traveler, second × 10, id, x, y).
type Seen = (u8, i64, u16, i16, i16);

fn instant(tenths: i64) -> Micros {
    Micros(START * 1_000_000 + tenths * 100_000)
}

fn event(device: &str, at: Micros, body: Body) -> Event {
    Event {
        device: device.into(),
        event_time: at,
        received_at: at,
        time_source: TimeSource::Device,
        key: EventKey::default(),
        has_event_id: true,
        body,
    }
}

fn position((traveler, tenths, id, x, y): Seen) -> Event {
    let body = Body::Position(Position {
        traveler: format!("t{traveler}").into(),
        traveler_type: if traveler % 2 == 0 {
            "student".into()
        } else {
            "person".into()
        },
        x: f64::from(x) / 10.0,
        y: f64::from(y) / 10.0,
    });
    Event {
        key: EventKey::from_event_id(&format!("{id}")),
        ..event("ent-1", instant(tenths), body)
    }
}

fn tick(tenths: i64) -> Event {
    event("", instant(tenths), Body::Tick)
}

/// What Postgres holds after some checkpoints.
#[derive(Debug, Default)]
struct Store {
    visits: BTreeMap<VisitKey, VisitRow>,
    panes: HashMap<PaneKey, PaneRow>,
    late: usize,
}

impl Store {
    fn write(&mut self, rows: MovementRows) {
        for (key, row) in rows.visits {
            match row {
                Some(row) => self.visits.insert(key, row),
                None => self.visits.remove(&key),
            };
        }
        self.panes.extend(rows.panes);
        self.late += rows.late.len();
    }

    /// Visits and panes without what depends on the way they came about.
    fn answers(&self) -> Answers {
        let visits = self.visits.iter().map(|(key, row)| {
            (
                key.clone(),
                VisitRow {
                    revision: 0,
                    ..row.clone()
                },
            )
        });
        let panes = self
            .panes
            .iter()
            .map(|(key, row)| (key.clone(), row.pane.clone()));
        Answers {
            visits: visits.collect(),
            panes: panes.filter(|(_, pane)| !pane.is_empty()).collect(),
        }
    }
}

#[derive(Debug, Default, PartialEq)]
struct Answers {
    visits: BTreeMap<VisitKey, VisitRow>,
    panes: BTreeMap<PaneKey, Pane>,
}

/// The definitions, word for word, over all samples at once.
fn brute_force(samples: &[Seen], idle_gap: Span) -> Answers {
    let mut unique: Vec<Event> = samples.iter().copied().map(position).collect();
    let subject = |event: &Event| match &event.body {
        Body::Position(p) => (p.traveler_type.clone(), p.traveler.clone(), p.x, p.y),
        _ => unreachable!("only positions are made here"),
    };
    unique.sort_by_key(|event| (subject(event).1, event.event_time, event.key));
    unique.dedup_by_key(|event| (subject(event).1, event.event_time, event.key));
    let mut answers = Answers::default();
    for traveler in unique.chunk_by(|a, b| subject(a).1 == subject(b).1) {
        for visit in traveler.chunk_by(|a, b| b.event_time - a.event_time <= idle_gap) {
            let (traveler_type, traveler, ..) = subject(&visit[0]);
            let (first, last) = (visit[0].event_time, visit[visit.len() - 1].event_time);
            let mut pane = |at: Micros, change: &mut dyn FnMut(&mut Pane)| {
                let key = PaneKey {
                    sensor: "ent-1".into(),
                    traveler_type: traveler_type.clone(),
                    start: at.floor(PANE),
                };
                change(answers.panes.entry(key).or_default());
            };
            pane(first, &mut |pane| pane.entered += 1);
            let mut at = first.floor(PANE);
            while at <= last {
                pane(at, &mut |pane| pane.present += 1);
                at = at + PANE;
            }
            let mut speeds = Vec::new();
            let mut distance = 0;
            for pair in visit.windows(2) {
                let (a, b) = (subject(&pair[0]), subject(&pair[1]));
                let metres = (b.2 - a.2).hypot(b.3 - a.3);
                distance += crate::quantity::Distance::from_m(metres).0;
                let seconds = (pair[1].event_time - pair[0].event_time).as_secs_f64();
                if seconds > 0.0 {
                    let speed = Speed::from_m_s(metres / seconds);
                    speeds.push(speed);
                    pane(pair[1].event_time, &mut |pane| pane.speed.add(speed));
                }
            }
            let key = VisitKey {
                sensor: "ent-1".into(),
                traveler,
                traveler_type,
                entered_at: first,
            };
            let row = VisitRow {
                left_at: last,
                samples: u32::try_from(visit.len()).unwrap(),
                distance: crate::quantity::Distance(distance),
                speed_n: u32::try_from(speeds.len()).unwrap(),
                speed_sum: Speed(speeds.iter().map(|speed| speed.0).sum()),
                speed_min: speeds.iter().copied().min().unwrap_or_default(),
                speed_max: speeds.iter().copied().max().unwrap_or_default(),
                revision: 0,
            };
            answers.visits.insert(key, row);
        }
    }
    answers
}

/// What happens between two samples.
#[derive(Clone, Copy, Debug)]
enum Between {
    Nothing,
    Tick,
    Checkpoint,
    Restart,
    Live,
}

fn between() -> impl Strategy<Value = Between> {
    prop_oneof![
        6 => Just(Between::Nothing),
        1 => Just(Between::Tick),
        1 => Just(Between::Checkpoint),
        1 => Just(Between::Restart),
        1 => Just(Between::Live),
    ]
}

/// Folds `samples` in that order and closes everything.
fn folded_with(config: &MovementConfig, samples: &[(Seen, Between)]) -> Store {
    let mut fold = MovementFold::new(config);
    let mut store = Store::default();
    let mut newest = 0;
    let mut offset = 0;
    let mut apply = |fold: &mut MovementFold, event: Event| {
        offset += 1;
        fold.apply(event, offset)
    };
    for &(seen, between) in samples {
        newest = newest.max(seen.1);
        apply(&mut fold, position(seen));
        match between {
            Between::Nothing => {}
            // A tick that is ahead of the sensor and one that it made quiet.
            Between::Tick => {
                apply(&mut fold, tick(newest + 150));
                apply(&mut fold, tick(newest + 700));
            }
            Between::Checkpoint => store.write(fold.drain_rows()),
            Between::Restart => {
                store.write(fold.drain_rows());
                fold = MovementFold::restore(&fold.snapshot(), config).unwrap();
            }
            Between::Live => drop(fold.drain_live(true)),
        }
    }
    // Two ticks: the first finds the sensor still talking.
    apply(&mut fold, tick(newest + 100_000));
    apply(&mut fold, tick(newest + 200_000));
    store.write(fold.drain_rows());
    store
}

fn folded(samples: &[(Seen, Between)]) -> Store {
    folded_with(&MovementConfig::default(), samples)
}

fn check_with(config: &MovementConfig, samples: &[(Seen, Between)]) {
    let seen: Vec<Seen> = samples.iter().map(|(seen, _)| *seen).collect();
    assert_eq!(
        folded_with(config, samples).answers(),
        brute_force(&seen, config.idle_gap)
    );
}

fn check(samples: &[(Seen, Between)]) {
    check_with(&MovementConfig::default(), samples);
}

fn plain(samples: &[Seen]) -> Vec<(Seen, Between)> {
    samples
        .iter()
        .map(|seen| (*seen, Between::Nothing))
        .collect()
}

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
    assert_eq!(one.visits.len(), 1);
    let two = folded(&plain(&[(1, 0, 1, 0, 0), (1, 301, 2, 30, 0)]));
    assert_eq!(two.visits.len(), 2);
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
    assert_eq!(folded(&samples).visits.len(), 2);
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
fn an_event_behind_the_watermark_changes_no_answer_and_is_kept() {
    let mut samples = vec![(1, 0, 1, 0, 0), (1, 13_000, 2, 10, 0)];
    let before = folded(&plain(&samples)).answers();
    samples.push((1, 5, 3, 9, 9));
    let after = folded(&plain(&samples));
    assert_eq!(after.answers(), before);
    assert_eq!(after.late, 1);
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
    assert_eq!(fold.apply(position((1, 200, 3, 0, 0)), 5), Outcome::Late);
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

fn status(tenths: i64, state: DeviceState) -> Event {
    let body = Body::Status(Status {
        state,
        battery_percent: None,
        firmware: None,
    });
    event("ent-1", instant(tenths), body)
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
    let up: u32 = rows
        .up
        .values()
        .flat_map(|row| row.bits)
        .map(u8::count_ones)
        .sum();
    assert_eq!(up, 10, "0:00 to 1:40, in panes");
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

fn samples() -> impl Strategy<Value = Vec<(Seen, Between)>> {
    let seen = (0..4_u8, 0..1500_i64, 0..200_u16, -50..50_i16, -50..50_i16);
    prop::collection::vec((seen, between()), 1..80).prop_map(|mut samples| {
        // One event id stands for one position, as a device that re-sends would have it.
        let mut known: HashMap<(u8, i64, u16), (i16, i16)> = HashMap::new();
        for (seen, _) in &mut samples {
            let at = *known
                .entry((seen.0, seen.1, seen.2))
                .or_insert((seen.3, seen.4));
            (seen.3, seen.4) = at;
        }
        let copies: Vec<_> = samples.iter().step_by(7).copied().collect();
        samples.extend(copies);
        samples
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_order_of_arrival_gives_the_answer_of_the_set(samples in samples(), idle_gap in 1..40_i64) {
        let idle_gap = Span::from_secs(idle_gap);
        check_with(&MovementConfig { idle_gap, ..MovementConfig::default() }, &samples);
    }

    /// Over hours, roughly in order: samples are sealed, tracks and panes expire, and nothing is lost by that.
    #[test]
    fn forgetting_what_is_final_changes_no_answer(samples in samples(), stretch in 1..20_i64, jitter in 0..2_000_i64) {
        let mut long: Vec<(Seen, Between)> = samples
            .into_iter()
            .enumerate()
            .map(|(n, ((traveler, tenths, id, x, y), between))| {
                let n = i64::try_from(n).unwrap();
                ((traveler, n * stretch * 10 + tenths * jitter / 1500, id, x, y), between)
            })
            .collect();
        let mut newest = 0;
        long.retain(|(seen, _)| {
            newest = newest.max(seen.1);
            seen.1 >= newest - 1_200
        });
        let lateness = Span::from_secs(120);
        check_with(&MovementConfig { lateness, ..MovementConfig::default() }, &long);
    }

    #[test]
    fn equal_logs_give_equal_snapshots(samples in samples()) {
        let state = |restart: bool| {
            let config = MovementConfig::default();
            let mut fold = MovementFold::new(&config);
            for (offset, (seen, _)) in (0..).zip(&samples) {
                fold.apply(position(*seen), offset);
                if restart {
                    drop(fold.drain_rows());
                    fold = MovementFold::restore(&fold.snapshot(), &config).unwrap();
                }
            }
            drop(fold.drain_rows());
            fold.snapshot()
        };
        prop_assert_eq!(state(false), state(true));
    }
}
