//! `GET /series`: any metric over any range, window and step.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::csv::{self, Table};
use crate::params::Asked;
use crate::problem::Answer;
use crate::refusal::{Refusals, TooMuch};
use crate::series::answer::answer;
use crate::series::body::{Fill, GroupBy, Mode, Series};
use crate::series::question::Question;
use crate::series::reading::Reading;

/// What to count, where, when and in which windows.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SeriesParams {
    /// Metrics, as a comma list: `entries`, `exits`, `present`, `speed_avg`, `speed_min`, `speed_max`, `speed_p50`,
    /// `speed_p95`. Exits are null where the state is `live`: who was seen last may be seen again.
    #[param(example = "entries,speed_avg", default = "entries")]
    pub metric: Option<String>,
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
    /// Where the range begins: RFC 3339, a date, `today`, `week`, `now` or `now-24h`. Floored to ten seconds.
    #[param(example = "today", default = "today")]
    pub start: Option<String>,
    /// Where it ends (exclusive). Raised to ten seconds.
    #[param(example = "now", default = "now")]
    pub end: Option<String>,
    /// Length of each window in mode `rolling`: `10s`, `5m`, `1h`; a multiple of ten seconds. The step unless given.
    #[param(example = "60s")]
    pub window: Option<String>,
    /// Distance of two points; a multiple of ten seconds.
    #[param(example = "60s", default = "60s")]
    pub step: Option<String>,
    /// How windows follow each other.
    #[param(value_type = Option<Mode>, inline, example = "rolling", default = "rolling")]
    pub mode: Option<String>,
    /// What makes a series.
    #[param(value_type = Option<GroupBy>, inline, example = "none", default = "none")]
    pub group_by: Option<String>,
    /// What stands where nothing was counted.
    #[param(value_type = Option<Fill>, inline, example = "auto", default = "auto")]
    pub fill: Option<String>,
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

/// Any metric over any range, window and step
#[utoipa::path(
    get, path = "/api/v1/series", tag = "movement", operation_id = "getSeries", params(SeriesParams),
    responses((status = OK, description = "Columns of values; as CSV a line for each window", content(
        (Series = "application/json", example = json!({
        "metrics": ["entries", "speed_avg"], "start": "2026-11-24T00:00:00+00:00", "end": "2026-11-24T00:03:00+00:00",
        "step_s": 60, "window_s": 60, "mode": "rolling", "label": "end", "tz": "Europe/London", "fill": "auto",
        "watermark": "2026-11-24T11:00:12.5+00:00", "approx": false, "stale": false,
        "series": [{
            "key": {"sensor": "all", "type": "all"}, "n": 3, "entries": {"unit": "count", "v": [0, 0, 3]},
            "speed_avg": {"unit": "m/s", "v": [null, null, 1.31]}, "coverage": [1.0, 1.0, 0.9],
            "state": ["final", "final", "final"]
        }],
        "stream": {"topic": "series", "filter": "7f3a90c1d2e4b586", "epoch": "8f3c5a1e", "offset": 10231}
    })),
        (String = "text/csv", example = "window_start,window_end,sensor,type,entries,coverage,state\n"),
    )), TooMuch, Refusals)
)]
pub async fn show(
    State(app): State<Arc<App>>,
    Asked(params): Asked<SeriesParams>,
    headers: HeaderMap,
) -> Answer<Response> {
    let table = Table::wanted(params.format.as_deref(), params.bom.as_deref(), &headers)?;
    let moment = app.moment()?;
    let question = Arc::new(Question::parse(&params, &moment)?);
    let reading = Reading::load(&app, Arc::clone(&question), &moment).await?;
    let answer = answer(&reading, &moment, &app.settings)?;
    let Some(table) = table else {
        return Ok(([(header::VARY, "accept")], Json(answer)).into_response());
    };
    let text = table.series(&answer, &question.grid(moment.now), &question.tz);
    let (start, end) = (answer.start.as_str(), answer.end.as_str());
    let name = format!(
        "series_{}_{}_{start}_{end}",
        answer.metrics.join("-"),
        question.label()
    );
    Ok(csv::file(&name, text.into()))
}
