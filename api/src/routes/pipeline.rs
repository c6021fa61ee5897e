//! `GET /pipeline`: how far the folds have come.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::params::Asked;
use crate::problem::Answer;
use crate::refusal::Refusals;
use crate::routes::site::NoParams;
use crate::stamp::Stamp;

/// How far the folds have come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Pipeline {
    /// The partitions, by topic and number.
    pub partitions: Vec<Partition>,
    /// See the overview.
    #[schema(required, example = 1830)]
    pub lag_ms: Option<i64>,
    /// Whether the live view is away.
    pub stale: bool,
}

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Partition {
    /// The topic.
    #[schema(example = "sensor-movements")]
    pub topic: String,
    /// Its number.
    #[schema(example = 3)]
    pub partition: i32,
    /// The offset after the last record whose effects are in Postgres.
    #[schema(example = 10231)]
    pub next_offset: i64,
    /// How often the partition was taken over.
    #[schema(example = 7)]
    pub epoch: i64,
    /// No event before this changes an answer any more.
    #[schema(required)]
    pub watermark: Option<Stamp>,
    /// The offset after the last record that the live view contains; null while it is not there.
    #[schema(required, example = 10247)]
    pub live_offset: Option<i64>,
}

/// How far the folds have come
#[utoipa::path(
    get, path = "/api/v1/pipeline", tag = "operations", operation_id = "getPipeline",
    responses((status = OK, description = "Partitions and lag", body = Pipeline, example = json!({
        "partitions": [{
            "topic": "sensor-movements", "partition": 3, "next_offset": 10231, "epoch": 7,
            "watermark": "2026-11-24T11:00:12.5+00:00", "live_offset": 10247
        }],
        "lag_ms": 1830, "stale": false
    })), Refusals)
)]
pub async fn show(State(app): State<Arc<App>>, _: Asked<NoParams>) -> Answer<Json<Pipeline>> {
    let moment = app.moment()?;
    let catalog = &moment.catalog;
    let ours = |topic: &str| topic == app.settings.topic;
    let partitions = catalog.partitions.iter().map(|row| Partition {
        topic: row.topic.clone(),
        partition: row.partition,
        next_offset: row.next_offset,
        epoch: row.epoch,
        watermark: row.watermark.map(|at| Stamp::new(at, &catalog.tz)),
        live_offset: moment
            .live
            .offsets
            .get(&row.partition)
            .copied()
            .filter(|_| ours(&row.topic)),
    });
    Ok(Json(Pipeline {
        partitions: partitions.collect(),
        lag_ms: moment.live.lag_ms,
        stale: moment.live.stale,
    }))
}
