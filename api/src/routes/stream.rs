//! `GET /stream`: the websocket.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::problem::Problem;
use crate::refusal::Refusals;
use crate::stream::session;

/// The subprotocol.
pub const SUBPROTOCOL: &str = "footfall.v1";
/// A message of a client at most, in bytes.
const MESSAGE_BYTES_MAX: usize = 16 * 1024;
/// Buffers of a socket, in bytes: thousands of sockets are open, and their frames are small.
const READ_BUFFER_BYTES: usize = 1024;
const WRITE_BUFFER_BYTES: usize = 4096;

/// The websocket, subprotocol `footfall.v1`
///
/// JSON text. The server begins with `welcome`; then clients send `ClientMessage` and the server sends `ServerMessage`.
#[utoipa::path(
    get, path = "/api/v1/stream", tag = "movement", operation_id = "openStream",
    responses(
        (status = SWITCHING_PROTOCOLS, description = "The socket is open"),
        Refusals
    )
)]
pub async fn open(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => {
            let detail = format!("this resource is a websocket: {}", rejection.body_text());
            return Problem::bad_request(detail).into_response();
        }
    };
    let upgrade = upgrade
        .protocols([SUBPROTOCOL])
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES);
    let tracker = app.tracker.clone();
    if is_allowed(&headers, &app.settings.allowed_origins) {
        upgrade.on_upgrade(move |socket| tracker.track_future(session::run(app, socket)))
    } else {
        // A page cannot read the status of a refused upgrade, but it can read the code of a close.
        upgrade.on_upgrade(move |socket| tracker.track_future(session::refuse_origin(socket)))
    }
}

/// Whether a page of this origin may read over a websocket. Programs send no origin; browsers always do, and would open a
/// socket for any page, whatever CORS says.
fn is_allowed(headers: &HeaderMap, allowed: &[String]) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    let host = origin.split_once("://").map(|(_, host)| host);
    (host.is_some() && host == text(header::HOST))
        || allowed.iter().any(|allowed| allowed == origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(origin: Option<&'static str>, allowed: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "dashboard.example.org:8080".parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        let allowed: Vec<String> = allowed.iter().map(|&origin| origin.to_owned()).collect();
        is_allowed(&headers, &allowed)
    }

    #[test]
    fn pages_of_our_own_and_of_listed_origins_may_listen() {
        assert!(check(None, &[]), "a program");
        assert!(check(Some("http://dashboard.example.org:8080"), &[]));
        assert!(check(
            Some("https://other.example.org"),
            &["https://other.example.org"]
        ));
    }

    #[test]
    fn other_pages_may_not() {
        assert!(!check(Some("https://other.example.org"), &[]));
        assert!(!check(Some("http://dashboard.example.org"), &[]));
        assert!(!check(Some("null"), &[]));
        assert!(!check(
            Some("https://other.example.org.evil.com"),
            &["https://other.example.org"]
        ));
    }
}
