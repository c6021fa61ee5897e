//! `GET /overview`: how many people are where, now.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::overview::body::Overview;
use crate::overview::{OverviewFilter, overview};
use crate::params::Asked;
use crate::problem::Answer;
use crate::refusal::Refusals;

/// Which part of the site.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OverviewParams {
    /// Zones, as a comma list; `all` or nothing for all.
    #[param(example = "lib,cafe")]
    pub zone: Option<String>,
    /// Sensors, as a comma list. Zones without one of them are left out.
    #[param(example = "lib-1")]
    pub sensor: Option<String>,
    /// Traveler types, as a comma list.
    #[serde(rename = "type")]
    #[param(rename = "type", example = "student")]
    pub traveler_type: Option<String>,
    /// The zone of the instants in the answer; the site's unless given.
    #[param(example = "Europe/London")]
    pub tz: Option<String>,
}

/// How many people are where, now
#[utoipa::path(
    get, path = "/api/v1/overview", tag = "movement", operation_id = "getOverview", params(OverviewParams),
    responses((status = OK, description = "People by zone", body = Overview, example = json!({
        "as_of": "2026-11-24T11:20:14.25+00:00", "on_site": 388, "counted_zones": 1, "typical": null, "lag_ms": 1830,
        "open_alerts": 0, "watermark": "2026-11-24T11:00:12.5+00:00", "stale": false,
        "zones": [{
            "id": "lib", "name": "Library", "n": 388, "capacity": 450, "share": 0.8622222222222222, "state": "busy",
            "seen": "2026-11-24T11:20:12.5+00:00", "silent_s": null, "sensors": ["lib-1"]
        }],
        "silent_sensors": [
            {"id": "sh-02", "zone": "sports", "last_seen": "2026-11-24T11:06:02.25+00:00", "silent_s": 852}
        ],
        "stream": {"topic": "overview", "filter": "7f3a90c1d2e4b586", "epoch": "8f3c5a1e", "offset": 10231}
    })), Refusals)
)]
pub async fn show(
    State(app): State<Arc<App>>,
    Asked(params): Asked<OverviewParams>,
) -> Answer<Json<Overview>> {
    let moment = app.moment()?;
    let filter = OverviewFilter::parse(&params, &moment)?;
    Ok(Json(overview(&filter, &moment, &app.settings)))
}
