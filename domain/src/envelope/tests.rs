//! What the way through Kafka keeps, and what cannot have come from a gateway.

use super::*;

fn position() -> Event {
    Event {
        device: "ent-1".into(),
        event_time: Micros(1_700_000_000_000_000),
        received_at: Micros(1_700_000_000_250_000),
        time_source: TimeSource::Device,
        key: EventKey::from_event_id("e1"),
        has_event_id: true,
        body: Body::Position(Position {
            traveler: "t1".into(),
            traveler_type: "person".into(),
            x: 1.5,
            y: -2.0,
        }),
    }
}

#[test]
fn an_event_survives_the_way_through_kafka() {
    let status = Status {
        state: DeviceState::Heartbeat,
        battery_percent: Some(80.0),
        firmware: None,
    };
    for body in [position().body, Body::Status(status), Body::Tick] {
        let event = Event { body, ..position() };
        assert_eq!(decode(&encode(event.clone())).unwrap(), event);
    }
}

#[test]
fn golden_bytes_of_version_1_stay_readable() {
    let golden = "08011205656e742d311900401e18240a060020a0c21e3210653100000000\
                  000000000000000000003801521e0a0274311206706572736f6e19000000\
                  000000f83f2100000000000000c0";
    let bytes: Vec<u8> = (0..golden.len() / 2)
        .map(|i| u8::from_str_radix(&golden[2 * i..2 * i + 2], 16).unwrap())
        .collect();
    assert_eq!(
        decode(&bytes).unwrap_or_else(|error| panic!("{error}: now {:02x?}", encode(position()))),
        position()
    );
}

#[test]
fn what_the_gateway_would_reject_is_undecodable() {
    let mut envelope = Envelope::from(position());
    envelope.body = Some(EnvelopeBody::Position(EnvelopePosition {
        traveler: "t1".to_owned(),
        traveler_type: "person".to_owned(),
        x: f64::NAN,
        y: 0.0,
    }));
    let named = |device: &str| Envelope {
        device: device.to_owned(),
        ..Envelope::from(position())
    };
    let charged = EnvelopeStatus {
        state: "online".to_owned(),
        battery_percent: Some(f64::NAN),
        firmware: None,
    };
    let cases = [
        named(""),
        named("a\0b"),
        named(&"x".repeat(3000)),
        Envelope {
            event_time_us: Micros::FIRST.0 - 1,
            ..Envelope::from(position())
        },
        Envelope {
            body: Some(EnvelopeBody::Status(charged)),
            ..Envelope::from(position())
        },
        Envelope {
            schema_version: 2,
            ..Envelope::from(position())
        },
        Envelope {
            schema_version: 0,
            ..Envelope::from(position())
        },
        Envelope {
            body: None,
            ..Envelope::from(position())
        },
        Envelope {
            event_time_us: i64::MAX,
            ..Envelope::from(position())
        },
        envelope,
    ];
    for envelope in cases {
        assert!(decode(&envelope.encode_to_vec()).is_err(), "{envelope:?}");
    }
    assert!(decode(b"\xff\xff").is_err());
}
