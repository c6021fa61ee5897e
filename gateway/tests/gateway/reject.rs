//! Bad input: acknowledged, because it is safe in dead letters with its bytes and the reason.

use domain::rejection::Reason;

use crate::device::{Device, Hello, position, puback, publish_v5};
use crate::kafka::Kafka;
use crate::{gateway_test, metric, start};

/// A message, what it is refused for, and the bytes that the dead letter holds.
struct Case {
    topic: &'static str,
    payload: Vec<u8>,
    reason: Reason,
    decoder: &'static str,
    device: &'static str,
    kept: Vec<u8>,
}

fn case(kind: &'static str, payload: impl Into<Vec<u8>>, reason: Reason) -> Case {
    let payload = payload.into();
    Case {
        topic: match kind {
            "positions" => "footfall/main/ent-1/positions",
            "status" => "footfall/main/ent-1/status",
            _ => "footfall/main/ent-1/weather",
        },
        kept: payload.clone(),
        payload,
        reason,
        decoder: "native",
        device: "ent-1",
    }
}

/// A position with a field that nests `depth` deep.
fn nested(depth: usize) -> String {
    let (open, close) = ("[".repeat(depth), "]".repeat(depth));
    format!(r#"{{"traveler_id":"t","x":1,"y":2,"more":{open}{close}}}"#)
}

/// A position followed by so many spaces that it has `bytes` bytes.
fn large(bytes: usize) -> Vec<u8> {
    let mut payload = position("t", 1).into_bytes();
    payload.resize(bytes, b' ');
    payload
}

fn cases() -> Vec<Case> {
    vec![
        case("positions", "", Reason::BadJson),
        case("positions", "{\"traveler_id\":", Reason::BadJson),
        case("positions", b"\xff\xfe".to_vec(), Reason::BadJson),
        case("positions", r#"{"x":1,"y":2}"#, Reason::MissingField),
        case(
            "positions",
            r#"{"traveler_id":"t","x":"abc","y":2}"#,
            Reason::BadField,
        ),
        case(
            "positions",
            r#"{"traveler_id":"a\u0000b","x":1,"y":2}"#,
            Reason::BadField,
        ),
        case(
            "positions",
            r#"{"traveler_id":"t","x":1,"x":1,"y":2}"#,
            Reason::BadField,
        ),
        case("status", r#"{"state":"asleep"}"#, Reason::BadField),
        case(
            "positions",
            r#"{"traveler_id":"t","x":1,"y":2,"timestamp":"soon"}"#,
            Reason::BadTimestamp,
        ),
        case(
            "positions",
            r#"{"traveler_id":"t","x":NaN,"y":2}"#,
            Reason::OutOfRange,
        ),
        case(
            "positions",
            r#"{"traveler_id":"t","x":1e999,"y":2}"#,
            Reason::OutOfRange,
        ),
        case(
            "positions",
            r#"{"traveler_id":"t","x":1000001,"y":2}"#,
            Reason::OutOfRange,
        ),
        case("positions", "7", Reason::UnknownShape),
        case("weather", "{}", Reason::UnknownShape),
        case("positions", nested(16), Reason::TooDeep),
        case("positions", nested(10_000), Reason::TooDeep),
        Case {
            kept: large(65_536),
            ..case("positions", large(262_145), Reason::TooLarge)
        },
        Case {
            kept: large(65_536),
            ..case("positions", large(1_048_576), Reason::TooLarge)
        },
        Case {
            topic: "elsewhere/positions",
            decoder: "",
            device: "",
            ..case("positions", "x", Reason::Unrouted)
        },
    ]
}

fn rejected(reason: Reason) -> f64 {
    metric(&format!(
        "footfall_gateway_rejected_total{{reason=\"{reason}\"}}"
    ))
}

gateway_test! {
    async fn every_reason_leaves_a_dead_letter_and_an_acknowledgement() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &[]).await;
        let mut device = Device::v4(gateway.mqtt_address(), Hello::new("ent-1")).await;
        for (pkid, case) in (1..).zip(cases()) {
            let before = rejected(case.reason);
            device.publish(case.topic, 1, pkid, &case.payload).await;
            device.expect(&puback(pkid)).await;
            assert!(rejected(case.reason) >= before + 1.0, "{}", case.reason);
        }
        let letters = kafka.letters(cases().len());
        assert_eq!(letters.len(), cases().len());
        for (record, case) in letters.iter().zip(cases()) {
            let letter = record.letter();
            let what = format!("{}: {}", case.reason, letter.detail);
            assert_eq!(letter.known_reason(), Some(case.reason), "{what}");
            assert!(letter.detail.contains("expected"), "{what}");
            assert_eq!(letter.mqtt_topic, case.topic, "{what}");
            assert_eq!((letter.decoder.as_str(), letter.device.as_str()), (case.decoder, case.device), "{what}");
            assert!(letter.payload == case.kept, "{what}: other bytes, {} of them", letter.payload.len());
            assert_eq!(letter.payload_bytes, case.payload.len() as u64, "{what}");
            assert_eq!(record.key, case.device, "{what}");
            assert_eq!(record.header("received_at"), Some(letter.received_at().to_string().as_str()), "{what}");
        }
        assert_eq!(kafka.events(0).len(), 0);
    }
}

/// Which reasons no payload can lead to yet: there are no tags and no device credentials, and two are the consumer's.
#[test]
fn every_reason_is_covered_or_cannot_happen_here() {
    let covered: Vec<Reason> = cases().iter().map(|case| case.reason).collect();
    let elsewhere = [
        Reason::BadTagId,
        Reason::IdentityMismatch,
        Reason::Undecodable,
        Reason::Poison,
    ];
    for reason in Reason::ALL {
        assert!(
            covered.contains(&reason) != elsewhere.contains(&reason),
            "{reason}"
        );
    }
}

gateway_test! {
    async fn mqtt_5_clients_are_told_and_keep_their_connection() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &[]).await;
        let (mut device, _) = Device::v5(gateway.mqtt_address(), Hello::new("ent-1")).await;
        let topic = "footfall/main/ent-1/positions";
        device.send(&publish_v5(topic, 1, 1, b"nonsense", None)).await;
        device.expect(&[0x40, 4, 0, 1, 0x99, 0]).await;
        device.send(&publish_v5("elsewhere", 1, 2, b"nonsense", None)).await;
        device.expect(&[0x40, 4, 0, 2, 0x90, 0]).await;
        device.send(&publish_v5(topic, 2, 3, b"nonsense", None)).await;
        device.expect(&[0x50, 4, 0, 3, 0x99, 0]).await;
        let half = format!("[{}, 7]", position("t", 1));
        device.send(&publish_v5(topic, 1, 4, half.as_bytes(), None)).await;
        device.expect(&puback(4)).await;
        assert_eq!(kafka.events(1).len(), 1);
        let letters = kafka.letters(4);
        assert_eq!(letters[3].letter().payload, b"7", "only the bad element");
        assert_eq!(letters[3].letter().detail, "element 2 of 2: expected a JSON object, found 7");
    }
}
