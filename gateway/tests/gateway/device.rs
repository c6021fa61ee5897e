//! A device that speaks MQTT byte by byte, so that it can also speak it wrongly.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::{QoS as QosV5, v5};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long no answer is waited for before it counts as none.
const SILENCE: Duration = Duration::from_millis(400);

pub(crate) struct Device {
    pub(crate) stream: TcpStream,
}

/// What a device says when it connects.
#[derive(Clone)]
pub(crate) struct Hello {
    pub(crate) client_id: &'static str,
    pub(crate) keep_alive: u16,
    pub(crate) will: Option<(&'static str, &'static str)>,
}

impl Hello {
    pub(crate) fn new(client_id: &'static str) -> Self {
        Self {
            client_id,
            keep_alive: 60,
            will: None,
        }
    }

    pub(crate) fn with_will(self, topic: &'static str, payload: &'static str) -> Self {
        Self {
            will: Some((topic, payload)),
            ..self
        }
    }

    fn bytes_v4(&self) -> BytesMut {
        let mut connect = v4::Connect::new(self.client_id);
        connect.keep_alive = self.keep_alive;
        connect.last_will = self.will.map(|(topic, payload)| {
            v4::LastWill::new(topic, payload, rumqttc::QoS::AtLeastOnce, false)
        });
        let mut bytes = BytesMut::new();
        connect.write(&mut bytes).unwrap();
        bytes
    }

    fn bytes_v5(&self) -> BytesMut {
        let connect = v5::Connect {
            keep_alive: self.keep_alive,
            client_id: self.client_id.to_owned(),
            clean_start: true,
            properties: None,
        };
        let will = self.will.map(|(topic, payload)| {
            v5::LastWill::new(topic, payload, QosV5::AtLeastOnce, false, None)
        });
        let mut bytes = BytesMut::new();
        connect.write(&will, &None, &mut bytes).unwrap();
        bytes
    }
}

/// A PUBLISH of 3.1.1; `pkid` 0 is `QoS` 0.
pub(crate) fn publish_v4(topic: &str, qos: u8, pkid: u16, payload: &[u8]) -> BytesMut {
    let mut publish = v4::Publish::new(topic, rumqttc::qos(qos).unwrap(), payload);
    publish.pkid = pkid;
    let mut bytes = BytesMut::new();
    publish.write(&mut bytes).unwrap();
    bytes
}

/// A PUBLISH of 5.
pub(crate) fn publish_v5(
    topic: &str,
    qos: u8,
    pkid: u16,
    payload: &[u8],
    properties: Option<v5::PublishProperties>,
) -> BytesMut {
    let qos = rumqttc::v5::mqttbytes::qos(qos).unwrap();
    let mut publish = v5::Publish::new(topic, qos, Bytes::copy_from_slice(payload), properties);
    publish.pkid = pkid;
    let mut bytes = BytesMut::new();
    publish.write(&mut bytes).unwrap();
    bytes
}

pub(crate) fn puback(pkid: u16) -> [u8; 4] {
    let [high, low] = pkid.to_be_bytes();
    [0x40, 2, high, low]
}

pub(crate) fn position(traveler: &str, event_id: usize) -> String {
    format!(r#"{{"traveler_id":"{traveler}","x":1.5,"y":2.5,"event_id":"e-{event_id}"}}"#)
}

impl Device {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream }
    }

    /// Connects with 3.1.1.
    pub(crate) async fn v4(address: SocketAddr, hello: Hello) -> Self {
        let mut device = Self::open(address).await;
        device.send(&hello.bytes_v4()).await;
        device.expect(&[0x20, 2, 0, 0]).await;
        device
    }

    /// Connects with 5, and returns what the gateway announced.
    pub(crate) async fn v5(address: SocketAddr, hello: Hello) -> (Self, v5::ConnAckProperties) {
        let mut device = Self::open(address).await;
        device.send(&hello.bytes_v5()).await;
        match device.packet_v5().await {
            v5::Packet::ConnAck(connack) => (device, connack.properties.unwrap()),
            other => panic!("expected a CONNACK, found {other:?}"),
        }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Publishes with 3.1.1.
    pub(crate) async fn publish(
        &mut self,
        topic: &str,
        qos: u8,
        pkid: u16,
        payload: impl AsRef<[u8]>,
    ) {
        let bytes = publish_v4(topic, qos, pkid, payload.as_ref());
        self.send(&bytes).await;
    }

    /// The next bytes must be these.
    pub(crate) async fn expect(&mut self, expected: &[u8]) {
        let mut found = vec![0; expected.len()];
        timeout(PATIENCE, self.stream.read_exact(&mut found))
            .await
            .unwrap_or_else(|_| panic!("expected {expected:x?}, found silence"))
            .unwrap_or_else(|error| panic!("expected {expected:x?}, found {error}"));
        assert_eq!(found, expected, "{found:x?} instead of {expected:x?}");
    }

    /// The next packet of MQTT 5.
    pub(crate) async fn packet_v5(&mut self) -> v5::Packet {
        let mut bytes = BytesMut::new();
        let mut byte = [0];
        loop {
            let read = timeout(PATIENCE, self.stream.read_exact(&mut byte));
            read.await.expect("an answer in time").unwrap();
            bytes.extend_from_slice(&byte);
            if let Ok(packet) = v5::Packet::read(&mut bytes.clone(), None) {
                return packet;
            }
        }
    }

    /// Nothing may come for a while.
    pub(crate) async fn expect_silence(&mut self) {
        let mut byte = [0];
        let read = timeout(SILENCE, self.stream.read(&mut byte)).await;
        assert!(read.is_err(), "expected silence, found {read:?} {byte:x?}");
    }

    /// The gateway must close, perhaps after bytes that are returned.
    pub(crate) async fn expect_closed(&mut self) -> Vec<u8> {
        let mut found = Vec::new();
        let read = timeout(PATIENCE, self.stream.read_to_end(&mut found));
        // A reset is a close as well.
        drop(read.await.expect("the connection is closed in time"));
        found
    }

    /// Whether these bytes come; otherwise the gateway must close.
    pub(crate) async fn expect_closed_or(&mut self, expected: &[u8]) -> bool {
        let mut found = vec![0; expected.len()];
        match timeout(PATIENCE, self.stream.read_exact(&mut found))
            .await
            .unwrap()
        {
            Ok(_) => {
                assert_eq!(found, expected);
                true
            }
            Err(_) => false,
        }
    }
}
