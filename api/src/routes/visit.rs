//! `GET /visits`: a row for each visit of a traveler.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::csv::{self, Table};
use crate::params::{Asked, LIMIT_MAX, next_link};
use crate::problem::Answer;
use crate::refusal::Refusals;
use crate::stamp::Stamp;
use crate::visits::{self, VisitQuestion};

/// Which visits.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct VisitParams {
    /// Sensors, as a comma list; `all` or nothing for all.
    #[param(example = "ent-1,ent-2")]
    pub sensor: Option<String>,
    /// Zones, as a comma list: only the sensors that stand in them.
    #[param(example = "entrance")]
    pub zone: Option<String>,
    /// Traveler types, as a comma list.
    #[serde(rename = "type")]
    #[param(rename = "type", example = "student")]
    pub traveler_type: Option<String>,
    /// Visits that began at or after this: RFC 3339, a date, `today`, `week`, `now` or `now-24h`.
    #[param(example = "today", default = "today")]
    pub start: Option<String>,
    /// Visits that began before this.
    #[param(example = "now", default = "now")]
    pub end: Option<String>,
    /// Visits at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500, default = 100)]
    pub limit: Option<String>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// The zone of days and of the instants in the answer; the site's unless given.
    #[param(example = "Europe/London")]
    pub tz: Option<String>,
    /// `json` or `csv`; what `Accept` says unless given.
    #[param(example = "csv", default = "json")]
    pub format: Option<String>,
    /// `1` begins the CSV with a byte order mark, for Excel.
    #[param(example = "1", default = "0")]
    pub bom: Option<String>,
}

/// A visit: the consecutive samples of a traveler at a sensor without a pause above the idle gap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Visit {
    /// The sensor.
    #[schema(example = "ent-1")]
    pub sensor: String,
    /// Who.
    #[schema(example = "t-4711")]
    pub traveler_id: String,
    /// What kind of traveler.
    #[schema(example = "student")]
    pub traveler_type: String,
    /// The first sample.
    pub entered_at: Stamp,
    /// The last sample (so far).
    pub left_at: Stamp,
    /// How many samples.
    #[schema(example = 17)]
    pub samples: u32,
    /// Length of the way, in metres.
    #[schema(example = 12.5)]
    pub distance_m: f64,
    /// The least speed, in m/s; null with less than two samples.
    #[schema(required, example = 0.7)]
    pub speed_min: Option<f64>,
    /// The greatest speed, in m/s.
    #[schema(required, example = 1.9)]
    pub speed_max: Option<f64>,
    /// The mean of the speed samples, in m/s.
    #[schema(required, example = 1.31)]
    pub speed_avg: Option<f64>,
    /// How settled it is.
    pub state: VisitState,
}

/// How settled a visit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VisitState {
    /// It goes on.
    Live,
    /// It is over; a late event may still change it.
    Provisional,
    /// What came in time is in it; only an event that comes very late, within 48 h, changes it.
    Final,
    /// It was final, and a late event has changed it since.
    Revised,
}

/// A page of visits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VisitPage {
    /// The visits, by entry, sensor, traveler and type.
    pub items: Vec<Visit>,
    /// Ask for the next page with it; null on the last.
    #[schema(required)]
    pub next_cursor: Option<String>,
    /// Whether visits that go on may be missing because the live view is away.
    pub stale: bool,
}

/// The visits that began in a range of time
#[utoipa::path(
    get, path = "/api/v1/visits", tag = "movement", operation_id = "listVisits", params(VisitParams),
    responses((status = OK, description = "A page of visits, by entry; as CSV all of them unless there is a limit", content(
        (VisitPage = "application/json", example = json!({
        "items": [{
            "sensor": "ent-1", "traveler_id": "t-4711", "traveler_type": "student",
            "entered_at": "2026-11-24T11:06:02.25+00:00", "left_at": "2026-11-24T11:06:19+00:00", "samples": 17,
            "distance_m": 21.9, "speed_min": 0.7, "speed_max": 1.9, "speed_avg": 1.31, "state": "provisional"
        }],
        "next_cursor": null, "stale": false
    })),
        (String = "text/csv", example = "sensor,traveler_id,traveler_type,entered_at,left_at,samples,distance_m\n"),
    )), Refusals)
)]
pub async fn list(
    State(app): State<Arc<App>>,
    Asked(params): Asked<VisitParams>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer<Response> {
    let table = Table::wanted(params.format.as_deref(), params.bom.as_deref(), &headers)?;
    let moment = app.moment()?;
    let mut question = VisitQuestion::parse(&params, &moment)?;
    let Some(table) = table else {
        let page = visits::page(&app, &question, &moment).await?;
        let link = next_link(&uri, page.next_cursor.as_deref());
        return Ok(([(header::VARY, "accept")], link, Json(page)).into_response());
    };
    if params.limit.is_none() {
        question.page.limit = LIMIT_MAX;
    }
    // The first page is asked before anything is sent, so that a refusal is still a problem.
    let first = visits::page(&app, &question, &moment).await?;
    let name = format!("visits_{}_{}", question.entered.start, question.entered.end);
    let only_one = params.limit.is_some() || params.cursor.is_some();
    let next = first.next_cursor.as_deref();
    let link = next_link(&uri, next.filter(|_| only_one));
    let rest = visits::pages_after(
        app,
        question,
        moment,
        first.next_cursor.filter(|_| !only_one),
    );
    let begin = format!(
        "{}{}",
        table.visit_heading(),
        csv::visit_lines(&first.items)
    );
    let lines = rest.map(|page| page.map(|page| csv::visit_lines(&page.items)));
    let body = csv::streamed(stream::once(async { Ok(begin) }).chain(lines));
    Ok((link, csv::file(&name, body)).into_response())
}
