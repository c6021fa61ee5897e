//! The names of the metrics.

/// Histogram: how long an answer took, by `route` (its template) and `status`.
pub(crate) const HTTP_SECONDS: &str = "footfall_api_http_request_seconds";
/// Gauge: open websockets.
pub(crate) const SOCKETS: &str = "footfall_api_sockets";
/// Counter: frames sent to websockets, by `kind` (snapshot, delta, resync, error).
pub(crate) const FRAMES: &str = "footfall_api_frames_total";
/// Counter: websockets that were closed by the server, by `code`.
pub(crate) const CLOSES: &str = "footfall_api_socket_closes_total";
