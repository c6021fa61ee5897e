//! What is written to a socket: within ten seconds and within 256 KB, or not at all.

use std::ops::Range;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use bytes::Bytes;
use futures_util::SinkExt;
use tokio::time::timeout;
use tracing::debug;

use super::feed::Frames;
use super::hub::Refused;
use super::message::{ResyncReason, ServerMessage};
use super::view::View;
use crate::metrics::{CLOSES, FRAMES};
use crate::problem::Problem;

/// A frame at most, in bytes: larger ones belong to REST, which compresses and caches them.
const FRAME_BYTES_MAX: usize = 256 * 1024;
/// How long a client may take to read what was written. A slow phone must not hold anything up.
const WRITTEN_WITHIN: Duration = Duration::from_secs(10);
/// How long the last words may take.
const CLOSED_WITHIN: Duration = Duration::from_secs(1);

/// Why a socket ends.
#[derive(Debug)]
pub(super) struct Closed {
    /// What the client is told; `None` when it left by itself.
    told: Option<(u16, String)>,
}

impl Closed {
    pub(super) fn new(code: u16, reason: &str) -> Self {
        Self {
            told: Some((code, reason.to_owned())),
        }
    }

    pub(super) fn by_client() -> Self {
        Self { told: None }
    }
}

/// The socket.
#[derive(Debug)]
pub(super) struct Outbound {
    socket: WebSocket,
}

impl Outbound {
    pub(super) fn new(socket: WebSocket) -> Self {
        Self { socket }
    }

    /// The next message of the client; `None` when it is gone. Cancel-safe.
    pub(super) async fn receive(&mut self) -> Option<Result<Message, Closed>> {
        let received = self.socket.recv().await?;
        Some(received.map_err(|cause| {
            debug!(error = %cause, "a socket broke: {cause}");
            Closed::new(4400, "a message is broken or larger than 16 KB")
        }))
    }

    pub(super) async fn send(&mut self, message: &ServerMessage) -> Result<(), Closed> {
        let text = serde_json::to_string(message).expect("its keys are strings");
        self.write(Message::Text(text.into())).await?;
        self.flush().await
    }

    pub(super) async fn error(&mut self, id: Option<u64>, problem: &Problem) -> Result<(), Closed> {
        metrics::counter!(FRAMES, "kind" => "error").increment(1);
        let problem = problem.body().clone();
        self.send(&ServerMessage::Error { id, problem }).await
    }

    pub(super) async fn ping(&mut self) -> Result<(), Closed> {
        self.write(Message::Ping(Bytes::new())).await?;
        self.flush().await
    }

    /// Sends the whole state. Gives the position that the client has then, or says that it is too large for a frame.
    pub(super) async fn snapshot(
        &mut self,
        id: u64,
        view: &View,
    ) -> Result<Result<u64, Refused>, Closed> {
        let (epoch, to, d) = (view.epoch(), view.offset(), view.state());
        if d.len() > FRAME_BYTES_MAX {
            let detail = "the answer is too large for a frame: fetch it by REST and subscribe with its stream cursor";
            return Ok(Err(Problem::too_many_points(detail, None).into()));
        }
        metrics::counter!(FRAMES, "kind" => "snapshot").increment(1);
        let text = format!(r#"{{"t":"snapshot","id":{id},"epoch":"{epoch}","to":{to},"d":{d}}}"#);
        self.write(Message::Text(text.into())).await?;
        self.flush().await?;
        Ok(Ok(to))
    }

    /// Sends a change that leads from one position to another. Gives the position that the client has then, or says that the
    /// change is too large.
    pub(super) async fn frames(
        &mut self,
        id: u64,
        way: Range<u64>,
        frames: &Frames,
    ) -> Result<Result<u64, Refused>, Closed> {
        if frames.iter().any(|d| d.len() > FRAME_BYTES_MAX) {
            return Ok(Err(Refused::Resync(ResyncReason::Overflow)));
        }
        if frames.is_empty() {
            return Ok(Ok(way.start));
        }
        metrics::counter!(FRAMES, "kind" => "delta").increment(frames.len() as u64);
        let mut from = way.start;
        for (index, d) in frames.iter().enumerate() {
            let is_last = index + 1 == frames.len();
            let to = if is_last { way.end } else { from + 1 };
            let text = format!(r#"{{"t":"delta","id":{id},"from":{from},"to":{to},"d":{d}}}"#);
            self.write(Message::Text(text.into())).await?;
            from = to;
        }
        self.flush().await?;
        Ok(Ok(from))
    }

    async fn write(&mut self, message: Message) -> Result<(), Closed> {
        within(self.socket.feed(message)).await
    }

    async fn flush(&mut self) -> Result<(), Closed> {
        within(self.socket.flush()).await
    }

    /// Says why, and ends.
    pub(super) async fn close(mut self, closed: &Closed) {
        let Some((code, reason)) = &closed.told else {
            return;
        };
        metrics::counter!(CLOSES, "code" => code.to_string()).increment(1);
        let last = Message::Close(Some(CloseFrame {
            code: *code,
            reason: reason.as_str().into(),
        }));
        let told = timeout(CLOSED_WITHIN, self.socket.send(last)).await;
        debug!(
            ws.code = code,
            told = matches!(told, Ok(Ok(()))),
            "closed a socket: {reason}"
        );
    }
}

/// A write that may take as long as a slow client is given.
async fn within(write: impl Future<Output = Result<(), axum::Error>>) -> Result<(), Closed> {
    match timeout(WRITTEN_WITHIN, write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Closed::by_client()),
        Err(_) => Err(Closed::new(4409, "too slow")),
    }
}
