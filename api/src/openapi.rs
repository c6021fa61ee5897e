//! The description of the interface: the one source of the dashboard's types.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::routes::{
    document, overview, pipeline, sensor, series, site, stream, traveler_type, visit, zone,
};
use crate::series::body::{Cell, Number};
use crate::series::metric::ByMetric;
use crate::stream::message::{ClientMessage, PointPatch, ServerMessage};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Footfall",
        description = "How many people are where, and how they move. Times are RFC 3339 with the offset of the zone that \
                       was asked for; ranges are half-open. Refusals are RFC 9457 problem documents.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "This server")),
    tags(
        (name = "movement", description = "What movement sensors see"),
        (name = "registry", description = "What is where"),
        (name = "operations", description = "How the system does"),
    ),
    // The messages of the websocket belong to no operation; what stands in their tuples is not found by itself.
    components(schemas(ClientMessage, ServerMessage, PointPatch, ByMetric<Cell>, Cell, Number)),
)]
struct Document;

/// The operations and their description.
#[must_use]
pub fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(site::show))
        .routes(routes!(sensor::list))
        .routes(routes!(sensor::show))
        .routes(routes!(zone::list))
        .routes(routes!(traveler_type::list))
        .routes(routes!(overview::show))
        .routes(routes!(series::show))
        .routes(routes!(visit::list))
        .routes(routes!(pipeline::show))
        .routes(routes!(stream::open))
        .routes(routes!(document::show))
}

/// The description as JSON.
#[must_use]
pub fn json() -> Bytes {
    static JSON: LazyLock<Bytes> = LazyLock::new(|| {
        let mut text = router()
            .into_openapi()
            .to_pretty_json()
            .expect("a description has only strings as keys");
        text.push('\n');
        Bytes::from(text)
    });
    JSON.clone()
}
