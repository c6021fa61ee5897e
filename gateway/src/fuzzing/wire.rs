//! What the devices of the fuzzer send, written by hand, and how their publishes are told apart.

use crate::packet::{Qos, Version};

/// The payloads of publishes, with how many records they become. `#` stands for the serial.
const PAYLOADS: [(&str, &str, usize); 7] = [
    (NATIVE, "[]", 0),
    (NATIVE, r##"{"traveler_id":"#","x":1,"y":2}"##, 1),
    (
        NATIVE,
        r##"[{"traveler_id":"#","x":1,"y":2},{"traveler_id":"#","x":1,"y":3}]"##,
        2,
    ),
    (NATIVE, r##"[{"traveler_id":"#","x":1,"y":2},"#"]"##, 2),
    (NATIVE, "#: no JSON", 1),
    ("elsewhere", "#", 1),
    (NATIVE, LONG, 1),
];

const NATIVE: &str = "footfall/main/ent-1/positions";

/// Longer than a payload may be here.
const LONG: &str = "# is said by a device that talks more than anybody wants to read, and goes on and on and on until it is cut";

/// The longest payload that is read here.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 100;

/// How many kinds of payload there are.
pub(crate) const PAYLOAD_KINDS: usize = PAYLOADS.len();

/// A PUBLISH of the payload `kind`, and how many records it becomes.
pub(crate) fn publish(
    version: Version,
    qos: Qos,
    pkid: u16,
    kind: usize,
    serial: u16,
) -> (Vec<u8>, usize) {
    let (topic, payload, records) = PAYLOADS[kind];
    let mut body = text(topic);
    if qos != Qos::AtMostOnce {
        body.extend_from_slice(&pkid.to_be_bytes());
    }
    if version == Version::V5 {
        body.push(0);
    }
    let payload = payload.replace('#', &format!("#{serial:04x}"));
    body.extend_from_slice(payload.as_bytes());
    (packet(0x30 | (qos as u8) << 1, &body), records)
}

/// A CONNECT that starts clean.
pub(crate) fn connect(version: Version, client_id: &str, keep_alive: u16) -> Vec<u8> {
    let mut body = text("MQTT");
    body.extend_from_slice(&[if version == Version::V4 { 4 } else { 5 }, 2]);
    body.extend_from_slice(&keep_alive.to_be_bytes());
    if version == Version::V5 {
        body.push(0);
    }
    body.extend_from_slice(&text(client_id));
    packet(0x10, &body)
}

/// A packet with nothing but an id.
pub(crate) fn bare(first: u8, pkid: u16) -> Vec<u8> {
    packet(first, &pkid.to_be_bytes())
}

/// The serial in the value of a record: four digits behind a `#`.
pub(crate) fn serial_in(value: &[u8]) -> Option<u16> {
    value.windows(5).find_map(|window| {
        let digits = std::str::from_utf8(window.strip_prefix(b"#")?).ok()?;
        u16::from_str_radix(digits, 16).ok()
    })
}

fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("names are short");
    [&length.to_be_bytes(), text.as_bytes()].concat()
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let low = u8::try_from(body.len() & 0x7f).expect("seven bits");
    let high = u8::try_from(body.len() >> 7).expect("packets are short");
    let length: &[u8] = if high == 0 {
        &[low]
    } else {
        &[low | 0x80, high]
    };
    [&[first], length, body].concat()
}
