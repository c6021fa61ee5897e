//! The end of a connection: last words, and the will.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::hold::QUEUE_FULL_PAUSE;
use crate::packet::{Publish, Qos, Will};
use crate::producer::{Batch, SendError, headers, timestamp};
use crate::shared::Shared;
use crate::signal::{Flag, Signal};
use crate::window::Slot;

/// How long last words may take to leave.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the client may take to hear them.
const LINGER: Duration = Duration::from_millis(500);

/// Sends `last_words` and closes.
///
/// A socket that is closed while bytes wait to be read answers them with a reset, which can overtake the last words. So
/// a client that `lingers` is read, and not listened to, until it closes as well.
pub(crate) async fn part(mut stream: TcpStream, last_words: &[u8], lingers: bool) {
    let spoken = timeout(WRITE_TIMEOUT, async {
        stream.write_all(last_words).await?;
        stream.shutdown().await
    });
    if !matches!(spoken.await, Ok(Ok(()))) || !lingers {
        return;
    }
    let mut ignored = [0; 4096];
    // Nothing follows from how this ends.
    drop(
        timeout(LINGER, async {
            while stream.read(&mut ignored).await.is_ok_and(|count| count > 0) {}
        })
        .await,
    );
}

/// Publishes `will` as if the device had published it now. Nobody waits for an acknowledgement.
pub(crate) async fn publish_will(shared: &Shared, signal: &Arc<Signal>, will: Will) {
    let received_at = shared.clock.now();
    let publish = Publish {
        topic: will.topic,
        alias: None,
        qos: Qos::AtMostOnce,
        pkid: 0,
        payload_bytes: will.payload.len(),
        payload: will.payload,
        traceparent: will.traceparent,
    };
    let cost = shared
        .budget
        .cost(shared.intake.take(&publish, received_at).bytes);
    // Waiting here keeps the place of the connection, so wills are as bounded as connections are. The records, which can
    // take far more than the message, are made when there is room for them.
    tokio::select! {
        () = shared.budget.take(cost) => {}
        () = leaving(signal) => {
            debug!("a will was not published: Kafka is away and the gateway leaves");
            return;
        }
    }
    let taken = shared.intake.take(&publish, received_at);
    shared.intake.count(&taken);
    if taken.reversed.is_empty() {
        shared.budget.give_back(cost);
        return;
    }
    shared.metrics.wills.increment(1);
    let mut batch = Batch {
        slot: Arc::new(Slot::new(taken.reversed.len(), cost, Arc::clone(signal))),
        reversed: taken.reversed,
        headers: Some(headers(
            &timestamp(received_at),
            publish.traceparent.as_deref(),
        )),
    };
    while shared.producer.send(&mut batch) == Err(SendError::QueueFull)
        && !signal.is_raised(Flag::Abort)
    {
        sleep(QUEUE_FULL_PAUSE).await;
    }
}

async fn leaving(signal: &Signal) {
    while !signal.is_raised(Flag::Shutdown) && !signal.is_raised(Flag::Abort) {
        signal.woken().await;
    }
}
