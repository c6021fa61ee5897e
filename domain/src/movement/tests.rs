//! The fold: case by case (`cases`), with very many of something (`many`), and in any order of arrival (`orders`), against
//! the definitions (`reference`); and what it packs (`blocks`).

mod blocks;
mod cases;
mod many;
mod orders;
mod reference;

use super::*;
use crate::event::{DeviceState, Position, Status, TimeSource};
use crate::event_key::EventKey;

const START: i64 = 1_700_000_000;

/// A sample: (traveler, second × 10, id, x, y); or a status, by the traveler that it has instead. What is seen of a traveler
/// above `WILD` is impossible: it comes up to 15 microseconds later, by its id, and jumps over hundreds of kilometres.
type Seen = (u8, i64, u16, i16, i16);

/// See [`Seen`].
const WILD: u8 = 200;

/// Stand for a traveler where the sensor speaks of itself.
const HEARTBEAT: u8 = 250;
const GOODBYE: u8 = 251;

fn instant(tenths: i64) -> Micros {
    Micros(START * 1_000_000 + tenths * 100_000)
}

fn event(device: &str, at: Micros, body: Body) -> Event {
    Event {
        device: device.into(),
        event_time: at,
        received_at: at,
        time_source: TimeSource::Device,
        key: EventKey::default(),
        has_event_id: true,
        body,
    }
}

fn position((traveler, tenths, id, x, y): Seen) -> Event {
    let is_wild = traveler > WILD;
    let metres = |value: i16| f64::from(value) * if is_wild { 30.0 } else { 0.1 };
    let later = Span(if is_wild { i64::from(id % 16) } else { 0 });
    let body = Body::Position(Position {
        traveler: format!("t{traveler}").into(),
        traveler_type: if traveler % 2 == 0 {
            "student".into()
        } else {
            "person".into()
        },
        x: metres(x),
        y: metres(y),
    });
    Event {
        key: EventKey::from_event_id(&format!("{id}")),
        ..event("ent-1", instant(tenths) + later, body)
    }
}

/// What a sample stands for.
fn event_of(seen: Seen) -> Event {
    let state = match seen.0 {
        HEARTBEAT => DeviceState::Heartbeat,
        GOODBYE => DeviceState::Offline,
        _ => return position(seen),
    };
    status(seen.1, state)
}

fn status(tenths: i64, state: DeviceState) -> Event {
    let body = Body::Status(Status {
        state,
        battery_percent: None,
        firmware: None,
    });
    event("ent-1", instant(tenths), body)
}

fn tick(tenths: i64) -> Event {
    event("", instant(tenths), Body::Tick)
}
