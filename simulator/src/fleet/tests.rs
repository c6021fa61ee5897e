use std::collections::{HashMap, HashSet};

use domain::rejection::Reason;
use jiff::tz::TimeZone;

use super::*;
use crate::demand::Profile;
use crate::message::Displacement;

const START: Micros = Micros(1_763_724_000_000_000);

fn config(shares: Shares, limit: Limit) -> FleetConfig {
    FleetConfig {
        scenario: Scenario::Campus,
        plan: Scenario::Campus.plan(None),
        demand: Demand {
            profile: Profile::Busy,
            people: 300.0,
            tz: TimeZone::UTC,
        },
        opening: Opening::Full,
        shares,
        seed: 11,
        start: START,
        limit,
    }
}

const ROUGH: Shares = Shares {
    late_percent: 2.0,
    out_of_order_percent: 10.0,
    duplicate_percent: 10.0,
    invalid_percent: 3.0,
};

#[test]
fn one_seed_gives_the_same_bytes_and_another_one_others() {
    let messages = |seed| {
        let config = FleetConfig {
            seed,
            ..config(ROUGH, Limit::Events(3_000))
        };
        Fleet::new(config).collect::<Vec<_>>()
    };
    assert_eq!(messages(1), messages(1));
    assert_ne!(messages(1), messages(2));
}

#[test]
fn the_limit_counts_different_events_and_nothing_that_was_made_is_left_behind() {
    let mut numbers: Vec<u64> = Fleet::new(config(ROUGH, Limit::Events(20_000)))
        .filter_map(|message| message.event().map(|event| event.number))
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..20_000).collect::<Vec<_>>());
}

#[test]
fn shares_are_what_was_asked_for() {
    let mut counts: HashMap<&str, f64> = HashMap::new();
    let mut reasons = HashSet::new();
    for message in Fleet::new(config(ROUGH, Limit::Events(50_000))) {
        let name = match &message.content {
            Content::Duplicate(_) => "duplicate",
            Content::Invalid { reason, .. } => {
                reasons.insert(*reason);
                "invalid"
            }
            Content::Event(event) if event.displacement == Displacement::Late => "late",
            Content::Event(event) if event.displacement == Displacement::OutOfOrder => {
                "out_of_order"
            }
            Content::Event(_) | Content::Status => continue,
        };
        *counts.entry(name).or_default() += 1.0 / 500.0;
    }
    for (name, percent) in [
        ("duplicate", 10.0),
        ("invalid", 3.0),
        ("late", 2.0),
        ("out_of_order", 10.0),
    ] {
        assert!(
            (counts[name] / percent - 1.0).abs() < 0.1,
            "{name}: {} %",
            counts[name]
        );
    }
    let expected = [
        Reason::BadJson,
        Reason::MissingField,
        Reason::BadField,
        Reason::BadTimestamp,
        Reason::OutOfRange,
    ];
    assert_eq!(reasons, HashSet::from(expected));
}

#[test]
fn nothing_is_sent_more_than_eighteen_minutes_behind_its_sensor() {
    let shares = Shares {
        late_percent: 30.0,
        duplicate_percent: 30.0,
        ..ROUGH
    };
    let mut newest: HashMap<u16, Micros> = HashMap::new();
    let mut events = HashMap::new();
    let mut furthest = Span(0);
    for message in Fleet::new(config(shares, Limit::Events(100_000))) {
        let at = match &message.content {
            Content::Duplicate(number) => events[number],
            Content::Status => message.send_at,
            Content::Event(event) => event.sighting.at,
            Content::Invalid { beside, .. } => match beside {
                Some(event) => event.sighting.at,
                None => continue,
            },
        };
        if let Some(event) = message.event() {
            events.insert(event.number, event.sighting.at);
        }
        let newest = newest.entry(message.sensor).or_insert(at);
        *newest = at.max(*newest);
        furthest = furthest.max(*newest - at);
    }
    let bound = crate::disturb::LATE_MAX.0 + crate::disturb::SWAP_MAX.0;
    assert!(furthest.0 <= bound, "{} s", furthest.as_secs_f64());
    assert!(
        furthest.0 > bound / 2,
        "the bound is put to the test: {} s",
        furthest.as_secs_f64()
    );
}

#[test]
fn messages_come_in_the_order_of_sending_and_never_before_their_event() {
    let messages: Vec<_> =
        Fleet::new(config(ROUGH, Limit::Until(START + Span::from_secs(120)))).collect();
    assert!(messages.is_sorted_by_key(|message| message.send_at));
    for message in &messages {
        if let Some(event) = message.event() {
            assert!(message.send_at >= event.sighting.at);
        }
    }
    assert!(messages.last().unwrap().send_at <= START + Span::from_secs(121));
}

#[test]
fn heartbeats_come_every_thirty_seconds_and_a_silent_sensor_sends_nothing() {
    let end = START + Span::from_secs(720);
    let fleet = Fleet::new(config(Shares::default(), Limit::Until(end)));
    let sports = fleet
        .plan()
        .sensors
        .iter()
        .position(|sensor| sensor.id == "sh-1")
        .unwrap();
    let sports = u16::try_from(sports).unwrap();
    let mut beats: HashMap<u16, u32> = HashMap::new();
    let mut silent_from = START;
    let mut longest = Span(0);
    for message in fleet {
        if message.kind == Kind::Status {
            *beats.entry(message.sensor).or_default() += 1;
        }
        if message.sensor == sports {
            longest = longest.max(message.send_at - silent_from);
            silent_from = message.send_at;
        }
    }
    assert_eq!(beats[&0], 24);
    assert_eq!(beats[&sports], 12);
    assert!(
        longest >= Span::from_secs(360),
        "{} s",
        longest.as_secs_f64()
    );
}

#[test]
fn disturbing_changes_no_sighting() {
    let sightings = |shares| {
        let mut all: Vec<_> = Fleet::new(config(shares, Limit::Events(5_000)))
            .filter_map(|message| message.event().map(|event| event.sighting))
            .collect();
        all.sort_by_key(|sighting| (sighting.at, sighting.number, sighting.x_mm));
        all
    };
    assert_eq!(sightings(ROUGH), sightings(Shares::default()));
}
