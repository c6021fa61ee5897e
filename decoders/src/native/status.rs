//! Kind `status`: what a device says about itself, as an object or as the bare word.

use domain::event::{Body, DeviceState, Event, Status};
use domain::rejection::{Reason, Rejection};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::diagnosis::{Field, Leaf};
use super::leaf::Name;
use super::{Kind, device, identity};
use crate::text::{check_name, found};
use crate::timestamp::{self, Stamp, resolve};
use crate::{Decoded, Message, Refused};

const EXPECTED_STATE: &str = "online, offline or heartbeat";

/// See the module.
pub(super) struct StatusMessages;

/// An element as it is written on the wire.
#[derive(Deserialize)]
pub(super) struct StatusElement<'t> {
    #[serde(borrow)]
    state: Name<'t>,
    battery_percent: Option<f64>,
    #[serde(borrow)]
    firmware: Option<Name<'t>>,
    #[serde(borrow)]
    timestamp: Option<Stamp<'t>>,
    #[serde(borrow)]
    event_id: Option<Name<'t>>,
    #[serde(borrow)]
    sensor_id: Option<Name<'t>>,
}

impl Kind for StatusMessages {
    type Element<'t> = StatusElement<'t>;

    const FIELDS: &'static [Field] = &[
        Field::required("state", Leaf::Name, EXPECTED_STATE),
        Field::optional("battery_percent", Leaf::Number, "a number from 0 to 100"),
        Field::optional("firmware", Leaf::Name, "text"),
        Field::optional("timestamp", Leaf::Stamp, timestamp::EXPECTED),
        Field::optional("event_id", Leaf::Name, "text"),
        Field::optional("sensor_id", Leaf::Name, "text"),
    ];

    fn event(element: StatusElement<'_>, message: &Message<'_>) -> Result<Event, Rejection> {
        let device = device(element.sensor_id, message)?;
        let state = state(element.state.as_str())?;
        let battery_percent = element.battery_percent.map(battery).transpose()?;
        if let Some(firmware) = &element.firmware {
            check_name("firmware", firmware.as_str())?;
        }
        let (event_time, time_source) = resolve(
            element.timestamp.as_ref(),
            message.received_at,
            message.overrides.timezone.as_ref(),
        )?;
        let firmware = element.firmware.map(Name::into_string);
        let (key, has_event_id) = identity(
            element.event_id.as_ref(),
            &[
                b"status",
                device.as_str().as_bytes(),
                state.as_str().as_bytes(),
                &battery_percent.map_or([0xff; 8], |percent| percent.to_bits().to_le_bytes()),
                firmware.as_deref().unwrap_or_default().as_bytes(),
            ],
        )?;
        Ok(Event {
            device,
            event_time,
            received_at: message.received_at,
            time_source,
            key,
            has_event_id,
            body: Body::Status(Status {
                state,
                battery_percent,
                firmware,
            }),
        })
    }
}

/// A payload that is one word instead of JSON, as birth and will messages often are; `None` for anything else.
pub(super) fn bare_text<'a>(text: &str, message: &Message<'a>) -> Option<Decoded<'a>> {
    let word = text.trim();
    if word.is_empty() || word.starts_with(['{', '[']) {
        return None;
    }
    let unquoted = match serde_json::from_str::<String>(word) {
        Ok(unquoted) => unquoted,
        // A number, true or null: JSON, but no word.
        Err(_) if serde_json::from_str::<&RawValue>(word).is_ok() => return None,
        Err(_) => word.to_owned(),
    };
    let element = StatusElement {
        state: Name::from(unquoted),
        battery_percent: None,
        firmware: None,
        timestamp: None,
        event_id: None,
        sensor_id: None,
    };
    let mut decoded = Decoded::default();
    match StatusMessages::event(element, message) {
        Ok(event) => decoded.events.push(event),
        Err(rejection) => decoded.refused.push(Refused {
            rejection,
            bytes: message.payload,
        }),
    }
    Some(decoded)
}

fn state(word: &str) -> Result<DeviceState, Rejection> {
    DeviceState::from_name(word).ok_or_else(|| {
        Rejection::new(
            Reason::BadField,
            format!(
                "field state: expected {EXPECTED_STATE}, found {}",
                found(word)
            ),
        )
    })
}

fn battery(percent: f64) -> Result<f64, Rejection> {
    if (0.0..=100.0).contains(&percent) {
        return Ok(percent + 0.0);
    }
    Err(Rejection::new(
        Reason::OutOfRange,
        format!("field battery_percent: expected a number from 0 to 100, found {percent}"),
    ))
}
