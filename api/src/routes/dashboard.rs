//! The dashboard: the files that the build of `web` left, embedded in the binary.
//!
//! Every path that is no file and that a browser asks for as a page is the dashboard itself, which finds its page by the
//! path. Files under `assets/` carry their content's hash in their name and never change.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use rust_embed::Embed;

use crate::problem::Problem;

#[derive(Embed)]
#[folder = "../web/dist"]
#[allow_missing = true]
struct Files;

const INDEX: &str = "index.html";
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const ASK_AGAIN: &str = "no-cache";
/// Scripts, styles, fonts and sockets of our own only.
const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; style-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; frame-ancestors 'self'; object-src 'none'";
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><title>Footfall</title><h1>The dashboard is not built</h1>\
    <p>This server answers <a href=\"/api/v1/overview\">/api/v1</a>, described by <a href=\"/openapi.json\">/openapi.json</a>. \
    To build the dashboard into it, run <code>npm ci &amp;&amp; npm run build</code> in <code>web/</code> and build the server \
    again.</p></html>";

/// The file of that path, or the dashboard.
pub async fn serve(uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path.starts_with("api/") {
        return Problem::not_found(format!("there is no {}", uri.path())).into_response();
    }
    let path = if path.is_empty() { INDEX } else { path };
    if let Some(response) = file(path, &headers) {
        return response;
    }
    let accepts_html = headers.get_all(header::ACCEPT).iter().any(|accept| {
        accept
            .to_str()
            .is_ok_and(|accept| accept.contains("text/html"))
    });
    if path.starts_with("assets/") || (path != INDEX && !accepts_html) {
        return Problem::not_found(format!("there is no {}", uri.path())).into_response();
    }
    file(INDEX, &headers).unwrap_or_else(|| (StatusCode::OK, Html(NOT_BUILT)).into_response())
}

fn file(path: &str, headers: &HeaderMap) -> Option<Response> {
    let file = Files::get(path)?;
    let hash = file.metadata.sha256_hash();
    let tag: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = HeaderValue::from_str(&format!("\"{tag}\"")).expect("digits and quotes");
    let is_known = headers.get(header::IF_NONE_MATCH) == Some(&tag);
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        bytes_of(file.data).into_response()
    };
    let caching = if path.starts_with("assets/") {
        FOR_EVER
    } else {
        ASK_AGAIN
    };
    let fields = response.headers_mut();
    fields.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(media_type(path)),
    );
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    fields.insert(header::ETAG, tag);
    fields.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    fields.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    );
    if path == INDEX {
        fields.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(POLICY),
        );
    }
    Some(response)
}

fn bytes_of(data: Cow<'static, [u8]>) -> bytes::Bytes {
    match data {
        Cow::Borrowed(embedded) => bytes::Bytes::from_static(embedded),
        Cow::Owned(read) => bytes::Bytes::from(read),
    }
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
