use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::encode::encode;
use crate::packet::{Accepted, Outcome, Reply};

fn whole_frame(bytes: &[u8]) -> Frame {
    let frame = frame(bytes).unwrap().unwrap();
    assert_eq!(frame.bytes, bytes.len());
    frame
}

fn read(version: Version, bytes: &[u8]) -> Result<Packet, Close> {
    decode(version, &mut BytesMut::from(bytes), whole_frame(bytes))
}

fn read_connect(bytes: &[u8]) -> Result<Result<Connect, Refusal>, Close> {
    decode_connect(&mut BytesMut::from(bytes), whole_frame(bytes))
}

#[rstest]
#[case(&[], Ok(None))]
#[case(&[0x30], Ok(None))]
#[case(&[0x30, 0x80], Ok(None))]
#[case(&[0x30, 0x05], Ok(Some((2, 7))))]
#[case(&[0x30, 0xff, 0x7f], Ok(Some((3, 16_386))))]
#[case(&[0x30, 0xff, 0xff, 0xff, 0x7f], Ok(Some((5, 268_435_460))))]
#[case(&[0x30, 0xff, 0xff, 0xff, 0xff], Err(Close::Malformed))]
#[case(&[0x36, 0x00], Err(Close::Malformed))]
#[case(&[0x60, 0x02], Err(Close::Malformed))]
#[case(&[0x80, 0x02], Err(Close::Malformed))]
#[case(&[0xc1, 0x00], Err(Close::Malformed))]
#[case(&[0x00, 0x00], Err(Close::Malformed))]
fn the_fixed_header_tells_what_comes(
    #[case] bytes: &[u8],
    #[case] expected: Result<Option<(usize, usize)>, Close>,
) {
    let found = frame(bytes).map(|frame| frame.map(|frame| (frame.header_bytes, frame.bytes)));
    assert_eq!(found, expected);
}

#[test]
fn a_connect_of_each_version_is_understood() {
    let mut bytes = BytesMut::new();
    let mut connect = v4::Connect::new("reader-1");
    connect.keep_alive = 30;
    connect.last_will = Some(v4::LastWill::new(
        "a/status",
        "offline",
        rumqttc::QoS::AtLeastOnce,
        true,
    ));
    connect.write(&mut bytes).unwrap();
    let connect = read_connect(&bytes).unwrap().unwrap();
    assert_eq!(connect.version, Version::V4);
    assert_eq!(
        (connect.client_id.as_str(), connect.keep_alive),
        ("reader-1", 30)
    );
    assert_eq!(connect.will.unwrap().payload, "offline");

    let mut bytes = BytesMut::new();
    let mut properties = v5::ConnectProperties::new();
    properties.request_problem_info = Some(0);
    let connect = v5::Connect {
        keep_alive: 0,
        client_id: String::new(),
        clean_start: true,
        properties: Some(properties),
    };
    connect.write(&None, &None, &mut bytes).unwrap();
    let connect = read_connect(&bytes).unwrap().unwrap();
    assert_eq!(connect.version, Version::V5);
    assert!(!connect.wants_reasons && !connect.has_authentication_method);
}

#[rstest]
#[case(
    b"\x10\x0e\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x00",
    Ok(Err(Refusal::ProtocolVersion))
)]
#[case(
    b"\x10\x0c\x00\x04MQTT\x06\x02\x00\x3c\x00\x00",
    Ok(Err(Refusal::ProtocolVersion))
)]
#[case(b"\x10\x0c\x00\x04MQTT\x04\x03\x00\x3c\x00\x00", Err(Close::Malformed))]
#[case(b"\x10\x0c\x00\x04HTTP\x04\x02\x00\x3c\x00\x00", Err(Close::Malformed))]
#[case(b"\x10\x02\x00\x04", Err(Close::Malformed))]
#[case(b"\x10\x0b\x00\x04MQTT\x04\x02\x00\x3c\x00", Err(Close::Malformed))]
fn a_connect_that_cannot_be_served_is_told_from_noise(
    #[case] bytes: &[u8],
    #[case] expected: Result<Result<Connect, Refusal>, Close>,
) {
    assert_eq!(read_connect(bytes), expected);
}

#[test]
fn a_publish_of_mqtt_5_brings_alias_and_trace_context() {
    let mut bytes = BytesMut::new();
    let mut publish = v5::Publish::new(
        "a/b",
        rumqttc::v5::mqttbytes::QoS::ExactlyOnce,
        "payload",
        Some(v5::PublishProperties {
            topic_alias: Some(3),
            user_properties: vec![
                ("other".to_owned(), "x".to_owned()),
                ("traceparent".to_owned(), "00-abc-def-01".to_owned()),
            ],
            ..v5::PublishProperties::default()
        }),
    );
    publish.pkid = 7;
    publish.write(&mut bytes).unwrap();
    let expected = Publish {
        topic: "a/b".to_owned(),
        alias: Some(3),
        qos: Qos::ExactlyOnce,
        pkid: 7,
        payload: Bytes::from_static(b"payload"),
        payload_bytes: 7,
        traceparent: Some("00-abc-def-01".to_owned()),
    };
    assert_eq!(read(Version::V5, &bytes), Ok(Packet::Publish(expected)));
}

#[rstest]
#[case(Version::V4, b"\xe0\x00", Ok(Packet::Disconnect { with_will: false }))]
#[case(Version::V5, b"\xe0\x00", Ok(Packet::Disconnect { with_will: false }))]
#[case(Version::V5, b"\xe0\x01\x04", Ok(Packet::Disconnect { with_will: true }))]
#[case(Version::V5, b"\xe0\x02\x04\x00", Ok(Packet::Disconnect { with_will: true }))]
#[case(Version::V4, b"\xc0\x00", Ok(Packet::PingReq))]
#[case(Version::V5, b"\xc0\x00", Ok(Packet::PingReq))]
#[case(Version::V4, b"\x62\x02\x00\x07", Ok(Packet::PubRel { pkid: 7 }))]
#[case(Version::V5, b"\x62\x02\x00\x07", Ok(Packet::PubRel { pkid: 7 }))]
#[case(Version::V4, b"\x82\x06\x00\x01\x00\x01a\x00", Ok(Packet::Subscribe { pkid: 1, filters: 1 }))]
#[case(Version::V5, b"\x82\x07\x00\x01\x00\x00\x01a\x00", Ok(Packet::Subscribe { pkid: 1, filters: 1 }))]
#[case(Version::V4, b"\x82\x06\x00\x00\x00\x01a\x00", Err(Close::Malformed))]
#[case(Version::V4, b"\xa2\x05\x00\x01\x00\x01a", Ok(Packet::Unsubscribe { pkid: 1, filters: 1 }))]
#[case(Version::V5, b"\xa2\x06\x00\x01\x00\x00\x01a", Ok(Packet::Unsubscribe { pkid: 1, filters: 1 }))]
#[case(
    Version::V4,
    b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00",
    Ok(Packet::Unexpected)
)]
#[case(Version::V5, b"\xf0\x00", Ok(Packet::Unexpected))]
#[case(Version::V4, b"\x20\x02\x00\x00", Ok(Packet::Unexpected))]
#[case(Version::V4, b"\x30\x03\x00\x02a", Err(Close::Malformed))]
#[case(Version::V4, b"\x32\x05\x00\x01a\x00\x00", Err(Close::Malformed))]
#[case(Version::V4, b"\x30\x04\x00\x02\xff\xfe", Err(Close::Malformed))]
#[case(Version::V5, b"\x30\x05\x00\x02\xff\xfe\x00", Err(Close::Malformed))]
// A property length that never ends: the codec asks for more bytes, but there are no more.
#[case(Version::V5, b"\x30\x04\x00\x01a\x80", Err(Close::Malformed))]
fn packets_are_told_apart(
    #[case] version: Version,
    #[case] bytes: &[u8],
    #[case] expected: Result<Packet, Close>,
) {
    assert_eq!(read(version, bytes), expected);
}

fn written(version: Version, reply: &Reply) -> Vec<u8> {
    let mut output = BytesMut::new();
    encode(version, reply, &mut output);
    output.to_vec()
}

#[rstest]
#[case(Reply::PubAck { pkid: 258, outcome: Outcome::Accepted }, b"\x40\x02\x01\x02", b"\x40\x02\x01\x02")]
#[case(Reply::PubAck { pkid: 258, outcome: Outcome::PayloadRefused }, b"\x40\x02\x01\x02", b"\x40\x04\x01\x02\x99\x00")]
#[case(Reply::PubAck { pkid: 258, outcome: Outcome::TopicRefused }, b"\x40\x02\x01\x02", b"\x40\x04\x01\x02\x90\x00")]
#[case(Reply::PubRec { pkid: 258, outcome: Outcome::Accepted }, b"\x50\x02\x01\x02", b"\x50\x02\x01\x02")]
#[case(Reply::PubComp { pkid: 258, is_known: true }, b"\x70\x02\x01\x02", b"\x70\x02\x01\x02")]
#[case(Reply::PubComp { pkid: 258, is_known: false }, b"\x70\x02\x01\x02", b"\x70\x04\x01\x02\x92\x00")]
#[case(Reply::SubAck { pkid: 1, filters: 2, with_reason: false }, b"\x90\x04\x00\x01\x80\x80", b"\x90\x05\x00\x01\x00\x83\x83")]
#[case(Reply::UnsubAck { pkid: 1, filters: 2 }, b"\xb0\x02\x00\x01", b"\xb0\x05\x00\x01\x00\x11\x11")]
#[case(Reply::PingResp, b"\xd0\x00", b"\xd0\x00")]
#[case(Reply::Disconnect { reason_code: 0x8b }, b"", b"\xe0\x01\x8b")]
#[case(
    Reply::Refused(Refusal::ClientId),
    b"\x20\x02\x00\x02",
    b"\x20\x03\x00\x85\x00"
)]
#[case(
    Reply::Refused(Refusal::ProtocolVersion),
    b"\x20\x02\x00\x01",
    b"\x20\x02\x00\x01"
)]
fn replies_are_written_as_each_version_wants(
    #[case] reply: Reply,
    #[case] v4: &[u8],
    #[case] v5: &[u8],
) {
    assert_eq!(written(Version::V4, &reply), v4);
    assert_eq!(written(Version::V5, &reply), v5);
}

#[test]
fn a_connack_of_mqtt_5_announces_every_limit() {
    let accepted = Reply::Accepted(Accepted {
        receive_maximum: 100,
        packet_bytes_max: 262_144,
        topic_alias_maximum: 8,
        assigned_client_id: Some("spare".to_owned()),
    });
    assert_eq!(written(Version::V4, &accepted), b"\x20\x02\x00\x00");
    let mut bytes = BytesMut::from(written(Version::V5, &accepted).as_slice());
    let Ok(v5::Packet::ConnAck(connack)) = v5::Packet::read(&mut bytes, None) else {
        panic!("not a CONNACK");
    };
    assert!(!connack.session_present);
    let properties = connack.properties.unwrap();
    assert_eq!(properties.receive_max, Some(100));
    assert_eq!(properties.max_packet_size, Some(262_144));
    assert_eq!(properties.topic_alias_max, Some(8));
    assert_eq!(properties.session_expiry_interval, Some(0));
    assert_eq!(
        properties.assigned_client_identifier.as_deref(),
        Some("spare")
    );
}

#[test]
fn every_reason_to_close_can_be_told() {
    for close in [
        Close::Malformed,
        Close::Protocol,
        Close::PacketTooLarge,
        Close::TopicName,
        Close::ReceiveMaximum,
        Close::TopicAlias,
        Close::KeepAlive,
        Close::Slow,
        Close::TakenOver,
        Close::Kafka,
        Close::Shutdown,
    ] {
        let reason_code = close.reason_code().unwrap();
        let bytes = written(Version::V5, &Reply::Disconnect { reason_code });
        assert_eq!(bytes, [0xe0, 1, reason_code], "{}", close.as_str());
    }
}

/// Packets of all kinds, of which a few bytes are then changed.
fn mutated_packet() -> impl Strategy<Value = Vec<u8>> {
    let seed = prop::sample::select(vec![
        b"\x10\x1c\x00\x04MQTT\x05\xc6\x00\x3c\x05\x11\x00\x00\x00\x00\x00\x01c\x00\x00\x01t\x00\x01w".to_vec(),
        b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01c".to_vec(),
        b"\x32\x10\x00\x01a\x00\x01\x09\x26\x00\x01k\x00\x01v\x23\x00x".to_vec(),
        b"\x32\x06\x00\x01a\x00\x01x".to_vec(),
        b"\x82\x07\x00\x01\x00\x00\x01a\x00".to_vec(),
        b"\xa2\x06\x00\x01\x00\x00\x01a".to_vec(),
        b"\x62\x04\x00\x01\x00\x00".to_vec(),
        b"\xe0\x02\x04\x00".to_vec(),
    ]);
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (seed, changes).prop_map(|(mut bytes, changes)| {
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn no_bytes_make_the_codec_panic(
        bytes in prop_oneof![mutated_packet(), prop::collection::vec(any::<u8>(), 0..64)],
        more in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut input = bytes;
        input.extend(more);
        if let Ok(Some(frame)) = frame(&input) && frame.bytes <= input.len() {
            drop(decode_connect(&mut BytesMut::from(input.as_slice()), frame));
            for version in [Version::V4, Version::V5] {
                drop(decode(version, &mut BytesMut::from(input.as_slice()), frame));
                let head = &input[..frame.header_bytes + (frame.bytes - frame.header_bytes) / 2];
                if frame.is_publish() {
                    drop(decode_cut_publish(version, head, frame));
                }
            }
        }
    }
}
