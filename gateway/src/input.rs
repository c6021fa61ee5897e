//! The bytes that a connection has read and not yet understood.
//!
//! Memory grows with what really arrived, never with what a header announces. A PUBLISH beyond the size limit is skimmed:
//! its beginning is kept for the dead letter, the rest is thrown away as it arrives. Closing the connection instead would
//! make a device that speaks 3.1.1, and so cannot be told the limit, send the same message again for ever.

use bytes::{Buf, BytesMut};

use crate::close::Close;
use crate::codec::{self, Frame};
use crate::packet::{Connect, Packet, Refusal, Version};

/// How much is read at once from a connection that says little.
const CHUNK_MIN: usize = 2 * 1024;

/// How much is read at once from a connection that says a lot.
const CHUNK_MAX: usize = 64 * 1024;

/// A CONNECT of more than this, will and password included, is nobody's.
const CONNECT_BYTES_MAX: usize = 16 * 1024;

/// How much of a PUBLISH beyond the limit is kept: what a dead letter holds, and room for topic and properties.
const SKIM_HEAD_BYTES: usize = domain::dead_letter::PAYLOAD_BYTES_MAX + 16 * 1024;

/// A PUBLISH of more than this many times the limit is not worth skimming; the connection ends.
const SKIM_FACTOR: usize = 16;

/// See the module.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) bytes: BytesMut,
    packet_bytes_max: usize,
    chunk: usize,
    skim: Option<Skim>,
}

/// A PUBLISH whose end is being thrown away.
#[derive(Debug)]
struct Skim {
    packet: Packet,
    bytes_left: usize,
}

impl Input {
    pub(crate) fn new(packet_bytes_max: u32) -> Self {
        Self {
            bytes: BytesMut::new(),
            packet_bytes_max: packet_bytes_max as usize,
            chunk: CHUNK_MIN,
            skim: None,
        }
    }

    /// Makes room for the next read.
    pub(crate) fn make_room(&mut self) {
        self.bytes.reserve(self.chunk);
    }

    /// Learns from a read of `count` bytes how much to ask for next time.
    pub(crate) fn learn(&mut self, count: usize) {
        if count >= self.chunk {
            self.chunk = (self.chunk * 2).min(CHUNK_MAX);
        } else if count * 8 < self.chunk && self.chunk > CHUNK_MIN {
            self.chunk /= 2;
            if self.bytes.is_empty() {
                // Gives the large buffer of a burst back.
                self.bytes = BytesMut::new();
            }
        }
    }

    /// Whether a packet has begun to arrive and is not complete.
    pub(crate) fn is_within_packet(&self) -> bool {
        !self.bytes.is_empty() || self.skim.is_some()
    }

    /// The CONNECT that must come first; `None` when more bytes are needed.
    pub(crate) fn connect(&mut self) -> Result<Option<Result<Connect, Refusal>>, Close> {
        let Some(frame) = codec::frame(&self.bytes)? else {
            return Ok(None);
        };
        if !frame.is_connect() {
            return Err(Close::Protocol);
        }
        if frame.bytes > CONNECT_BYTES_MAX {
            return Err(Close::PacketTooLarge);
        }
        if self.bytes.len() < frame.bytes {
            return Ok(None);
        }
        codec::decode_connect(&mut self.bytes, frame).map(Some)
    }

    /// The next packet; `None` when more bytes are needed.
    pub(crate) fn packet(&mut self, version: Version) -> Result<Option<Packet>, Close> {
        if self.skim.is_some() {
            return Ok(self.skimmed());
        }
        let Some(frame) = codec::frame(&self.bytes)? else {
            return Ok(None);
        };
        if frame.bytes > self.packet_bytes_max {
            return self.begin_skim(version, frame);
        }
        if self.bytes.len() < frame.bytes {
            return Ok(None);
        }
        codec::decode(version, &mut self.bytes, frame).map(Some)
    }

    fn begin_skim(&mut self, version: Version, frame: Frame) -> Result<Option<Packet>, Close> {
        if !frame.is_publish() || frame.bytes > self.packet_bytes_max * SKIM_FACTOR {
            return Err(Close::PacketTooLarge);
        }
        let head_bytes = SKIM_HEAD_BYTES.min(self.packet_bytes_max);
        if self.bytes.len() < head_bytes {
            return Ok(None);
        }
        let packet = codec::decode_cut_publish(version, &self.bytes[..head_bytes], frame)?;
        self.bytes.advance(head_bytes);
        self.skim = Some(Skim {
            packet,
            bytes_left: frame.bytes - head_bytes,
        });
        Ok(self.skimmed())
    }

    fn skimmed(&mut self) -> Option<Packet> {
        let skim = self.skim.as_mut()?;
        let gone = skim.bytes_left.min(self.bytes.len());
        self.bytes.advance(gone);
        skim.bytes_left -= gone;
        if skim.bytes_left > 0 {
            return None;
        }
        self.skim.take().map(|skim| skim.packet)
    }
}

#[cfg(test)]
mod tests {
    use rumqttc::mqttbytes::v4;

    use super::*;

    const LIMIT: u32 = 128 * 1024;

    fn publish(payload_bytes: usize) -> BytesMut {
        let mut bytes = BytesMut::new();
        let mut publish =
            v4::Publish::new("a/b", rumqttc::QoS::AtLeastOnce, vec![7; payload_bytes]);
        publish.pkid = 9;
        publish.write(&mut bytes).unwrap();
        bytes
    }

    /// Everything that `bytes`, arriving `step` at a time, become, and the most memory that was held.
    fn read(bytes: &[u8], step: usize) -> (Vec<Result<Packet, Close>>, usize) {
        let mut input = Input::new(LIMIT);
        let (mut packets, mut held) = (Vec::new(), 0);
        for chunk in bytes.chunks(step) {
            input.bytes.extend_from_slice(chunk);
            held = held.max(input.bytes.len());
            while let Some(packet) = input.packet(Version::V4).transpose() {
                let is_end = packet.is_err();
                packets.push(packet);
                if is_end {
                    return (packets, held);
                }
            }
        }
        (packets, held)
    }

    #[test]
    fn packets_are_the_same_however_their_bytes_arrive() {
        let mut bytes = publish(300);
        bytes.extend_from_slice(&publish(0));
        bytes.extend_from_slice(&[0xc0, 0]);
        let whole = read(&bytes, bytes.len()).0;
        assert_eq!(whole.len(), 3);
        for step in [1, 2, 7, 100] {
            assert_eq!(read(&bytes, step).0, whole, "in steps of {step}");
        }
    }

    #[test]
    fn a_publish_beyond_the_limit_keeps_its_beginning_and_its_length() {
        let mut bytes = publish(1_000_000);
        bytes.extend_from_slice(&[0xc0, 0]);
        let (packets, held) = read(&bytes, 4096);
        let Ok(Packet::Publish(publish)) = &packets[0] else {
            panic!("{packets:?}");
        };
        assert_eq!((publish.topic.as_str(), publish.pkid), ("a/b", 9));
        assert_eq!(publish.payload_bytes, 1_000_000);
        assert!(publish.payload.len() >= domain::dead_letter::PAYLOAD_BYTES_MAX);
        assert_eq!(packets[1], Ok(Packet::PingReq), "the next packet is found");
        assert!(held <= SKIM_HEAD_BYTES + 4096, "{held} bytes were held");
    }

    #[test]
    fn a_header_of_a_quarter_gigabyte_ends_the_connection_at_once() {
        let (packets, _) = read(&[0x32, 0xff, 0xff, 0xff, 0x7f], 5);
        assert_eq!(packets, [Err(Close::PacketTooLarge)]);
        let subscribe_of_a_megabyte = [0x82, 0x80, 0x80, 0x40];
        assert_eq!(
            read(&subscribe_of_a_megabyte, 4).0,
            [Err(Close::PacketTooLarge)]
        );
    }

    #[test]
    fn a_connect_must_come_first_and_be_small() {
        let mut input = Input::new(LIMIT);
        input.bytes.extend_from_slice(&[0xc0, 0]);
        assert_eq!(input.connect(), Err(Close::Protocol));
        let mut input = Input::new(LIMIT);
        input.bytes.extend_from_slice(&[0x10, 0x80, 0x80, 0x04]);
        assert_eq!(input.connect(), Err(Close::PacketTooLarge));
    }
}
