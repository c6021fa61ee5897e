//! `GET /openapi.json`: this interface, described for programs.

use axum::http::header;
use axum::response::IntoResponse;

/// This interface, described for programs
#[utoipa::path(
    get, path = "/api/v1/openapi.json", tag = "operations", operation_id = "getOpenApi",
    responses((status = OK, description = "An OpenAPI 3.1 document", body = Object, content_type = "application/json"))
)]
pub async fn show() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        crate::openapi::json(),
    )
}
