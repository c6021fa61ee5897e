//! MQTT 3.1.1 PUBLISH frames, encoded once and patched in place: the generator must cost less than what it measures.

use domain::time::Micros;

/// A PUBLISH of a native position that asks for a PUBACK. All fields that change have a fixed width and are overwritten.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    bytes: Vec<u8>,
    packet_id: usize,
    event: usize,
    traveler: usize,
    x: usize,
    y: usize,
    timestamp: usize,
}

/// What a frame is filled with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fill {
    pub(crate) packet_id: u16,
    /// Number of the event within the run.
    pub(crate) event: u64,
    pub(crate) slot: u32,
    pub(crate) generation: u32,
    pub(crate) x_mm: u32,
    pub(crate) y_mm: u32,
}

/// Ten digits after the run's six characters.
const EVENT_DIGITS: usize = 10;
const SLOT_DIGITS: usize = 7;
const GENERATION_DIGITS: usize = 6;
/// Seconds with six decimals.
const TIMESTAMP: &str = "2000-01-01T00:00:00.000000Z";

impl Frame {
    /// A frame to `topic`; `run` are the six characters of the run and `kind` a letter that keeps ids of several loads apart.
    pub(crate) fn new(topic: &str, run: &str, kind: char) -> Self {
        let event = "0".repeat(EVENT_DIGITS);
        let (slot, generation) = ("0".repeat(SLOT_DIGITS), "0".repeat(GENERATION_DIGITS));
        let before_event = format!(r#"{{"event_id":"{run}"#);
        let before_slot = format!(r#"","traveler_id":"{kind}{run}."#);
        // Coordinates are 100 to 199 m, so that they have one width without leading zeros, which JSON forbids.
        let payload = format!(
            r#"{before_event}{event}{before_slot}{slot}.{generation}","traveler_type":"person","x":100.000,"y":100.000,"timestamp":"{TIMESTAMP}"}}"#
        );
        let mut bytes = vec![0x32];
        push_remaining_length(&mut bytes, 2 + topic.len() + 2 + payload.len());
        let length = u16::try_from(topic.len()).expect("topics of a bench are short");
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(topic.as_bytes());
        let packet_id = bytes.len();
        bytes.extend_from_slice(&[0, 0]);
        let start = bytes.len();
        bytes.extend_from_slice(payload.as_bytes());
        let find = |needle: &str| {
            start + payload.find(needle).expect("the payload above holds it") + needle.len()
        };
        Self {
            packet_id,
            event: start + before_event.len(),
            traveler: find(&before_slot),
            x: find(r#""x":"#),
            y: find(r#""y":"#),
            timestamp: find(r#""timestamp":""#),
            bytes,
        }
    }

    /// The frame filled with `fill`, at the second and microsecond of `stamp`.
    pub(crate) fn fill(&mut self, fill: &Fill, stamp: &Stamp) -> &[u8] {
        self.bytes[self.packet_id..self.packet_id + 2]
            .copy_from_slice(&fill.packet_id.to_be_bytes());
        digits(
            &mut self.bytes[self.event..self.event + EVENT_DIGITS],
            fill.event,
        );
        digits(
            &mut self.bytes[self.traveler..self.traveler + SLOT_DIGITS],
            fill.slot.into(),
        );
        let generation = self.traveler + SLOT_DIGITS + 1;
        digits(
            &mut self.bytes[generation..generation + GENERATION_DIGITS],
            fill.generation.into(),
        );
        coordinate(&mut self.bytes[self.x..self.x + 7], fill.x_mm);
        coordinate(&mut self.bytes[self.y..self.y + 7], fill.y_mm);
        self.bytes[self.timestamp..self.timestamp + TIMESTAMP.len()].copy_from_slice(&stamp.text);
        &self.bytes
    }
}

/// An instant as RFC 3339 with microseconds. The date is formatted once a second.
#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    second: i64,
    text: [u8; TIMESTAMP.len()],
}

impl Stamp {
    pub(crate) fn new(at: Micros) -> Self {
        let mut stamp = Self {
            second: i64::MIN,
            text: *b"2000-01-01T00:00:00.000000Z",
        };
        stamp.set(at);
        stamp
    }

    pub(crate) fn set(&mut self, at: Micros) {
        let second = at.0.div_euclid(1_000_000);
        if second != self.second {
            self.second = second;
            let whole = Micros(second * 1_000_000)
                .to_timestamp()
                .expect("now is a calendar instant");
            let text = format!("{whole:.6}");
            self.text.copy_from_slice(text.as_bytes());
        }
        digits(
            &mut self.text[20..26],
            at.0.rem_euclid(1_000_000).unsigned_abs(),
        );
    }
}

/// Writes `value` in decimal, with leading zeros.
fn digits(into: &mut [u8], value: u64) {
    let mut left = value;
    for slot in into.iter_mut().rev() {
        *slot = b'0' + u8::try_from(left % 10).expect("a digit");
        left /= 10;
    }
}

/// Writes 100 m + `mm` as `1dd.ddd`.
fn coordinate(into: &mut [u8], mm: u32) {
    digits(&mut into[0..3], u64::from(100 + mm / 1_000 % 100));
    digits(&mut into[4..7], u64::from(mm % 1_000));
}

fn push_remaining_length(bytes: &mut Vec<u8>, length: usize) {
    let mut left = length;
    loop {
        let low = u8::try_from(left % 128).expect("below 128");
        left /= 128;
        bytes.push(if left > 0 { low | 0x80 } else { low });
        if left == 0 {
            return;
        }
    }
}

/// A CONNECT with a clean session.
pub(crate) fn connect(client_id: &str) -> Vec<u8> {
    let mut bytes = vec![0x10];
    push_remaining_length(&mut bytes, 10 + 2 + client_id.len());
    bytes.extend_from_slice(b"\x00\x04MQTT\x04\x02");
    bytes.extend_from_slice(&KEEP_ALIVE_S.to_be_bytes());
    let length = u16::try_from(client_id.len()).expect("client ids of a bench are short");
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(client_id.as_bytes());
    bytes
}

/// Longer than any measurement, so that no ping disturbs it.
const KEEP_ALIVE_S: u16 = 3_600;

/// A DISCONNECT.
pub(crate) const DISCONNECT: [u8; 2] = [0xE0, 0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_frame_is_a_publish_of_a_native_position() {
        let mut frame = Frame::new("footfall/main/bench-t62q5c-01/positions", "t62q5c", 'b');
        let fill = Fill {
            packet_id: 0x0102,
            event: 42,
            slot: 1_234_567,
            generation: 3,
            x_mm: 3_300,
            y_mm: 99_999,
        };
        let stamp = Stamp::new(Micros(1_763_724_000_000_120));
        let bytes = frame.fill(&fill, &stamp).to_vec();
        let rest = usize::from(bytes[1] & 0x7f) + usize::from(bytes[2]) * 128;
        assert_eq!(
            (bytes[0], bytes[1] & 0x80, rest),
            (0x32, 0x80, bytes.len() - 3)
        );
        let topic = usize::from(u16::from_be_bytes([bytes[3], bytes[4]]));
        assert_eq!(
            &bytes[5..5 + topic],
            b"footfall/main/bench-t62q5c-01/positions"
        );
        assert_eq!(&bytes[5 + topic..7 + topic], [1, 2]);
        assert_eq!(
            std::str::from_utf8(&bytes[7 + topic..]).unwrap(),
            r#"{"event_id":"t62q5c0000000042","traveler_id":"bt62q5c.1234567.000003","traveler_type":"person","x":103.300,"y":199.999,"timestamp":"2025-11-21T11:20:00.000120Z"}"#
        );
    }

    #[test]
    fn a_stamp_moves_on_with_the_second() {
        let mut stamp = Stamp::new(Micros(1_763_724_000_999_999));
        assert_eq!(&stamp.text, b"2025-11-21T11:20:00.999999Z");
        stamp.set(Micros(1_763_724_001_000_000));
        assert_eq!(&stamp.text, b"2025-11-21T11:20:01.000000Z");
    }

    #[test]
    fn a_connect_is_as_the_standard_says() {
        assert_eq!(
            connect("ab"),
            b"\x10\x0e\x00\x04MQTT\x04\x02\x0e\x10\x00\x02ab"
        );
    }
}
