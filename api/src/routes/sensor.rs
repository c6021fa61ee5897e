//! `GET /sensors` and `GET /sensors/{id}`: the sensors that are registered or were heard of.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use domain::id::DeviceId;
use domain::time::Micros;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::{App, Moment};
use crate::overview::{UNASSIGNED, known_zones};
use crate::params::{Asked, Choice, Page, next_link};
use crate::problem::{Answer, Problem};
use crate::refusal::{Missing, Refusals};
use crate::routes::site::NoParams;
use crate::stamp::Stamp;

/// Which page of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParams {
    /// Items at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500, default = 100)]
    pub limit: Option<String>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// Which sensors.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SensorParams {
    /// A part of the id or the name, in large or small letters.
    #[param(example = "door")]
    pub q: Option<String>,
    /// Zones, as a comma list; `unassigned` for the sensors that are in none.
    #[param(example = "entrance")]
    pub zone: Option<String>,
    /// Kinds, as a comma list.
    #[param(example = "movement")]
    pub kind: Option<String>,
    /// States, as a comma list: `online`, `late`, `offline`, `unknown`.
    #[param(example = "late,offline")]
    pub status: Option<String>,
    /// Items at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500, default = 100)]
    pub limit: Option<String>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// [`SensorParams`], checked.
struct Wanted {
    words: String,
    zones: Choice,
    kinds: Choice,
    states: Choice,
}

impl Wanted {
    fn parse(params: &SensorParams, moment: &Moment) -> Answer<Self> {
        let states = Choice::parse("status", params.status.as_deref())?;
        let is_known = |name: &str| SensorState::ALL.iter().any(|state| state.as_str() == name);
        if let Some(name) = states.names().into_iter().flatten().find(|n| !is_known(n)) {
            let known = SensorState::ALL.map(SensorState::as_str).join(", ");
            let detail = format!("{name:?} is none of {known}");
            return Err(Problem::parameter("status", "unknown_value", detail));
        }
        Ok(Self {
            words: params
                .q
                .as_deref()
                .unwrap_or_default()
                .trim()
                .to_lowercase(),
            zones: known_zones(params.zone.as_deref(), moment)?,
            kinds: Choice::parse("kind", params.kind.as_deref())?,
            states,
        })
    }

    fn takes(&self, sensor: &Sensor) -> bool {
        let is_called = |name: &str| name.to_lowercase().contains(&self.words);
        (is_called(&sensor.id) || is_called(&sensor.name))
            && (self.zones).contains(sensor.zone.as_deref().unwrap_or(UNASSIGNED))
            && self.kinds.contains(&sensor.kind)
            && self.states.contains(sensor.state.as_str())
    }
}

/// A sensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Sensor {
    /// Its id, as in MQTT topics.
    #[schema(example = "ent-1")]
    pub id: String,
    /// Its name; the id while it is not registered.
    #[schema(example = "Main entrance, door 1")]
    pub name: String,
    /// `movement` or `rfid`.
    #[schema(example = "movement")]
    pub kind: String,
    /// The zone it stands in.
    #[schema(required, example = "entrance")]
    pub zone: Option<String>,
    /// Whether somebody registered it. One that publishes without loses nothing.
    pub registered: bool,
    /// Its latest event.
    #[schema(required)]
    pub last_seen: Option<Stamp>,
    /// No event of this sensor before this changes an answer any more.
    #[schema(required)]
    pub watermark: Option<Stamp>,
    /// Whether it speaks.
    pub state: SensorState,
    /// People it sees: visits that go on, or that went on when it spoke last.
    #[schema(example = 12)]
    pub present: u64,
    /// How long it may be silent and still count as up: that of `/site`, or twice its usual silence when that is longer.
    #[schema(example = 60)]
    pub silent_after_s: u64,
}

/// Whether a sensor speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SensorState {
    /// It speaks: its last sign of life is at most `silent_after_s` old, so it is covered and counted.
    Online,
    /// It is silent: its last sign is at most five heartbeats, or five of its usual silences, old. It is not counted any more.
    Late,
    /// Its last sign is older than that, or it said that it goes away.
    Offline,
    /// It has never been heard of.
    Unknown,
}

impl SensorState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Online, Self::Late, Self::Offline, Self::Unknown];

    /// Its name in queries and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Late => "late",
            Self::Offline => "offline",
            Self::Unknown => "unknown",
        }
    }
}

/// A page of sensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SensorPage {
    /// The sensors, by id.
    pub items: Vec<Sensor>,
    /// Ask for the next page with it; null on the last.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// The sensors
#[utoipa::path(
    get, path = "/api/v1/sensors", tag = "registry", operation_id = "listSensors", params(SensorParams),
    responses((status = OK, description = "A page of sensors, by id", body = SensorPage, example = json!({"items": [{
        "id": "ent-1", "name": "Main entrance, door 1", "kind": "movement", "zone": "entrance", "registered": true,
        "last_seen": "2026-11-24T11:20:12.5+00:00", "watermark": "2026-11-24T11:00:12.5+00:00", "state": "online",
        "present": 12, "silent_after_s": 60
    }], "next_cursor": null})), Refusals)
)]
pub async fn list(
    State(app): State<Arc<App>>,
    Asked(params): Asked<SensorParams>,
    uri: Uri,
) -> Answer<(HeaderMap, Json<SensorPage>)> {
    let moment = app.moment()?;
    let wanted = Wanted::parse(&params, &moment)?;
    let page = Page::parse(params.limit.as_deref(), params.cursor.as_deref(), 1)?;
    let after = page
        .after
        .as_ref()
        .map_or("", |cursor| cursor.0[0].as_str());
    let ids = moment.sensors.keys().filter(|id| id.as_str() > after);
    let known = ids.map(|id| sensor(&app, &moment, id));
    let found = known.filter(|sensor| wanted.takes(sensor));
    let found = found.take(page.limit + 1).collect();
    let (items, next_cursor) = page.cut(found, |sensor| vec![sensor.id.clone()]);
    let link = next_link(&uri, next_cursor.as_deref());
    Ok((link, Json(SensorPage { items, next_cursor })))
}

/// One sensor
#[utoipa::path(
    get, path = "/api/v1/sensors/{id}", tag = "registry", operation_id = "getSensor",
    params(("id" = String, Path, description = "Its id", example = "ent-1")),
    responses((status = OK, description = "The sensor", body = Sensor, example = json!({
        "id": "ent-1", "name": "Main entrance, door 1", "kind": "movement", "zone": "entrance", "registered": true,
        "last_seen": "2026-11-24T11:20:12.5+00:00", "watermark": "2026-11-24T11:00:12.5+00:00", "state": "online",
        "present": 12, "silent_after_s": 60
    })), Missing, Refusals)
)]
pub async fn show(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
    _: Asked<NoParams>,
) -> Answer<Json<Sensor>> {
    let moment = app.moment()?;
    let id = id.map_err(|cause| Problem::parameter("id", "not_utf8", cause.body_text()))?;
    match moment.sensors.get_key_value(id.as_str()) {
        Some((id, _)) => Ok(Json(sensor(&app, &moment, id))),
        None => Err(Problem::not_found(format!(
            "no sensor has the id {:?}",
            id.0
        ))),
    }
}

fn sensor(app: &App, moment: &Moment, id: &DeviceId) -> Sensor {
    let known = &moment.sensors[id];
    let device = moment.catalog.devices.get(id);
    let heard = known.heard.as_ref();
    let stamp = |at: Micros| Stamp::new(at, &moment.catalog.tz);
    let rhythm = app.settings.rhythm;
    let rhythm = heard.map_or(rhythm, |heard| heard.rhythm(rhythm));
    Sensor {
        id: id.0.clone(),
        name: device.map_or_else(|| id.0.clone(), |device| device.name.clone()),
        kind: device.map_or_else(|| "movement".to_owned(), |device| device.kind.clone()),
        zone: known.zone.clone(),
        registered: device.is_some(),
        last_seen: heard.map(|heard| stamp(heard.last_event)),
        watermark: heard.map(|heard| stamp(heard.watermark)),
        state: known.state(moment.now, app.settings.rhythm),
        present: heard.map_or(0, |heard| heard.present(|_| true)),
        silent_after_s: rhythm.silent_after.0.unsigned_abs() / 1_000_000,
    }
}
