//! Kind `positions`: a traveler seen by a movement sensor.

use domain::event::{Body, Event, Position};
use domain::rejection::{Reason, Rejection};
use serde::Deserialize;

use super::diagnosis::{Field, Leaf};
use super::leaf::Name;
use super::{Kind, device, identity};
use crate::Message;
use crate::text::check_name;
use crate::timestamp::{self, Stamp, resolve};

/// Who walks by when the device does not say.
const DEFAULT_TYPE: &str = "person";

/// The largest distance from the sensor's origin, in metres.
const COORDINATE_MAX: f64 = 1e6;

/// See the module.
pub(super) struct Positions;

/// An element as it is written on the wire.
#[derive(Deserialize)]
pub(super) struct PositionElement<'t> {
    #[serde(borrow)]
    traveler_id: Name<'t>,
    x: f64,
    y: f64,
    #[serde(borrow)]
    traveler_type: Option<Name<'t>>,
    #[serde(borrow)]
    timestamp: Option<Stamp<'t>>,
    #[serde(borrow)]
    event_id: Option<Name<'t>>,
    #[serde(borrow)]
    sensor_id: Option<Name<'t>>,
}

impl Kind for Positions {
    type Element<'t> = PositionElement<'t>;

    const FIELDS: &'static [Field] = &[
        Field::required("traveler_id", Leaf::Name, "text or an integer"),
        Field::required("x", Leaf::Number, "a number of metres"),
        Field::required("y", Leaf::Number, "a number of metres"),
        Field::optional("traveler_type", Leaf::Name, "text"),
        Field::optional("timestamp", Leaf::Stamp, timestamp::EXPECTED),
        Field::optional("event_id", Leaf::Name, "text"),
        Field::optional("sensor_id", Leaf::Name, "text"),
    ];

    fn event(element: PositionElement<'_>, message: &Message<'_>) -> Result<Event, Rejection> {
        let overrides = message.overrides;
        let device = device(element.sensor_id, message)?;
        check_name("traveler_id", element.traveler_id.as_str())?;
        let traveler_type = match element.traveler_type {
            Some(name) => {
                check_name("traveler_type", name.as_str())?;
                name.into_string()
            }
            None => DEFAULT_TYPE.to_owned(),
        };
        let x = coordinate("x", overrides.unit.to_metres(element.x))?;
        let y = coordinate("y", overrides.unit.to_metres(element.y))?;
        let (event_time, time_source) = resolve(
            element.timestamp.as_ref(),
            message.received_at,
            overrides.timezone.as_ref(),
        )?;
        let (key, has_event_id) = identity(
            element.event_id.as_ref(),
            &[
                b"position",
                device.as_str().as_bytes(),
                element.traveler_id.as_str().as_bytes(),
                traveler_type.as_bytes(),
                &x.to_bits().to_le_bytes(),
                &y.to_bits().to_le_bytes(),
            ],
        )?;
        Ok(Event {
            device,
            event_time,
            received_at: message.received_at,
            time_source,
            key,
            has_event_id,
            body: Body::Position(Position {
                traveler: element.traveler_id.into_string().into(),
                traveler_type: traveler_type.into(),
                x,
                y,
            }),
        })
    }
}

fn coordinate(field: &str, metres: f64) -> Result<f64, Rejection> {
    if metres.is_finite() && metres.abs() <= COORDINATE_MAX {
        // Adding zero makes 0 of −0, so that both give one identity.
        return Ok(metres + 0.0);
    }
    Err(Rejection::new(
        Reason::OutOfRange,
        format!("field {field}: expected a number of metres within ±10^6, found {metres}"),
    ))
}
