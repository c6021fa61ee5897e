//! How a process ends: one token, one tracker, one deadline.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

/// A token that is cancelled by SIGTERM or SIGINT.
///
/// # Errors
/// When the signal handlers cannot be installed.
pub fn on_signal(tracker: &TaskTracker) -> std::io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tracker.spawn(async move {
        tokio::select! {
            _ = terminate.recv() => info!("SIGTERM: shutting down"),
            _ = interrupt.recv() => info!("SIGINT: shutting down"),
            () = cancelled.cancelled() => {}
        }
        cancelled.cancel();
    });
    Ok(token)
}

/// Waits until every task of `tracker` has ended, at most `deadline`. Says whether all did.
pub async fn drain(name: &str, tracker: &TaskTracker, deadline: Duration) -> bool {
    tracker.close();
    let ended = tokio::time::timeout(deadline, tracker.wait()).await.is_ok();
    if !ended {
        warn!(
            process.part = name,
            tasks = tracker.len(),
            "{name}: {} tasks did not end within {deadline:?}",
            tracker.len()
        );
    }
    ended
}
