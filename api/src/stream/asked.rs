//! What a client asks for, read and checked, and when it is to be answered.

use std::collections::BTreeMap;
use std::time::Duration;

use chassis::clock::Clock;
use domain::time::Span;
use tokio::time::Instant;

use super::cursor::{Position, Since, TICK};
use super::message::{ClientMessage, Topic};
use super::outbound::Closed;
use crate::problem::Problem;

/// Frames a second at most, and at least while there are any.
const RATE_MAX: f64 = 20.0;
const RATE_MIN: f64 = 0.01;
/// How far the clocks of two instances may be apart.
const CLOCKS_APART_MAX: Span = Span::from_secs(2);
/// With nothing to send, a socket looks again after this.
pub(super) const IDLE: Duration = Duration::from_secs(3600);

/// A subscription as it was asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) id: u64,
    pub(super) topic: Topic,
    pub(super) params: BTreeMap<String, String>,
    pub(super) rate_hz: f64,
    pub(super) since: Option<Since>,
}

/// Reads a message. One that names an id but cannot be followed is a problem of that subscription; anything else that is
/// not a message ends the socket.
pub(super) fn parse(text: &str) -> Result<Result<ClientMessage, (Option<u64>, Problem)>, Closed> {
    let cause = match serde_json::from_str(text) {
        Ok(message) => return Ok(Ok(message)),
        Err(cause) => cause,
    };
    let value: Option<serde_json::Value> = serde_json::from_str(text).ok();
    match value.as_ref().and_then(|value| value.get("id")?.as_u64()) {
        Some(id) => Ok(Err((Some(id), Problem::bad_request(cause.to_string())))),
        None => Err(Closed::new(4400, "not a message of footfall.v1")),
    }
}

/// µs between two frames; `None` for a pause.
pub(super) fn period(hz: f64) -> Result<Option<i64>, Problem> {
    if !(0.0..=RATE_MAX).contains(&hz) {
        let detail = format!("{hz} is not 0 (pause) to {RATE_MAX} frames a second");
        return Err(Problem::parameter("rate_hz", "out_of_range", detail));
    }
    Ok((hz > 0.0).then(|| period_us(hz)))
}

/// Another instance's clock may be a little ahead: its answers can be gone on from when ours has come that far.
pub(super) async fn catch_up(clock: &Clock, since: &Since) {
    let Some(position) = Position::from_offset(since.offset) else {
        return;
    };
    let ahead = position.as_of - clock.now();
    if (1..=CLOCKS_APART_MAX.0).contains(&ahead.0) {
        tokio::time::sleep(Duration::from_micros(ahead.0.unsigned_abs())).await;
    }
}

/// The next instant on the raster of `period`. All sockets of a rate ask together, and share what they are answered.
pub(super) fn due(clock: &Clock, period: Option<i64>) -> Instant {
    let Some(period) = period else {
        return Instant::now() + IDLE;
    };
    let wait = period - clock.now().0.rem_euclid(period);
    Instant::now() + Duration::from_micros(wait.unsigned_abs())
}

/// The raster on which sockets that want `hz` frames a second ask, in µs.
fn period_us(hz: f64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rates are 0.01 to 20, so this is 50,000 to 10^8"
    )]
    let period = (1e6 / hz.clamp(RATE_MIN, RATE_MAX)).round() as i64;
    (period + TICK.0 / 2) / TICK.0 * TICK.0
}
