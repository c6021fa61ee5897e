//! What a message says, one JSON object a line: for `footfall decode` and for snapshots of real payloads.

use domain::event::{Body, Event};
use serde::Serialize;

use crate::{Decoded, Refused};

/// An event as a line; what it does not have is left out.
#[derive(Debug, Default, Serialize)]
struct EventLine<'a> {
    kind: &'static str,
    device: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traveler_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    battery_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    firmware: Option<&'a str>,
    event_time: String,
    time_source: &'static str,
    /// The device's own id, as far as sixteen bytes hold it.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
}

#[derive(Debug, Serialize)]
struct RefusedLine<'a> {
    rejected: &'static str,
    detail: &'a str,
}

impl Decoded<'_> {
    /// One JSON object for each event, then one for each refused element.
    #[must_use]
    pub fn to_lines(&self) -> Vec<String> {
        let events = self.events.iter().map(event_line);
        events
            .chain(self.refused.iter().map(refused_line))
            .collect()
    }
}

fn event_line(event: &Event) -> String {
    let line = EventLine {
        device: event.device.as_str(),
        event_time: event.event_time.to_string(),
        time_source: event.time_source.as_str(),
        event_id: event.has_event_id.then(|| event_id(event.key.0)),
        ..EventLine::default()
    };
    to_json(&match &event.body {
        Body::Position(position) => EventLine {
            kind: "position",
            subject: Some(position.traveler.as_str()),
            traveler_type: Some(position.traveler_type.as_str()),
            x: Some(position.x),
            y: Some(position.y),
            ..line
        },
        Body::Status(status) => EventLine {
            kind: "status",
            state: Some(status.state.as_str()),
            battery_percent: status.battery_percent,
            firmware: status.firmware.as_deref(),
            ..line
        },
        Body::Tick => EventLine {
            kind: "tick",
            ..line
        },
    })
}

/// Short text stands for itself; everything else is shown in the form of a UUID, which is what it most often was.
fn event_id(key: [u8; 16]) -> String {
    let length = key
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1);
    let text = std::str::from_utf8(&key[..length]).unwrap_or_default();
    if !text.is_empty() && !text.contains(char::is_control) {
        return text.to_owned();
    }
    let mut id = String::with_capacity(36);
    for (index, byte) in key.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            id.push('-');
        }
        id.push_str(&format!("{byte:02x}"));
    }
    id
}

fn refused_line(refused: &Refused<'_>) -> String {
    to_json(&RefusedLine {
        rejected: refused.rejection.reason.as_str(),
        detail: &refused.rejection.detail,
    })
}

fn to_json(line: &impl Serialize) -> String {
    serde_json::to_string(line).expect("names and finite numbers always have a JSON form")
}
