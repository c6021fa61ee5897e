//! The JSON of native messages: good ones, and the broken ones that a fleet in the field sends too.

use std::fmt::Write;

use bytes::Bytes;
use domain::rejection::Reason;
use domain::time::Micros;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::name::Names;
use crate::world::Sighting;

/// How a message is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Breakage {
    /// Cut off in the middle.
    Truncated,
    /// Without `y`.
    NoY,
    /// `x` is a word.
    WordForX,
    /// `timestamp` is a word.
    WordForTimestamp,
    /// `x` is beyond 10⁶ m.
    FarAway,
    /// An array of a good event and one that is beyond 10⁶ m.
    OneBadElement,
}

impl Breakage {
    pub(crate) const ALL: [Self; 6] = [
        Self::Truncated,
        Self::NoY,
        Self::WordForX,
        Self::WordForTimestamp,
        Self::FarAway,
        Self::OneBadElement,
    ];

    pub(crate) fn any(rng: &mut ChaCha8Rng) -> Self {
        let count = u32::try_from(Self::ALL.len()).expect("a handful of breakages");
        Self::ALL[rng.random_range(0..count) as usize]
    }

    /// What a gateway must say about it.
    pub(crate) const fn reason(self) -> Reason {
        match self {
            Self::Truncated => Reason::BadJson,
            Self::NoY => Reason::MissingField,
            Self::WordForX => Reason::BadField,
            Self::WordForTimestamp => Reason::BadTimestamp,
            Self::FarAway | Self::OneBadElement => Reason::OutOfRange,
        }
    }
}

/// The payload of the event `number`.
pub(crate) fn position(names: &Names, number: u64, sighting: &Sighting) -> Bytes {
    Bytes::from(object(&Parts::of(names, number, sighting)))
}

/// A broken payload that carries the id of event `number`; [`Breakage::OneBadElement`] also holds the good event `beside`.
pub(crate) fn broken(
    breakage: Breakage,
    names: &Names,
    number: u64,
    (beside, sighting): (u64, &Sighting),
) -> Bytes {
    let mut parts = Parts::of(names, number, sighting);
    match breakage {
        Breakage::NoY => parts.y = None,
        Breakage::WordForX => "\"left\"".clone_into(&mut parts.x),
        Breakage::WordForTimestamp => "yesterday".clone_into(&mut parts.timestamp),
        Breakage::FarAway | Breakage::OneBadElement => "2000000.5".clone_into(&mut parts.x),
        Breakage::Truncated => {}
    }
    let mut text = object(&parts);
    match breakage {
        Breakage::Truncated => text.truncate(text.len() / 2),
        Breakage::OneBadElement => {
            text = format!("[{},{text}]", object(&Parts::of(names, beside, sighting)));
        }
        _ => {}
    }
    Bytes::from(text)
}

/// The payload of a status message.
pub(crate) fn status(state: &str, at: Micros) -> Bytes {
    Bytes::from(format!(
        r#"{{"state":"{state}","battery_percent":100,"firmware":"2.4.1","timestamp":"{}"}}"#,
        timestamp(at)
    ))
}

/// The fields of an event, as JSON text.
struct Parts {
    event_id: String,
    traveler_id: String,
    traveler_type: &'static str,
    x: String,
    y: Option<String>,
    timestamp: String,
}

impl Parts {
    fn of(names: &Names, number: u64, sighting: &Sighting) -> Self {
        Self {
            event_id: names.event(number),
            traveler_id: names.traveler(sighting),
            traveler_type: sighting.traveler.traveler_type(),
            x: metres(sighting.x_mm),
            y: Some(metres(sighting.y_mm)),
            timestamp: timestamp(sighting.at),
        }
    }
}

/// Every value is ASCII made here, without anything that JSON would escape.
fn object(parts: &Parts) -> String {
    let mut text = String::with_capacity(192);
    let y = parts
        .y
        .as_ref()
        .map(|y| format!(r#""y":{y},"#))
        .unwrap_or_default();
    write!(
        text,
        r#"{{"event_id":"{}","traveler_id":"{}","traveler_type":"{}","x":{},{y}"timestamp":"{}"}}"#,
        parts.event_id, parts.traveler_id, parts.traveler_type, parts.x, parts.timestamp
    )
    .expect("writing to a string cannot fail");
    text
}

fn metres(millimetres: i32) -> String {
    let sign = if millimetres < 0 { "-" } else { "" };
    let size = millimetres.unsigned_abs();
    format!("{sign}{}.{:03}", size / 1_000, size % 1_000)
}

/// RFC 3339 in UTC, with all six digits of the microseconds.
pub(crate) fn timestamp(at: Micros) -> String {
    match at.to_timestamp() {
        Some(instant) => format!("{instant:.6}"),
        None => at.0.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traveler::Traveler;

    fn sighting() -> Sighting {
        Sighting {
            at: Micros(1_763_724_000_000_120),
            sensor: 0,
            number: 3,
            traveler: Traveler::Student,
            x_mm: -50,
            y_mm: 12_345,
        }
    }

    #[test]
    fn a_position_reads_as_the_contract_says() {
        let names = Names::new(Micros(1_763_724_000_000_000), 42);
        let payload = position(&names, 1, &sighting());
        assert_eq!(
            payload,
            r#"{"event_id":"t62q5c16-0000001","traveler_id":"t62q5c16.00003","traveler_type":"student","x":-0.050,"y":12.345,"timestamp":"2025-11-21T11:20:00.000120Z"}"#
        );
        let value: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(value["x"].as_f64(), Some(-0.05));
    }

    #[test]
    fn broken_payloads_are_broken_in_the_way_they_say() {
        let names = Names::new(Micros(0), 0);
        let payload = |breakage| broken(breakage, &names, 8, (7, &sighting()));
        let value =
            |breakage| serde_json::from_slice::<serde_json::Value>(&payload(breakage)).unwrap();
        assert!(
            serde_json::from_slice::<serde_json::Value>(&payload(Breakage::Truncated)).is_err()
        );
        assert!(value(Breakage::NoY).get("y").is_none());
        assert!(value(Breakage::WordForX)["x"].is_string());
        assert_eq!(value(Breakage::WordForTimestamp)["timestamp"], "yesterday");
        assert!(value(Breakage::FarAway)["x"].as_f64().unwrap() > 1e6);
        let both = value(Breakage::OneBadElement);
        assert_eq!(both[0]["event_id"], names.event(7));
        assert_eq!(both[1]["event_id"], names.event(8));
    }
}
