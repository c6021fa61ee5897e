//! `GET /site`: what this deployment is.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::pane::PANE;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::params::Asked;
use crate::problem::Answer;
use crate::refusal::Refusals;
use crate::stamp::Stamp;

/// The query of a resource that has no parameters.
#[derive(Debug, Deserialize, IntoParams)]
pub struct NoParams {}

/// A deployment: its name, its zone and the parameters of its rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Site {
    /// Its id, as in MQTT topics.
    #[schema(example = "main")]
    pub id: String,
    /// Its name.
    #[schema(example = "Main campus")]
    pub name: String,
    /// Its IANA time zone: days begin at its midnight.
    #[schema(example = "Europe/London")]
    pub tz: String,
    /// How numbers and dates are written.
    #[schema(example = "en-GB")]
    pub locale: String,
    /// The server's clock.
    pub now: Stamp,
    /// What can be asked.
    #[schema(example = json!(["movement"]))]
    pub features: Vec<String>,
    /// Which kinds of data a consumer folds.
    #[schema(example = json!({"movement": true}))]
    pub feeds: BTreeMap<String, bool>,
    /// How often a sensor is expected to give a sign of life, in seconds.
    #[schema(example = 30)]
    pub heartbeat_s: u64,
    /// A sensor that is silent for longer is not covered, unless longer silences are usual for it, in seconds.
    #[schema(example = 60)]
    pub silent_after_s: u64,
    /// How late an event may be and still change a number, in seconds.
    #[schema(example = 1200)]
    pub lateness_s: u64,
    /// A longer pause starts a new visit, in seconds.
    #[schema(example = 30)]
    pub idle_gap_s: u64,
    /// Length of the finest window, in seconds.
    #[schema(example = 10)]
    pub pane_s: u64,
    /// The MQTT topic on which devices publish positions.
    #[schema(example = "footfall/main/{device}/positions")]
    pub mqtt_topic: String,
    /// Where devices connect; null where the deployment does not say.
    #[schema(required, example = "127.0.0.1:1883")]
    pub mqtt: Option<String>,
    /// Version of the server.
    #[schema(example = "0.1.0")]
    pub version: String,
}

/// What this deployment is
#[utoipa::path(
    get, path = "/api/v1/site", tag = "registry", operation_id = "getSite",
    responses((status = OK, description = "The deployment", body = Site, example = json!({
        "id": "main", "name": "Main campus", "tz": "Europe/London", "locale": "en-GB",
        "now": "2026-11-24T11:20:14.25+00:00", "features": ["movement"], "feeds": {"movement": true},
        "heartbeat_s": 30, "silent_after_s": 60, "lateness_s": 1200, "idle_gap_s": 30, "pane_s": 10,
        "mqtt_topic": "footfall/main/{device}/positions", "mqtt": "127.0.0.1:1883", "version": "0.1.0"
    })), Refusals)
)]
pub async fn show(State(app): State<Arc<App>>, _: Asked<NoParams>) -> Answer<Json<Site>> {
    let moment = app.moment()?;
    let catalog = &moment.catalog;
    let settings = &app.settings;
    let is_folded = catalog
        .partitions
        .iter()
        .any(|row| row.topic == settings.topic);
    Ok(Json(Site {
        id: catalog.site.id.clone(),
        name: catalog.site.name.clone(),
        tz: catalog.tz.iana_name().unwrap_or("UTC").to_owned(),
        locale: catalog.site.locale.clone(),
        now: Stamp::new(app.clock.now(), &catalog.tz),
        features: vec!["movement".to_owned()],
        feeds: BTreeMap::from([("movement".to_owned(), is_folded)]),
        heartbeat_s: settings.heartbeat.as_secs(),
        silent_after_s: settings.rhythm.silent_after.0.unsigned_abs() / 1_000_000,
        lateness_s: settings.lateness.as_secs(),
        idle_gap_s: settings.idle_gap.0.unsigned_abs() / 1_000_000,
        pane_s: PANE.0.unsigned_abs() / 1_000_000,
        mqtt_topic: format!("footfall/{}/{{device}}/positions", catalog.site.id),
        mqtt: settings.mqtt_advertised.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }))
}
