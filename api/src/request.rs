//! What every request gets, whatever it asks: an id, its problem completed, a tag to ask again with, and a measurement.

use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use tracing::debug;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::app::App;
use crate::metrics::HTTP_SECONDS;
use crate::problem::Problem;

/// The header of the request's id.
pub const REQUEST_ID: &str = "x-request-id";
/// An id that a client gives at most, in bytes.
const ID_BYTES_MAX: usize = 128;

/// Gives the request an id, which its answer and its problem carry, and measures how long it took.
pub async fn identify(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = request_id(request.headers());
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = next.run(request).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let headers = response.headers().clone();
        response = problem.of_request(&path, &id).into_response();
        // What was said besides, such as which methods there are.
        for (name, value) in &headers {
            if !response.headers().contains_key(name) && name != header::CONTENT_LENGTH {
                response.headers_mut().insert(name, value.clone());
            }
        }
        response.extensions_mut().clear();
    }
    let headers = response.headers_mut();
    headers.insert(
        REQUEST_ID,
        HeaderValue::from_str(&id).expect("checked or made by us"),
    );
    allow_origin(headers, origin, &app.settings.allowed_origins);
    let status = response.status();
    let route = route
        .as_ref()
        .map_or("other", MatchedPath::as_str)
        .to_owned();
    debug!(http.route = %route, http.status = status.as_u16(), request.id = %id, "{path} {status}");
    metrics::histogram!(HTTP_SECONDS, "route" => route, "status" => status.as_u16().to_string())
        .record(began.elapsed().as_secs_f64());
    response
}

/// The client's id when it can be a header again, or a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    given
        .filter(|id| {
            !id.is_empty() && id.len() <= ID_BYTES_MAX && id.bytes().all(|b| b.is_ascii_graphic())
        })
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// Lets pages of the listed origins read the answer.
fn allow_origin(headers: &mut HeaderMap, origin: Option<HeaderValue>, allowed: &[String]) {
    if allowed.is_empty() {
        return;
    }
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let listed = origin.filter(|origin| {
        allowed
            .iter()
            .any(|allowed| allowed.as_bytes() == origin.as_bytes())
    });
    if let Some(origin) = listed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let exposed = HeaderValue::from_static("x-request-id, etag, link");
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
}

/// Tags an answer with a digest of it; a client that has the same already is told so.
pub async fn tag(request: Request, next: Next) -> Response {
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let may_be_tagged = matches!(*request.method(), Method::GET | Method::HEAD);
    let response = next.run(request).await;
    // Answers of ours are in memory; what streams has no length and is not tagged.
    let in_memory = response.body().size_hint().exact().is_some();
    if !may_be_tagged
        || response.status() != StatusCode::OK
        || !in_memory
        || response.headers().contains_key(header::ETAG)
    {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(body) = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
    else {
        return Problem::internal().into_response();
    };
    // Weak: the same answer may be compressed one way or another.
    let tag = format!("W/\"{:016x}\"", xxh3_64(&body));
    let is_known = known.is_some_and(|known| {
        known
            .to_str()
            .is_ok_and(|tags| tags.split(',').any(|known| known.trim() == tag))
    });
    parts.headers.insert(
        header::ETAG,
        HeaderValue::from_str(&tag).expect("digits and quotes"),
    );
    parts
        .headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("private, no-cache"));
    if is_known {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(body))
}
