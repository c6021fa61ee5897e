//! `GET /zones`: the places.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::params::{Asked, Page, next_link};
use crate::problem::Answer;
use crate::refusal::Refusals;
use crate::routes::sensor::PageParams;

/// A place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Zone {
    /// Its id.
    #[schema(example = "lib")]
    pub id: String,
    /// Its name.
    #[schema(example = "Library")]
    pub name: String,
    /// How many people may be there; null where nobody said.
    #[schema(required, example = 450)]
    pub capacity: Option<i32>,
    /// The sensors that stand there.
    #[schema(example = json!(["lib-1"]))]
    pub sensors: Vec<String>,
}

/// A page of zones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ZonePage {
    /// The zones, in the site's order.
    pub items: Vec<Zone>,
    /// Ask for the next page with it; null on the last.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// The zones
#[utoipa::path(
    get, path = "/api/v1/zones", tag = "registry", operation_id = "listZones", params(PageParams),
    responses((status = OK, description = "A page of zones, in the site's order", body = ZonePage, example = json!({
        "items": [{"id": "lib", "name": "Library", "capacity": 450, "sensors": ["lib-1"]}], "next_cursor": null
    })), Refusals)
)]
pub async fn list(
    State(app): State<Arc<App>>,
    Asked(params): Asked<PageParams>,
    uri: Uri,
) -> Answer<(HeaderMap, Json<ZonePage>)> {
    let moment = app.moment()?;
    let page = Page::parse(params.limit.as_deref(), params.cursor.as_deref(), 1)?;
    let zones = &moment.catalog.zones;
    let begin = match &page.after {
        None => 0,
        Some(cursor) => {
            let before = zones.iter().position(|zone| zone.id == cursor.0[0]);
            before.ok_or_else(Page::invalid_cursor)? + 1
        }
    };
    let sensors_of = |zone: &str| {
        let inside = moment
            .sensors
            .iter()
            .filter(|(_, sensor)| sensor.zone.as_deref() == Some(zone));
        inside.map(|(id, _)| id.0.clone()).collect()
    };
    let found = zones[begin..].iter().take(page.limit + 1).map(|zone| Zone {
        id: zone.id.clone(),
        name: zone.name.clone(),
        capacity: zone.capacity,
        sensors: sensors_of(&zone.id),
    });
    let (items, next_cursor) = page.cut(found.collect(), |zone| vec![zone.id.clone()]);
    let link = next_link(&uri, next_cursor.as_deref());
    Ok((link, Json(ZonePage { items, next_cursor })))
}
