//! The simulator and the product must agree: what the decoder refuses, and what the fold answers, compared with the
//! brute-force truth. Two independent computations of the same definitions.

use std::collections::{BTreeMap, BTreeSet};

use decoders::{Decoder, Overrides, decode};
use domain::event::{Body, Event, TimeSource};
use domain::event_key::EventKey;
use domain::fold::{Fold, Outcome, Rows};
use domain::movement::{MovementConfig, MovementFold, MovementRows};
use domain::time::{Micros, Span};
use jiff::tz::TimeZone;
use simulator::demand::{Demand, Profile};
use simulator::disturb::Shares;
use simulator::fleet::{Fleet, FleetConfig, Limit};
use simulator::message::{Content, Message};
use simulator::plan::Scenario;
use simulator::truth::{Rules, Speeds, Truth, truth};
use simulator::world::Opening;

const START: Micros = Micros(1_763_724_000_000_000);

fn fleet(scenario: Scenario, seed: u64, events: u64) -> Fleet {
    Fleet::new(FleetConfig {
        scenario,
        plan: scenario.plan(None),
        demand: Demand {
            profile: Profile::Busy,
            people: 150.0,
            tz: TimeZone::UTC,
        },
        opening: Opening::Full,
        shares: Shares {
            late_percent: 4.0,
            out_of_order_percent: 10.0,
            duplicate_percent: 10.0,
            invalid_percent: 2.0,
        },
        seed,
        start: START,
        limit: Limit::Events(events),
    })
}

/// What the native decoder makes of a message, received when it was sent.
fn decoded(message: &Message, sensor: &str) -> (Vec<Event>, Vec<&'static str>) {
    let overrides = Overrides::default();
    let topic = format!("footfall/main/{sensor}/{}", message.kind.as_str());
    let decoded = decode(
        Decoder::Native,
        &decoders::Message {
            topic: &topic,
            device: Some(sensor),
            kind: message.kind.as_str(),
            payload: &message.payload,
            received_at: message.send_at,
            overrides: &overrides,
        },
    );
    let reasons = decoded
        .refused
        .iter()
        .map(|refused| refused.rejection.reason.as_str());
    let reasons = reasons.collect();
    (decoded.events, reasons)
}

#[test]
fn the_decoder_takes_and_refuses_what_the_simulator_says_it_must() {
    let fleet = fleet(Scenario::Campus, 3, 20_000);
    let plan = fleet.plan().clone();
    let mut refused = BTreeMap::new();
    for message in fleet {
        let (events, reasons) = decoded(&message, &plan.sensors[usize::from(message.sensor)].id);
        assert!(
            events
                .iter()
                .all(|event| event.time_source == TimeSource::Device)
        );
        let (expected_events, expected_reasons) = match &message.content {
            Content::Event(_) | Content::Duplicate(_) | Content::Status => (1, vec![]),
            Content::Invalid { reason, beside } => {
                (usize::from(beside.is_some()), vec![reason.as_str()])
            }
        };
        assert_eq!(reasons, expected_reasons, "{:?}", message.payload);
        assert_eq!(events.len(), expected_events, "{:?}", message.payload);
        for reason in reasons {
            *refused.entry(reason).or_insert(0) += 1;
        }
    }
    assert!(refused.len() >= 5, "{refused:?}");
}

/// When the gateway's clock ticks during a run.
#[derive(Clone, Copy)]
enum Ticks {
    /// With the events.
    Live,
    /// Hours ahead of them, as when a backlog is published.
    Ahead,
}

fn tick(at: Micros) -> Event {
    Event {
        device: "".into(),
        event_time: at,
        received_at: at,
        time_source: TimeSource::Device,
        key: EventKey::default(),
        has_event_id: false,
        body: Body::Tick,
    }
}

/// What a fold made of a fleet's messages, and what is true of them.
struct Answers {
    rows: MovementRows,
    truth: Truth,
    outcomes: BTreeMap<&'static str, u64>,
}

fn fold(mut fleet: Fleet, ticks: Ticks, config: &MovementConfig) -> Answers {
    let sensors = fleet.plan().sensors.clone();
    let mut movement = MovementFold::new(config);
    let (mut rows, mut outcomes, mut samples) =
        (MovementRows::default(), BTreeMap::new(), Vec::new());
    let (mut offset, mut ticked, mut end) = (0, START, START);
    while let Some(message) = fleet.next() {
        end = message.send_at;
        samples.extend(message.event().map(|event| fleet.sample(event)));
        let (mut records, _) = decoded(&message, &sensors[usize::from(message.sensor)].id);
        if end - ticked >= Span::from_secs(10) {
            ticked = end;
            records.push(tick(match ticks {
                Ticks::Live => end,
                Ticks::Ahead => end + Span::from_secs(6 * 3_600),
            }));
        }
        for record in records {
            let outcome: Outcome = movement.apply(record, offset);
            *outcomes.entry(outcome.as_str()).or_insert(0) += 1;
            offset += 1;
        }
        if offset % 500 == 0 {
            rows.absorb(movement.drain_rows());
        }
    }
    movement.apply(tick(end + Span::from_secs(12 * 3_600)), offset);
    rows.absorb(movement.drain_rows());
    Answers {
        rows,
        truth: truth(samples, Rules::default()),
        outcomes,
    }
}

/// Visits and panes of either side as text, each with everything that the definitions say about it.
fn folded(rows: &MovementRows) -> BTreeSet<String> {
    let visits = rows.visits.iter().filter_map(|(key, row)| {
        let row = row.as_ref()?;
        let speeds = (
            row.speed_n,
            row.speed_sum.0,
            row.speed_min.0,
            row.speed_max.0,
        );
        let rest = (row.left_at, row.samples, row.distance.0, speeds);
        let who = (
            key.sensor.as_str(),
            key.traveler.as_str(),
            key.traveler_type.as_str(),
        );
        Some(format!("visit {} {who:?} {rest:?}", key.entered_at))
    });
    let panes = rows
        .panes
        .iter()
        .filter(|(_, row)| !row.pane.is_empty())
        .map(|(key, row)| {
            let speed = &row.pane.speed;
            let rest = (row.pane.entered, row.pane.present);
            let speeds = (speed.n, speed.sum.0, speed.min.0, speed.max.0);
            let place = (key.sensor.as_str(), key.traveler_type.as_str());
            format!("pane {} {place:?} {rest:?} {speeds:?}", key.start)
        });
    visits.chain(panes).collect()
}

fn expected(truth: &Truth) -> BTreeSet<String> {
    let visits = truth.visits.iter().map(|visit| {
        let Speeds { n, sum, min, max } = visit.speeds;
        let rest = (
            visit.left_at,
            visit.samples,
            visit.distance_nm,
            (n, sum, min, max),
        );
        let who = (
            visit.sensor.as_str(),
            visit.traveler_id.as_str(),
            visit.traveler_type.as_str(),
        );
        format!("visit {} {who:?} {rest:?}", visit.entered_at)
    });
    let panes = truth.panes.iter().map(|(key, pane)| {
        let Speeds { n, sum, min, max } = pane.speeds;
        let (rest, speeds) = ((pane.entered, pane.present), (n, sum, min, max));
        let place = (key.sensor.as_str(), key.traveler_type.as_str());
        format!("pane {} {place:?} {rest:?} {speeds:?}", key.start)
    });
    visits.chain(panes).collect()
}

/// Where the two answers differ.
fn differences(answers: &Answers) -> Vec<String> {
    let (folded, expected) = (folded(&answers.rows), expected(&answers.truth));
    assert!(
        expected.len() > 1_000,
        "{} rows put nothing to the test",
        expected.len()
    );
    folded.symmetric_difference(&expected).cloned().collect()
}

#[track_caller]
fn check(scenario: Scenario, seed: u64, events: u64, ticks: Ticks) {
    let answers = fold(
        fleet(scenario, seed, events),
        ticks,
        &MovementConfig::default(),
    );
    assert!(
        answers.outcomes["duplicate"] > events / 20,
        "{:?}",
        answers.outcomes
    );
    assert_eq!(answers.outcomes.get("late"), None, "{:?}", answers.outcomes);
    assert_eq!(differences(&answers), Vec::<String>::new());
}

#[test]
fn the_fold_gives_the_true_answer_for_a_campus() {
    // Some forty minutes of event time: past the lateness of twenty.
    check(Scenario::Campus, 1, 50_000, Ticks::Live);
}

#[test]
fn the_fold_gives_the_true_answer_for_a_crossing() {
    check(Scenario::Crossing, 2, 60_000, Ticks::Live);
}

#[test]
fn the_fold_gives_the_true_answer_for_a_backlog() {
    check(Scenario::Campus, 5, 50_000, Ticks::Ahead);
}

#[test]
fn a_fold_with_wrong_rules_is_caught() {
    let mutants = [
        MovementConfig {
            idle_gap: Span::from_secs(60),
            ..MovementConfig::default()
        },
        MovementConfig {
            lateness: Span::from_secs(10 * 60),
            ..MovementConfig::default()
        },
    ];
    for mutant in mutants {
        let answers = fold(fleet(Scenario::Campus, 1, 50_000), Ticks::Live, &mutant);
        assert!(!differences(&answers).is_empty(), "{mutant:?}");
    }
}
