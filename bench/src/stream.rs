//! The websocket that canaries are watched on.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use hdrhistogram::Histogram;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout_at};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::canary::Canaries;
use crate::sight::{Seen, Sight};

/// What the watcher saw.
#[derive(Debug)]
pub(crate) struct Watched {
    /// From intended PUBLISH to frame, µs, of the canaries in the measured window.
    pub(crate) latency: Histogram<u64>,
    /// Canaries that never became visible.
    pub(crate) missing: u64,
    /// When the last canary became visible.
    pub(crate) last_seen: Option<Instant>,
    /// Frames that changed the view.
    pub(crate) frames: u64,
}

/// When the canaries fly, which is known once the load runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flight {
    /// The first instant of the load.
    pub(crate) start: Instant,
    /// Canaries due before this are not measured.
    pub(crate) measured_from: Duration,
    /// How many there are.
    pub(crate) canaries: u64,
    /// How long after the last one to wait for those that are missing.
    pub(crate) patience: Duration,
}

/// As many frames a second as the server allows.
const RATE_HZ: f64 = 20.0;

/// How often the view may be lost before something is wrong.
const LOST_MAX: u32 = 20;

/// Latencies up to ten minutes with three digits, µs.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(600_000_000, 3).expect("ten minutes with three digits is a valid range")
}

/// A subscription to the entries of the canaries' sensors.
pub(crate) struct Watcher {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    canaries: Canaries,
    start: String,
    sight: Sight,
    subscriptions: u64,
    /// Entries by sensor before the first canary.
    before: Vec<u64>,
}

impl Watcher {
    /// Subscribes from `start` (RFC 3339) on.
    pub(crate) async fn new(url: &str, canaries: Canaries, start: String) -> anyhow::Result<Self> {
        let mut request = url
            .into_client_request()
            .context("the address of the api")?;
        let protocol = HeaderValue::from_static("footfall.v1");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        let (socket, _) = connect_async(request)
            .await
            .with_context(|| format!("connecting to {url}"))?;
        let sight = Sight::new(canaries.sensors.clone());
        let mut watcher = Self {
            socket,
            canaries,
            start,
            sight,
            subscriptions: 0,
            before: Vec::new(),
        };
        watcher.subscribe().await?;
        Ok(watcher)
    }

    /// Waits until one event of each sensor is visible: from here on entries are canaries.
    pub(crate) async fn until_each_has_one(&mut self, within: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + within;
        while !self.sight.is_complete() || self.sight.entries().contains(&0) {
            timeout_at(deadline.into(), self.frame())
                .await
                .context("the first events do not become visible")??;
        }
        self.before = self.sight.entries();
        Ok(())
    }

    async fn subscribe(&mut self) -> anyhow::Result<()> {
        self.subscriptions += 1;
        let subscribe = json!({
            "t": "sub", "id": self.subscriptions, "topic": "series", "rate_hz": RATE_HZ,
            "params": {
                "metric": "entries", "sensor": self.canaries.sensors.join(","), "group_by": "sensor",
                "start": self.start, "end": "now", "window": "10s", "step": "10s", "mode": "bucket",
            },
        });
        self.socket
            .send(Message::text(subscribe.to_string()))
            .await
            .context("subscribing")
    }

    /// Applies the next frame; says whether the view changed.
    async fn frame(&mut self) -> anyhow::Result<bool> {
        let message = self
            .socket
            .next()
            .await
            .context("the api closed the websocket")??;
        let Message::Text(text) = message else {
            if let Message::Close(reason) = message {
                bail!("the api closed the websocket: {reason:?}");
            }
            return Ok(false);
        };
        match self.sight.apply(&text)? {
            Seen::Changed => Ok(true),
            Seen::Nothing => Ok(false),
            Seen::Lost => {
                if self.subscriptions > u64::from(LOST_MAX) {
                    bail!("the websocket lost its subscription {LOST_MAX} times");
                }
                sleep(Duration::from_millis(20)).await;
                self.subscribe().await?;
                Ok(false)
            }
        }
    }

    /// Watches until every canary is visible, or patience ends.
    pub(crate) async fn watch(mut self, flight: Flight) -> anyhow::Result<Watched> {
        let mut seen = vec![0; self.canaries.sensors.len()];
        let mut watched = Watched {
            latency: histogram(),
            missing: flight.canaries,
            last_seen: None,
            frames: 0,
        };
        let end = flight.start + self.canaries.due(flight.canaries) + flight.patience;
        while watched.missing > 0 {
            let Ok(frame) = timeout_at(end.into(), self.frame()).await else {
                break;
            };
            // Read before anything else is done with the frame.
            let now = Instant::now();
            if frame? && self.sight.is_complete() {
                watched.frames += 1;
                self.count(now, flight, &mut seen, &mut watched);
            }
        }
        self.socket.close(None).await.ok();
        Ok(watched)
    }

    /// Times the canaries that the view has and had not before.
    fn count(&self, now: Instant, flight: Flight, seen: &mut [u64], watched: &mut Watched) {
        for (sensor, entries) in self.sight.entries().into_iter().enumerate() {
            let visible = entries.saturating_sub(self.before[sensor]);
            while seen[sensor] < visible {
                let due = self.canaries.due(self.canaries.index(sensor, seen[sensor]));
                seen[sensor] += 1;
                watched.missing = watched.missing.saturating_sub(1);
                watched.last_seen = Some(now);
                if due >= flight.measured_from {
                    let latency = now.saturating_duration_since(flight.start + due);
                    watched
                        .latency
                        .saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
                }
            }
        }
    }
}
