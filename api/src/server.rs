//! The HTTP server: routes, layers, and serving until the end.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use tokio::net::TcpListener;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use crate::app::App;
use crate::problem::Problem;
use crate::request;
use crate::routes::{dashboard, document};

/// Everything that is answered.
pub fn router(app: Arc<App>) -> Router {
    let (resources, _) = crate::openapi::router().split_for_parts();
    resources
        .route("/openapi.json", get(document::show))
        .fallback(dashboard::serve)
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        // From the inside out: a tag is of the answer itself, not of how it is compressed, and a problem is complete before
        // it is compressed.
        .layer(from_fn(request::tag))
        .layer(from_fn_with_state(Arc::clone(&app), request::identify))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .with_state(app)
}

/// Serves on `listener` until the app's shutdown is asked for; then lets what was begun end.
///
/// # Errors
/// What the listener says.
pub async fn serve(listener: TcpListener, app: Arc<App>) -> std::io::Result<()> {
    let shutdown = app.shutdown.clone();
    axum::serve(listener, router(app))
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
}
