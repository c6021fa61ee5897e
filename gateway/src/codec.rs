//! Bytes ↔ packets. The one file that knows `rumqttc`, whose packet codec does the reading and writing.
//!
//! The fixed header is looked at here first: what is too large or impossible is found before anything is allocated for
//! it, and an incomplete packet is told from a broken one (the codec reports both alike).

use bytes::{BufMut, Bytes, BytesMut};
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::v5;

use crate::close::Close;
use crate::packet::{Connect, Packet, Publish, Qos, Refusal, Version, Will};

/// The user property that carries the W3C trace context.
const TRACEPARENT: &str = "traceparent";

/// The longest trace context that is passed on, in bytes; version 00 has 55.
const TRACEPARENT_BYTES_MAX: usize = 128;

/// What the fixed header of a packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    kind: u8,
    header_bytes: usize,
    /// Length of the whole packet.
    pub(crate) bytes: usize,
}

impl Frame {
    pub(crate) fn is_connect(self) -> bool {
        self.kind == 1
    }

    pub(crate) fn is_publish(self) -> bool {
        self.kind == 3
    }
}

/// The frame at the beginning of `input`; `None` when its header is not complete yet.
pub(crate) fn frame(input: &[u8]) -> Result<Option<Frame>, Close> {
    let Some((&first, rest)) = input.split_first() else {
        return Ok(None);
    };
    let (kind, flags) = (first >> 4, first & 0x0f);
    let are_flags_allowed = match kind {
        3 => flags & 0b0110 != 0b0110,
        6 | 8 | 10 => flags == 0b0010,
        0 => false,
        _ => flags == 0,
    };
    if !are_flags_allowed {
        return Err(Close::Malformed);
    }
    let mut length = 0;
    for (index, &byte) in rest.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let header_bytes = index + 2;
            return Ok(Some(Frame {
                kind,
                header_bytes,
                bytes: header_bytes + length,
            }));
        }
    }
    if rest.len() >= 4 {
        return Err(Close::Malformed);
    }
    Ok(None)
}

/// Takes the CONNECT that `frame` describes from the beginning of `input`, which holds all of it.
pub(crate) fn decode_connect(
    input: &mut BytesMut,
    frame: Frame,
) -> Result<Result<Connect, Refusal>, Close> {
    let mut packet = input.split_to(frame.bytes);
    // Protocol name, level and flags stand in front, whatever the version.
    let (Some(name), Some(&[level, flags])) = (
        packet.get(frame.header_bytes..frame.header_bytes + 6),
        packet
            .get(frame.header_bytes + 6..frame.header_bytes + 8)
            .and_then(|bytes| <&[u8; 2]>::try_from(bytes).ok()),
    ) else {
        return Err(Close::Malformed);
    };
    let is_mqtt = name == b"\0\x04MQTT";
    if name == b"\0\x06MQIs" || (is_mqtt && level != 4 && level != 5) {
        return Ok(Err(Refusal::ProtocolVersion));
    }
    if !is_mqtt || flags & 1 != 0 {
        return Err(Close::Malformed);
    }
    if level == 4 {
        match v4::Packet::read(&mut packet, usize::MAX) {
            Ok(v4::Packet::Connect(connect)) => Ok(Ok(connect_v4(connect))),
            _ => Err(Close::Malformed),
        }
    } else {
        match v5::Packet::read(&mut packet, None) {
            Ok(v5::Packet::Connect(connect, will, _)) => Ok(Ok(connect_v5(connect, will)?)),
            _ => Err(Close::Malformed),
        }
    }
}

fn connect_v4(connect: v4::Connect) -> Connect {
    Connect {
        version: Version::V4,
        client_id: connect.client_id,
        clean_start: connect.clean_session,
        keep_alive: connect.keep_alive,
        will: connect.last_will.map(|will| Will {
            topic: will.topic,
            payload: will.message,
            traceparent: None,
        }),
        has_authentication_method: false,
        wants_reasons: false,
    }
}

fn connect_v5(connect: v5::Connect, will: Option<v5::LastWill>) -> Result<Connect, Close> {
    let properties = connect.properties.as_ref();
    let will = match will {
        None => None,
        Some(will) => Some(Will {
            topic: text(&will.topic)?,
            payload: will.message,
            traceparent: will
                .properties
                .and_then(|properties| traceparent(properties.user_properties)),
        }),
    };
    Ok(Connect {
        version: Version::V5,
        has_authentication_method: properties
            .is_some_and(|properties| properties.authentication_method.is_some()),
        // A client that limits what it takes gets codes only; they always fit.
        wants_reasons: properties.is_none_or(|properties| {
            properties.request_problem_info != Some(0) && properties.max_packet_size.is_none()
        }),
        client_id: connect.client_id,
        clean_start: connect.clean_start,
        keep_alive: connect.keep_alive,
        will,
    })
}

/// Takes the packet that `frame` describes from the beginning of `input`, which holds all of it.
pub(crate) fn decode(
    version: Version,
    input: &mut BytesMut,
    frame: Frame,
) -> Result<Packet, Close> {
    let mut packet = input.split_to(frame.bytes);
    match (version, frame.kind) {
        // The client's own answers and AUTH: nothing that they could refer to was ever sent.
        (_, 2 | 4 | 5 | 7 | 9 | 11 | 13 | 15) => Ok(Packet::Unexpected),
        // Read here, because the codec wants a reason code that the protocol allows to be left out.
        (_, 14) => Ok(Packet::Disconnect {
            with_will: packet.get(frame.header_bytes) == Some(&0x04),
        }),
        (Version::V4, _) => match v4::Packet::read(&mut packet, usize::MAX) {
            Ok(packet) => packet_v4(packet),
            Err(_) => Err(Close::Malformed),
        },
        (Version::V5, _) => match v5::Packet::read(&mut packet, None) {
            Ok(packet) => packet_v5(packet),
            Err(_) => Err(Close::Malformed),
        },
    }
}

fn packet_v4(packet: v4::Packet) -> Result<Packet, Close> {
    Ok(match packet {
        v4::Packet::Publish(publish) => Packet::Publish(Publish {
            topic: publish.topic,
            alias: None,
            qos: match publish.qos {
                rumqttc::QoS::AtMostOnce => Qos::AtMostOnce,
                rumqttc::QoS::AtLeastOnce => Qos::AtLeastOnce,
                rumqttc::QoS::ExactlyOnce => Qos::ExactlyOnce,
            },
            pkid: publish.pkid,
            payload_bytes: publish.payload.len(),
            payload: publish.payload,
            traceparent: None,
        }),
        v4::Packet::PubRel(release) => Packet::PubRel { pkid: release.pkid },
        v4::Packet::Subscribe(subscribe) => Packet::Subscribe {
            pkid: nonzero(subscribe.pkid)?,
            filters: subscribe.filters.len(),
        },
        v4::Packet::Unsubscribe(unsubscribe) => Packet::Unsubscribe {
            pkid: nonzero(unsubscribe.pkid)?,
            filters: unsubscribe.topics.len(),
        },
        v4::Packet::PingReq => Packet::PingReq,
        _ => Packet::Unexpected,
    })
}

fn packet_v5(packet: v5::Packet) -> Result<Packet, Close> {
    use rumqttc::v5::mqttbytes::QoS;
    Ok(match packet {
        v5::Packet::Publish(publish) => {
            let properties = publish.properties.unwrap_or_default();
            Packet::Publish(Publish {
                topic: text(&publish.topic)?,
                alias: properties.topic_alias,
                qos: match publish.qos {
                    QoS::AtMostOnce => Qos::AtMostOnce,
                    QoS::AtLeastOnce => Qos::AtLeastOnce,
                    QoS::ExactlyOnce => Qos::ExactlyOnce,
                },
                pkid: publish.pkid,
                payload_bytes: publish.payload.len(),
                payload: publish.payload,
                traceparent: traceparent(properties.user_properties),
            })
        }
        v5::Packet::PubRel(release) => Packet::PubRel { pkid: release.pkid },
        v5::Packet::Subscribe(subscribe) => Packet::Subscribe {
            pkid: nonzero(subscribe.pkid)?,
            filters: subscribe.filters.len(),
        },
        v5::Packet::Unsubscribe(unsubscribe) => Packet::Unsubscribe {
            pkid: nonzero(unsubscribe.pkid)?,
            filters: unsubscribe.filters.len(),
        },
        v5::Packet::PingReq(_) => Packet::PingReq,
        _ => Packet::Unexpected,
    })
}

/// The PUBLISH of which `head` is the beginning and `frame` the fixed header: the same packet with the payload cut off
/// where `head` ends, and the true length beside it.
pub(crate) fn decode_cut_publish(
    version: Version,
    head: &[u8],
    frame: Frame,
) -> Result<Packet, Close> {
    let body = &head[frame.header_bytes..];
    let mut packet = BytesMut::with_capacity(head.len());
    packet.put_u8(head[0]);
    put_length(&mut packet, body.len());
    packet.put_slice(body);
    let cut_frame = self::frame(&packet)?.ok_or(Close::Malformed)?;
    let mut packet = decode(version, &mut packet, cut_frame)?;
    if let Packet::Publish(publish) = &mut packet {
        publish.payload_bytes += frame.bytes - head.len();
    }
    Ok(packet)
}

fn put_length(packet: &mut BytesMut, mut length: usize) {
    while length >= 0x80 {
        packet.put_u8(u8::try_from(length & 0x7f).expect("seven bits fit") | 0x80);
        length >>= 7;
    }
    packet.put_u8(u8::try_from(length).expect("seven bits are left"));
}

fn nonzero(pkid: u16) -> Result<u16, Close> {
    if pkid == 0 {
        return Err(Close::Malformed);
    }
    Ok(pkid)
}

fn text(bytes: &Bytes) -> Result<String, Close> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(Close::Malformed),
    }
}

/// The trace context among `properties`, when it can be one.
fn traceparent(properties: Vec<(String, String)>) -> Option<String> {
    properties
        .into_iter()
        .find(|(name, _)| name == TRACEPARENT)
        .map(|(_, value)| value)
        .filter(|value| {
            value.len() <= TRACEPARENT_BYTES_MAX
                && value.bytes().all(|byte| byte.is_ascii_graphic())
        })
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
