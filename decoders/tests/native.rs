//! What the native decoder makes of messages: tables of good and bad ones, and the promise that nothing makes it panic.

use decoders::{DEPTH_MAX, Decoded, Decoder, ELEMENTS_MAX, Message, Overrides, Unit, decode};
use domain::event::{Body, DeviceState, Event, Position, Status, TimeSource};
use domain::event_key::EventKey;
use domain::rejection::Reason;
use domain::time::Micros;
use proptest::prelude::*;
use rstest::rstest;

/// 2025-03-19T09:05:13Z
const RECEIVED: Micros = Micros(1_742_375_113_000_000);

fn read<'a>(kind: &'a str, payload: &'a [u8], overrides: &'a Overrides) -> Decoded<'a> {
    decode(
        Decoder::Native,
        &Message {
            topic: "footfall/main/ent-1/positions",
            device: Some("ent-1"),
            kind,
            payload,
            received_at: RECEIVED,
            overrides,
        },
    )
}

fn events(kind: &str, payload: &str) -> Vec<Event> {
    let overrides = Overrides::default();
    let decoded = read(kind, payload.as_bytes(), &overrides);
    assert_eq!(decoded.refused, [], "{payload}");
    decoded.events
}

fn position(payload: &str) -> (Event, Position) {
    let event = events("positions", payload).remove(0);
    let Body::Position(position) = event.body.clone() else {
        panic!("{payload} became {event:?}");
    };
    (event, position)
}

fn status(payload: &str) -> Status {
    match events("status", payload).remove(0).body {
        Body::Status(status) => status,
        other => panic!("{payload} became {other:?}"),
    }
}

/// The reasons of all refused elements, and the explanation of the first.
fn refusal(kind: &str, payload: &[u8]) -> (Vec<Reason>, String) {
    let overrides = Overrides::default();
    let decoded = read(kind, payload, &overrides);
    let reasons = decoded.refused.iter().map(|r| r.rejection.reason).collect();
    let detail = decoded.refused.first().map(|r| r.rejection.detail.clone());
    (reasons, detail.unwrap_or_default())
}

#[test]
fn a_position_carries_everything_the_device_said() {
    let (event, body) = position(
        r#"{"traveler_id":"t-1","traveler_type":"bicycle","x":1.5,"y":-2,"timestamp":"2025-03-19T09:05:12Z",
            "event_id":"d82e3a4e-2c21-4a5a-a6bb-70e8c12f66c5","sensor_id":"ent-2","colour":{"r":[1]}}"#,
    );
    assert_eq!(event.device.as_str(), "ent-2");
    assert_eq!(event.event_time, Micros(1_742_375_112_000_000));
    assert_eq!(event.received_at, RECEIVED);
    assert_eq!(event.time_source, TimeSource::Device);
    assert_eq!(
        event.key,
        EventKey::from_event_id("d82e3a4e-2c21-4a5a-a6bb-70e8c12f66c5")
    );
    assert!(event.has_event_id);
    let expected = Position {
        traveler: "t-1".into(),
        traveler_type: "bicycle".into(),
        x: 1.5,
        y: -2.0,
    };
    assert_eq!(body, expected);
}

#[test]
fn a_position_needs_no_more_than_a_traveler_and_a_place() {
    let (event, body) = position(r#" {"traveler_id":7,"x":0,"y":1e6,"event_id":null}"#);
    assert_eq!(event.device.as_str(), "ent-1");
    assert_eq!(
        (event.event_time, event.time_source),
        (RECEIVED, TimeSource::Received)
    );
    assert!(!event.has_event_id);
    assert_eq!(body.traveler.as_str(), "7");
    assert_eq!(body.traveler_type.as_str(), "person");
}

#[test]
fn an_event_without_an_id_is_known_by_its_values() {
    let key = |payload: &str| position(payload).0.key;
    let first = key(r#"{"traveler_id":"t","x":0.0,"y":1}"#);
    let again =
        r#"{"y":1.0,"x":-0.0,"traveler_id":"t","timestamp":"2025-03-19T09:05:12Z","event_id":""}"#;
    assert_eq!(first, key(again), "only the values count");
    for other in [
        r#"{"traveler_id":"t","x":0.0,"y":1.5}"#,
        r#"{"traveler_id":"u","x":0.0,"y":1}"#,
        r#"{"traveler_id":"t","x":0.0,"y":1,"traveler_type":"student"}"#,
        r#"{"traveler_id":"t","x":0.0,"y":1,"sensor_id":"ent-9"}"#,
    ] {
        assert_ne!(first, key(other), "{other}");
    }
}

#[test]
fn the_route_knows_unit_and_time_zone_better() {
    let overrides = Overrides {
        unit: Unit::Centimetre,
        timezone: Some(jiff::tz::TimeZone::get("Europe/Berlin").unwrap()),
        zone: None,
    };
    let payload = br#"{"traveler_id":1,"x":150,"y":1e8,"timestamp":"2025-03-19T10:05:12"}"#;
    let decoded = read("positions", payload, &overrides);
    assert_eq!(decoded.events[0].event_time, Micros(1_742_375_112_000_000));
    let far = br#"{"traveler_id":1,"x":150,"y":1.1e8}"#;
    let decoded = read("positions", far, &overrides);
    assert_eq!(decoded.refused[0].rejection.reason, Reason::OutOfRange);
}

#[rstest]
#[case("online", DeviceState::Online)]
#[case(" offline\n", DeviceState::Offline)]
#[case(r#""heartbeat""#, DeviceState::Heartbeat)]
#[case(r#"{"state":"online"}"#, DeviceState::Online)]
fn a_status_may_be_the_bare_word(#[case] payload: &str, #[case] state: DeviceState) {
    assert_eq!(status(payload).state, state);
}

#[test]
fn a_status_carries_battery_and_firmware() {
    let status = status(r#"{"state":"heartbeat","battery_percent":81.5,"firmware":"1.2"}"#);
    assert_eq!(status.battery_percent, Some(81.5));
    assert_eq!(status.firmware.as_deref(), Some("1.2"));
}

#[rstest]
#[case("positions", "", Reason::BadJson, "found nothing")]
#[case("positions", "hello", Reason::BadJson, "found other text")]
#[case(
    "positions",
    r#"{"traveler_id":"t","x":1,"y":2"#,
    Reason::BadJson,
    "EOF"
)]
#[case(
    "positions",
    r#"[{"traveler_id":"t","x":1,"y":2},"#,
    Reason::BadJson,
    "EOF"
)]
#[case(
    "positions",
    r#"{"traveler_id":"t","x":1,"y":2} {}"#,
    Reason::BadJson,
    "trailing"
)]
#[case(
    "positions",
    "7",
    Reason::UnknownShape,
    "expected a JSON object, found 7"
)]
#[case("positions", r#""on""#, Reason::UnknownShape, r#"found "on""#)]
#[case("positions", "null", Reason::UnknownShape, "found null")]
#[case(
    "positions",
    r#"{"x":1,"y":2}"#,
    Reason::MissingField,
    "field traveler_id: expected text or an integer, found no such field"
)]
#[case(
    "positions",
    r#"{"traveler_id":"t","x":null,"y":2}"#,
    Reason::MissingField,
    "field x: expected a number of metres, found null"
)]
#[case(
    "positions",
    r#"{"traveler_id":"t","x":"abc","y":2}"#,
    Reason::BadField,
    r#"field x: expected a number of metres, found "abc""#
)]
#[case(
    "positions",
    r#"{"traveler_id":"t","x":1,"x":1,"y":2}"#,
    Reason::BadField,
    "field x: expected a number of metres, found it more than once"
)]
#[case(
    "positions",
    r#"{"traveler_id":[1],"x":1,"y":2}"#,
    Reason::BadField,
    "found [1]"
)]
#[case(
    "positions",
    r#"{"traveler_id":1.5,"x":1,"y":2}"#,
    Reason::BadField,
    "found 1.5"
)]
#[case(
    "positions",
    r#"{"traveler_id":"","x":1,"y":2}"#,
    Reason::BadField,
    "field traveler_id"
)]
#[case(
    "positions",
    r#"{"traveler_id":"a\u0000b","x":1,"y":2}"#,
    Reason::BadField,
    "printable"
)]
#[case(
    "positions",
    r#"{"traveler_id":"a\u202eb","x":1,"y":2}"#,
    Reason::BadField,
    "printable"
)]
#[case(
    "positions",
    r#"{"traveler_id":"t","x":1,"y":2,"sensor_id":""}"#,
    Reason::BadField,
    "field sensor_id"
)]
#[case(
    "positions",
    r#"{"traveler_id":"t","x":1,"y":2,"event_id":true}"#,
    Reason::BadField,
    "field event_id: expected text, found true"
)]
#[case(
    "positions",
    r#"{"traveler_id":"t","x":1e999,"y":2}"#,
    Reason::OutOfRange,
    "field x: expected a number of metres, found 1e999"
)]
#[case(
    "positions",
    r#"{"traveler_id":"t","x":NaN,"y":2}"#,
    Reason::OutOfRange,
    "field x: expected a number of metres, found NaN"
)]
#[case(
    "positions",
    r#"{"traveler_id":"t","x":1,"y":-Infinity}"#,
    Reason::OutOfRange,
    "field y"
)]
#[case(
    "positions",
    r#"{"traveler_id":"t","x":1,"y":-1000000.1}"#,
    Reason::OutOfRange,
    "within ±10^6, found -1000000.1"
)]
#[case(
    "positions",
    r#"{"traveler_id":"t","x":1,"y":2,"timestamp":"soon"}"#,
    Reason::BadTimestamp,
    r#"found "soon""#
)]
#[case(
    "positions",
    r#"{"traveler_id":"t","x":1,"y":2,"timestamp":NaN}"#,
    Reason::BadTimestamp,
    "found NaN"
)]
#[case(
    "positions",
    r#"{"traveler_id":"t","x":1,"y":2,"timestamp":[1]}"#,
    Reason::BadTimestamp,
    "found [1]"
)]
#[case("status", "", Reason::BadJson, "found nothing")]
#[case(
    "status",
    "onlin",
    Reason::BadField,
    r#"field state: expected online, offline or heartbeat, found "onlin""#
)]
#[case("status", "7", Reason::UnknownShape, "found 7")]
#[case("status", "{}", Reason::MissingField, "field state")]
#[case(
    "status",
    r#"{"state":"Online"}"#,
    Reason::BadField,
    "found \"Online\""
)]
#[case(
    "status",
    r#"{"state":"online","battery_percent":101}"#,
    Reason::OutOfRange,
    "from 0 to 100, found 101"
)]
#[case(
    "status",
    r#"{"state":"online","battery_percent":"full"}"#,
    Reason::BadField,
    "field battery_percent"
)]
#[case(
    "weather",
    "{}",
    Reason::UnknownShape,
    r#"expected kind positions or status, found "weather""#
)]
fn a_bad_message_is_refused_with_what_was_expected(
    #[case] kind: &str,
    #[case] payload: &str,
    #[case] reason: Reason,
    #[case] detail: &str,
) {
    let (reasons, explanation) = refusal(kind, payload.as_bytes());
    assert_eq!(reasons, [reason], "{explanation}");
    assert!(explanation.contains(detail), "{explanation}");
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let (reasons, detail) = refusal("positions", b"{\"traveler_id\":\"\xff\"}");
    assert_eq!(reasons, [Reason::BadJson]);
    assert_eq!(detail, "expected UTF-8, found byte 0xff at offset 16");
}

#[test]
fn a_bad_element_never_takes_its_neighbours_with_it() {
    let good = r#"{"traveler_id":"t","x":1,"y":2}"#;
    let nested = "[".repeat(DEPTH_MAX) + &"]".repeat(DEPTH_MAX);
    let payload = format!(
        r#"[{good}, 5, {{"traveler_id":"t","x":NaN,"y":0}}, {good}, {nested}, {{"traveler_id":"t","x":"abc","y":0}}]"#
    );
    let overrides = Overrides::default();
    let decoded = read("positions", payload.as_bytes(), &overrides);
    assert_eq!(decoded.events.len(), 2);
    let refused: Vec<(Reason, &str)> = decoded
        .refused
        .iter()
        .map(|refused| {
            (
                refused.rejection.reason,
                std::str::from_utf8(refused.bytes).unwrap(),
            )
        })
        .collect();
    let expected = [
        (Reason::UnknownShape, "5"),
        (Reason::OutOfRange, r#"{"traveler_id":"t","x":NaN,"y":0}"#),
        (Reason::TooDeep, &nested),
        (Reason::BadField, r#"{"traveler_id":"t","x":"abc","y":0}"#),
    ];
    assert_eq!(refused, expected);
    assert_eq!(
        decoded.refused[3].rejection.detail,
        r#"element 6 of 6: field x: expected a number of metres, found "abc""#
    );
}

#[rstest]
#[case(DEPTH_MAX, None)]
#[case(DEPTH_MAX + 1, Some(Reason::TooDeep))]
#[case(10_000, Some(Reason::TooDeep))]
fn an_unknown_field_may_nest_only_so_deep(#[case] depth: usize, #[case] reason: Option<Reason>) {
    let nested = "[".repeat(depth - 1) + &"]".repeat(depth - 1);
    let payload = format!(r#"{{"traveler_id":"t","x":1,"y":2,"more":{nested}}}"#);
    let (reasons, _) = refusal("positions", payload.as_bytes());
    assert_eq!(reasons, reason.into_iter().collect::<Vec<_>>());
}

#[test]
fn brackets_without_end_are_too_deep() {
    assert_eq!(
        refusal("positions", "[".repeat(10_000).as_bytes()).0,
        [Reason::TooDeep]
    );
    assert_eq!(
        refusal("positions", "{\"a\":".repeat(10_000).as_bytes()).0,
        [Reason::TooDeep]
    );
}

#[test]
fn an_array_of_too_many_elements_is_refused_as_one() {
    let payload = format!("[{}0]", "0,".repeat(ELEMENTS_MAX));
    assert_eq!(
        refusal("positions", payload.as_bytes()).0,
        [Reason::TooLarge]
    );
    let good = r#"{"traveler_id":"t","x":1,"y":2},"#;
    let payload = format!("[{}]", good.repeat(ELEMENTS_MAX).trim_end_matches(','));
    assert_eq!(events("positions", &payload).len(), ELEMENTS_MAX);
}

#[test]
fn an_empty_array_says_nothing() {
    assert_eq!(events("positions", "[]"), []);
}

#[test]
fn a_number_that_json_does_not_know_is_ignored_in_an_unknown_field() {
    assert_eq!(
        position(r#"{"traveler_id":"t","x":1,"y":2,"speed":NaN}"#)
            .1
            .x,
        1.0
    );
}

#[test]
fn a_device_that_neither_topic_nor_payload_names_is_missing() {
    let overrides = Overrides::default();
    let message = Message {
        topic: "free",
        device: None,
        kind: "positions",
        payload: br#"{"traveler_id":"t","x":1,"y":2}"#,
        received_at: RECEIVED,
        overrides: &overrides,
    };
    let decoded = decode(Decoder::Native, &message);
    assert_eq!(decoded.refused[0].rejection.reason, Reason::MissingField);
    let named = Message {
        payload: br#"{"traveler_id":"t","x":1,"y":2,"sensor_id":"s"}"#,
        ..message
    };
    assert_eq!(
        decode(Decoder::Native, &named).events[0].device.as_str(),
        "s"
    );
}

/// Fragments of which messages are made, so that random ones get past the first byte.
fn json_like() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "null",
        "true",
        "-",
        "1",
        "1e999",
        "NaN",
        "Infinity",
        " ",
        "\"traveler_id\"",
        "\"x\"",
        "\"y\"",
        "\"timestamp\"",
        "\"state\"",
        "\"online\"",
        "\"2025-03-19T09:05:12Z\"",
        "\u{202e}",
    ]);
    prop::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in "positions|status|x") {
        let overrides = Overrides::default();
        let decoded = read(&kind, &bytes, &overrides);
        prop_assert!(!decoded.events.is_empty() || !decoded.refused.is_empty() || bytes.contains(&b'['));
    }

    #[test]
    fn no_text_makes_it_panic(text in json_like(), kind in "positions|status") {
        let overrides = Overrides::default();
        let decoded = read(&kind, text.as_bytes(), &overrides);
        for refused in &decoded.refused {
            let start = refused.bytes.as_ptr().addr() - text.as_ptr().addr();
            prop_assert_eq!(&text.as_bytes()[start..start + refused.bytes.len()], refused.bytes);
        }
    }

    #[test]
    fn every_element_ends_as_exactly_one_event_or_refusal(good in prop::collection::vec(any::<bool>(), 0..40)) {
        let elements: Vec<&str> = good
            .iter()
            .map(|&good| if good { r#"{"traveler_id":1,"x":1,"y":2}"# } else { r#"{"traveler_id":1,"x":1}"# })
            .collect();
        let payload = format!("[{}]", elements.join(","));
        let overrides = Overrides::default();
        let decoded = read("positions", payload.as_bytes(), &overrides);
        prop_assert_eq!(decoded.events.len(), good.iter().filter(|&&good| good).count());
        prop_assert_eq!(decoded.events.len() + decoded.refused.len(), good.len());
    }

    #[test]
    fn coordinates_survive_as_they_were_written(x in -1e6..=1e6_f64, y in -1e6..=1e6_f64) {
        let body = position(&format!(r#"{{"traveler_id":"t","x":{x},"y":{y}}}"#)).1;
        prop_assert_eq!((body.x, body.y), (x, y));
    }
}
