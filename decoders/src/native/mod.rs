//! Our own payloads: a JSON object, or an array of them, on `footfall/{site}/{device}/{kind}`.
//!
//! The usual message is read in one go into typed, borrowing structs. Only when something in it is wrong is it taken
//! apart again, slowly, to say which element, which field, and what was expected there.

mod diagnosis;
mod leaf;
mod position;
mod status;

use domain::event::Event;
use domain::event_key::EventKey;
use domain::id::DeviceId;
use domain::rejection::{Reason, Rejection};
use serde::Deserialize;

use crate::json::{self, DEPTH_MAX};
use crate::text::check_name;
use crate::{Decoded, Message, Refused};
use diagnosis::Field;
use leaf::Name;

/// How many elements one message may hold.
///
/// The smallest valid position has 29 bytes, so a message within the size limit never reaches it; `[0,0,0,…]` does, and
/// would become a dead letter for every two bytes.
pub const ELEMENTS_MAX: usize = 10_000;

/// A kind of payload.
trait Kind {
    /// An element of it, as it is written on the wire.
    type Element<'t>: Deserialize<'t>;

    /// Its fields, for explanations.
    const FIELDS: &'static [Field];

    /// The event that an element means.
    fn event(element: Self::Element<'_>, message: &Message<'_>) -> Result<Event, Rejection>;
}

pub(crate) fn decode<'a>(message: &Message<'a>) -> Decoded<'a> {
    let text = match std::str::from_utf8(message.payload) {
        Ok(text) => text,
        Err(error) => {
            let offset = error.valid_up_to();
            let byte = message.payload[offset];
            let detail = format!("expected UTF-8, found byte 0x{byte:02x} at offset {offset}");
            return Decoded::refused(message.payload, Reason::BadJson, detail);
        }
    };
    match message.kind {
        "positions" => elements::<position::Positions>(text, message),
        "status" => status::bare_text(text, message)
            .unwrap_or_else(|| elements::<status::StatusMessages>(text, message)),
        kind => Decoded::refused(
            message.payload,
            Reason::UnknownShape,
            format!("expected kind positions or status, found {kind:?}"),
        ),
    }
}

fn elements<'a, K: Kind>(text: &'a str, message: &Message<'a>) -> Decoded<'a> {
    match all_valid::<K>(text, message) {
        Some(events) => Decoded {
            events,
            refused: Vec::new(),
        },
        None => one_by_one::<K>(text, message),
    }
}

/// The events of a message in which nothing is wrong; `None` as soon as anything is.
fn all_valid<K: Kind>(text: &str, message: &Message<'_>) -> Option<Vec<Event>> {
    if json::may_be_too_deep(text) && json::depth(text) > DEPTH_MAX {
        return None;
    }
    if is_array(text) {
        let elements: Vec<K::Element<'_>> = serde_json::from_str(text).ok()?;
        if elements.len() > ELEMENTS_MAX {
            return None;
        }
        let events = elements
            .into_iter()
            .map(|element| K::event(element, message));
        events.collect::<Result<_, _>>().ok()
    } else {
        let element = serde_json::from_str(text).ok()?;
        Some(vec![K::event(element, message).ok()?])
    }
}

/// The same message with every element judged for itself.
fn one_by_one<'a, K: Kind>(text: &'a str, message: &Message<'a>) -> Decoded<'a> {
    let finite = json::without_nonfinite(text);
    let mut decoded = Decoded::default();
    if !is_array(text) {
        match element::<K>(text, &finite, DEPTH_MAX, message) {
            Ok(event) => decoded.events.push(event),
            Err(rejection) => decoded.refused.push(Refused {
                rejection,
                bytes: message.payload,
            }),
        }
        return decoded;
    }
    let places = match json::array_elements(&finite) {
        Ok(places) => places,
        Err(_) if json::depth(text) > DEPTH_MAX => {
            return Decoded::refused(message.payload, Reason::TooDeep, diagnosis::too_deep());
        }
        Err(error) => {
            return Decoded::refused(
                message.payload,
                Reason::BadJson,
                diagnosis::bad_json(&error),
            );
        }
    };
    let count = places.len();
    if count > ELEMENTS_MAX {
        let detail = format!("expected at most {ELEMENTS_MAX} elements, found {count}");
        return Decoded::refused(message.payload, Reason::TooLarge, detail);
    }
    for (index, place) in places.into_iter().enumerate() {
        let original = &text[place.clone()];
        match element::<K>(original, &finite[place], DEPTH_MAX - 1, message) {
            Ok(event) => decoded.events.push(event),
            Err(rejection) => {
                let detail = format!("element {} of {count}: {}", index + 1, rejection.detail);
                decoded.refused.push(Refused {
                    rejection: Rejection::new(rejection.reason, detail),
                    bytes: original.as_bytes(),
                });
            }
        }
    }
    decoded
}

/// One element: `original` as the device wrote it, `finite` the same text without numbers that JSON does not know.
fn element<K: Kind>(
    original: &str,
    finite: &str,
    depth_max: usize,
    message: &Message<'_>,
) -> Result<Event, Rejection> {
    if json::depth(original) > depth_max {
        return Err(Rejection::new(Reason::TooDeep, diagnosis::too_deep()));
    }
    if original != finite
        && let Some(rejection) = diagnosis::explain(K::FIELDS, original, finite)
    {
        return Err(rejection);
    }
    match serde_json::from_str(finite) {
        Ok(element) => K::event(element, message),
        Err(error) => Err(
            diagnosis::explain(K::FIELDS, original, finite).unwrap_or_else(|| {
                Rejection::new(Reason::BadField, format!("expected other fields: {error}"))
            }),
        ),
    }
}

fn is_array(text: &str) -> bool {
    text.trim_ascii_start().starts_with('[')
}

/// Who said it: the payload's own word, else the topic's.
fn device(sensor_id: Option<Name<'_>>, message: &Message<'_>) -> Result<DeviceId, Rejection> {
    match (sensor_id, message.device) {
        (Some(sensor), _) => {
            check_name("sensor_id", sensor.as_str())?;
            Ok(DeviceId(sensor.into_string()))
        }
        (None, Some(device)) => {
            check_name("device", device)?;
            Ok(device.into())
        }
        (None, None) => Err(Rejection::new(
            Reason::MissingField,
            "field sensor_id: expected a name, because the topic names no device; found no such field",
        )),
    }
}

/// The identity of an event: its own id, else its values. Says which of the two it is.
fn identity(event_id: Option<&Name<'_>>, values: &[&[u8]]) -> Result<(EventKey, bool), Rejection> {
    // An empty id is what some devices send for none; it would make one event of all of them.
    if let Some(id) = event_id.map(Name::as_str).filter(|id| !id.is_empty()) {
        check_name("event_id", id)?;
        return Ok((EventKey::from_event_id(id), true));
    }
    let mut bytes = Vec::with_capacity(values.iter().map(|value| value.len() + 4).sum());
    for value in values {
        // Each value is preceded by its length, so that ("ab", "c") and ("a", "bc") stay apart.
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(value);
    }
    Ok((EventKey::from_values(&bytes), false))
}
