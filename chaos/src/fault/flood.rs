//! A client that publishes without waiting for anything. What the gateway has no room for must stay in the client's socket.

use std::time::Duration;

use anyhow::Context;
use bytes::BytesMut;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Connect, Publish};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// As long as many positions, but none: it ends as a dead letter, so that no number of a device changes.
const PAYLOAD_BYTES: usize = 16 * 1024;
const TOPIC: &str = "footfall/main/flood/positions";
/// Longer than any row, because a socket that is blocked takes no ping.
const KEEP_ALIVE_S: u16 = 3_600;
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);
/// A write that waits for so long is blocked.
const BLOCKED_AFTER: Duration = Duration::from_secs(3);

/// The connection, and what went into it.
#[derive(Debug)]
pub struct Flood {
    /// Bytes that the gateway or the kernel have taken.
    pub taken: usize,
    /// Whether they took no more; otherwise they took everything.
    pub is_blocked: bool,
    /// Open, so that nothing is given back before the row wants it.
    _connection: TcpStream,
}

/// Publishes `count` messages at least once, or as many as are taken until a write blocks.
///
/// MQTT 3.1.1, which knows no receive maximum: nothing but the socket tells this client to stop.
///
/// # Errors
/// When the gateway does not take the connection, or ends it.
pub async fn flood(gateway: &str, count: u16) -> anyhow::Result<Flood> {
    let mut connection = timeout(CONNECTED_WITHIN, connect(gateway))
        .await
        .context("no CONNACK in time")??;
    let mut flood = BytesMut::new();
    for packet_id in 1..=count {
        let mut publish = Publish::new(TOPIC, QoS::AtLeastOnce, vec![b' '; PAYLOAD_BYTES]);
        publish.pkid = packet_id;
        publish.write(&mut flood)?;
    }
    let mut taken = 0;
    let is_blocked = loop {
        if taken == flood.len() {
            break false;
        }
        match timeout(BLOCKED_AFTER, connection.write(&flood[taken..])).await {
            Ok(written) => taken += written.context("the gateway ended the flood")?,
            Err(_) => break true,
        }
    };
    Ok(Flood {
        taken,
        is_blocked,
        _connection: connection,
    })
}

async fn connect(gateway: &str) -> anyhow::Result<TcpStream> {
    let mut connection = TcpStream::connect(gateway).await?;
    let mut hello = BytesMut::new();
    let greeting = Connect {
        keep_alive: KEEP_ALIVE_S,
        ..Connect::new("flood")
    };
    greeting.write(&mut hello)?;
    connection.write_all(&hello).await?;
    let mut answer = [0; 4];
    connection.read_exact(&mut answer).await?;
    anyhow::ensure!(answer == [0x20, 2, 0, 0], "refused: {answer:?}");
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;

    use super::*;

    const COUNT: u16 = 2_000;

    /// A gateway that takes the connection and then reads up to `most` bytes.
    async fn flooded(most: u64) -> Flood {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut gateway = JoinSet::new();
        gateway.spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut hello = [0; 19];
            stream.read_exact(&mut hello).await.unwrap();
            stream.write_all(&[0x20, 2, 0, 0]).await.unwrap();
            let mut reading = (&mut stream).take(most);
            tokio::io::copy(&mut reading, &mut tokio::io::sink())
                .await
                .unwrap();
            std::future::pending::<()>().await;
        });
        flood(&address, COUNT).await.unwrap()
    }

    #[tokio::test]
    async fn a_gateway_that_reads_on_without_bound_is_told_from_one_that_stops() {
        let all = usize::from(COUNT) * PAYLOAD_BYTES;
        let bounded = flooded(1024 * 1024).await;
        assert!(bounded.is_blocked && bounded.taken < all, "{bounded:?}");
        let unbounded = flooded(u64::MAX).await;
        assert!(
            !unbounded.is_blocked && unbounded.taken > all,
            "{unbounded:?}"
        );
    }
}
