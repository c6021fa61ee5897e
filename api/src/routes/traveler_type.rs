//! `GET /traveler-types`: the kinds of traveler that were seen lately.

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

/// A kind of traveler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TravelerType {
    /// Its id, as devices write it.
    #[schema(example = "student")]
    pub id: String,
    /// Its name.
    #[schema(example = "student")]
    pub name: String,
}

/// A page of traveler types.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TravelerTypePage {
    /// The types, by id.
    pub items: Vec<TravelerType>,
    /// Ask for the next page with it; null on the last.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// The traveler types that were seen in the last seven days
#[utoipa::path(
    get, path = "/api/v1/traveler-types", tag = "registry", operation_id = "listTravelerTypes", params(PageParams),
    responses((status = OK, description = "A page of traveler types, by id", body = TravelerTypePage, example = json!({
        "items": [{"id": "student", "name": "student"}], "next_cursor": null
    })), Refusals)
)]
pub async fn list(
    State(app): State<Arc<App>>,
    Asked(params): Asked<PageParams>,
    uri: Uri,
) -> Answer<(HeaderMap, Json<TravelerTypePage>)> {
    let moment = app.moment()?;
    let page = Page::parse(params.limit.as_deref(), params.cursor.as_deref(), 1)?;
    let heard = moment
        .sensors
        .values()
        .filter_map(|sensor| sensor.heard.as_ref()?.live.as_ref());
    let open = heard.flat_map(|live| live.open.iter().map(|open| open.traveler_type.clone()));
    let mut ids = moment.catalog.types.clone();
    ids.extend(open);
    ids.extend(app.mirror.traveler_types());
    let after = page
        .after
        .as_ref()
        .map_or("", |cursor| cursor.0[0].as_str());
    let found = ids
        .into_iter()
        .filter(|id| id.as_str() > after)
        .take(page.limit + 1);
    let found = found.map(|id| TravelerType {
        name: id.clone(),
        id,
    });
    let (items, next_cursor) = page.cut(found.collect(), |kind| vec![kind.id.clone()]);
    let link = next_link(&uri, next_cursor.as_deref());
    Ok((link, Json(TravelerTypePage { items, next_cursor })))
}
