//! The bytes of one connection from its first on: framing, codec and session give the same, however the bytes arrive.

use bytes::{Bytes, BytesMut};

use crate::close::Close;
use crate::codec;
use crate::encode::encode;
use crate::input::Input;
use crate::packet::{Outcome, Qos, Refusal, Reply, Version};
use crate::session::{self, Acknowledgement, Action, Limits, Session};

/// Small enough that a short input reaches each of them.
const LIMITS: Limits = Limits {
    receive_maximum: 3,
    topic_alias_maximum: 3,
    topic_bytes_max: 32,
    packet_bytes_max: 256,
};

/// The first byte says whether Kafka confirms at once or never; the second one, where the rest is cut into pieces.
pub fn mqtt_stream(data: &[u8]) {
    let Some((&[knobs, seed], bytes)) = data.split_first_chunk() else {
        return;
    };
    let confirms = knobs & 1 == 0;
    let whole = Talk::of(confirms, [bytes]);
    whole.check();
    assert_eq!(Talk::of(confirms, pieces(bytes, seed)), whole, "in pieces");
    assert_eq!(Talk::of(confirms, bytes.chunks(1)), whole, "byte by byte");
}

/// Cuts `bytes` into pieces of 1 to 64 bytes that look random and are the same for the same seed.
fn pieces(mut bytes: &[u8], seed: u8) -> impl Iterator<Item = &[u8]> {
    let mut state = u32::from(seed) | 1 << 8;
    std::iter::from_fn(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = (1 + (state >> 26) as usize).min(bytes.len());
        let (piece, rest) = bytes.split_at(length);
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// What a device and its listener said to each other.
#[derive(Debug, Default, PartialEq)]
struct Talk {
    version: Option<Version>,
    replies: BytesMut,
    taken: Vec<(String, Qos, u16, Bytes, usize)>,
    refused: Option<Refusal>,
    end: Option<Close>,
}

impl Talk {
    fn of<'a>(confirms: bool, pieces: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut talk = Self::default();
        let mut input = Input::new(LIMITS.packet_bytes_max);
        let mut session = None;
        for piece in pieces {
            input.bytes.extend_from_slice(piece);
            if let Err(close) = talk.take_in(&mut input, &mut session, confirms) {
                talk.end = Some(close);
            }
            if talk.end.is_some() || talk.refused.is_some() {
                break;
            }
            let most = LIMITS.packet_bytes_max as usize + piece.len();
            assert!(input.bytes.len() <= most.max(16 * 1024 + piece.len()));
        }
        talk
    }

    /// Takes in every whole packet.
    fn take_in(
        &mut self,
        input: &mut Input,
        open: &mut Option<Session>,
        confirms: bool,
    ) -> Result<(), Close> {
        if open.is_none() {
            let Some(connect) = input.connect()? else {
                return Ok(());
            };
            let spare = || "spare".to_owned();
            let opened = connect.and_then(|connect| {
                self.version = Some(connect.version);
                session::open(connect, &LIMITS, spare)
            });
            match opened {
                Ok((session, accepted)) => {
                    encode(session.version, &accepted, &mut self.replies);
                    *open = Some(session);
                }
                Err(refusal) => {
                    self.refused = Some(refusal);
                    let version = self.version.unwrap_or(Version::V4);
                    encode(version, &Reply::Refused(refusal), &mut self.replies);
                    return Ok(());
                }
            }
        }
        let session = open.as_mut().expect("it was opened above");
        while let Some(packet) = input.packet(session.version)? {
            self.follow(session, packet, confirms)?;
        }
        Ok(())
    }

    fn follow(
        &mut self,
        session: &mut Session,
        packet: crate::packet::Packet,
        confirms: bool,
    ) -> Result<(), Close> {
        let owed = match session.packet(packet) {
            Action::Publish(publish) => {
                assert!(publish.payload.len() <= publish.payload_bytes);
                assert!(!publish.topic.is_empty(), "an alias was resolved");
                assert_eq!(publish.pkid == 0, publish.qos == Qos::AtMostOnce);
                let owed = Acknowledgement::of(&publish, Outcome::Accepted);
                self.taken.push((
                    publish.topic,
                    publish.qos,
                    publish.pkid,
                    publish.payload,
                    publish.payload_bytes,
                ));
                owed
            }
            Action::Repeat(owed) => owed,
            Action::Reply(reply) | Action::RefuseSubscription(reply) => {
                encode(session.version, &reply, &mut self.replies);
                return Ok(());
            }
            Action::Close(close) => return Err(close),
        };
        if confirms && let Some(reply) = session.acknowledge(owed) {
            encode(session.version, &reply, &mut self.replies);
        }
        Ok(())
    }

    /// What is answered is whole packets, and the first of them is the CONNACK.
    fn check(&self) {
        let mut rest = &self.replies[..];
        let mut is_first = true;
        while let Some(frame) = codec::frame(rest).expect("replies are packets") {
            assert_eq!(rest[0] == 0x20, is_first, "one CONNACK");
            is_first = false;
            rest = &rest[frame.bytes..];
        }
        assert!(rest.is_empty(), "no reply is cut off");
        assert!(self.taken.is_empty() || !is_first, "nothing before CONNECT");
    }
}
