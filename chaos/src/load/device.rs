//! One device: MQTT 5, at least once and in order, with a line in the ledger before each PUBLISH and after each PUBACK.
//!
//! A device keeps what was not acknowledged and sends it again after a reconnect, with DUP and before anything newer. MQTT 5,
//! because only there could a gateway say that it refuses a message for an outage of its own, which it must never do.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::{Bytes, BytesMut};
use chassis::clock::Clock;
use domain::time::Micros;
use rumqttc::v5::mqttbytes::v5::{
    Connect, ConnectReturnCode, Packet, PingReq, PubAckReason, Publish,
};
use rumqttc::v5::mqttbytes::{Error as CodecError, QoS};
use simulator::message::Kind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{interval, sleep, timeout};

use super::Counts;
use crate::ledger::{Entry, What, Writer};

/// A message that is due.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) kind: Kind,
    pub(super) payload: Bytes,
    pub(super) what: What,
}

impl Outgoing {
    /// The sensor's clock, as it tells it itself.
    pub(super) fn heartbeat(at: Micros) -> Self {
        Self {
            kind: Kind::Status,
            payload: format!(r#"{{"state":"heartbeat","timestamp":{}}}"#, at.0).into(),
            what: What::Status,
        }
    }
}

/// Messages in flight.
const WINDOW: usize = 256;
const KEEP_ALIVE_S: u16 = 20;
const PING_EVERY: Duration = Duration::from_secs(5);
/// A gateway that says nothing for so long, not even to a ping, is taken for dead.
const SILENCE: Duration = Duration::from_secs(20);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A device that finds no gateway tries again this soon: short, so that what is measured is the gateway's return.
const PAUSE: Duration = Duration::from_millis(250);

/// A device and what it still owes.
#[derive(Debug)]
pub(super) struct Device {
    index: u16,
    name: String,
    gateway: String,
    ledger: Arc<Writer>,
    clock: Clock,
    sequence: u32,
    packet_id: u16,
    unacked: VecDeque<Unacked>,
    ended: bool,
}

#[derive(Debug)]
struct Unacked {
    sequence: u32,
    packet_id: u16,
    message: Outgoing,
}

/// Why a connection ended before its time.
type Broken = anyhow::Error;

impl Device {
    pub(super) fn new(index: u16, name: &str, gateway: String, ledger: Arc<Writer>) -> Self {
        Self {
            index,
            name: name.to_owned(),
            gateway,
            ledger,
            clock: Clock::System,
            sequence: 0,
            packet_id: 0,
            unacked: VecDeque::new(),
            ended: false,
        }
    }

    /// Publishes until the messages end and each is acknowledged.
    pub(super) async fn run(
        mut self,
        mut messages: mpsc::Receiver<Outgoing>,
        counts: Arc<Counts>,
    ) -> anyhow::Result<()> {
        loop {
            let conversation = async {
                let mut stream = timeout(CONNECT_WITHIN, self.connect())
                    .await
                    .context("no CONNACK in time")??;
                self.converse(&mut stream, &mut messages, &counts).await
            };
            // Broken connections are what this suite makes; only the ledger refusing a line ends a device.
            match conversation.await {
                Ok(()) => return Ok(()),
                Err(error) if error.is::<LedgerFailed>() => return Err(error),
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    async fn connect(&mut self) -> Result<TcpStream, Broken> {
        let mut stream = TcpStream::connect(&self.gateway).await?;
        stream.set_nodelay(true)?;
        let connect = Connect {
            keep_alive: KEEP_ALIVE_S,
            client_id: self.name.clone(),
            clean_start: true,
            properties: None,
        };
        let mut buffer = BytesMut::new();
        Packet::Connect(connect, None, None).write(&mut buffer, None)?;
        stream.write_all(&buffer).await?;
        buffer.clear();
        loop {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            match read(&mut buffer)? {
                Some(Packet::ConnAck(answer)) if answer.code == ConnectReturnCode::Success => {
                    return Ok(stream);
                }
                Some(other) => anyhow::bail!("expected CONNACK, found {other:?}"),
                None => {}
            }
        }
    }

    async fn converse(
        &mut self,
        stream: &mut TcpStream,
        messages: &mut mpsc::Receiver<Outgoing>,
        counts: &Counts,
    ) -> Result<(), Broken> {
        let mut incoming = BytesMut::with_capacity(4 * 1024);
        let mut outgoing = BytesMut::with_capacity(64 * 1024);
        let mut pings = interval(PING_EVERY);
        let mut heard = Instant::now();
        self.send_again(&mut outgoing, counts)?;
        loop {
            if !outgoing.is_empty() {
                timeout(SILENCE, stream.write_all_buf(&mut outgoing)).await??;
            }
            if self.ended && self.unacked.is_empty() {
                return Ok(());
            }
            let may_send = !self.ended && self.unacked.len() < WINDOW;
            tokio::select! {
                read = stream.read_buf(&mut incoming) => {
                    if read? == 0 {
                        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                    }
                    heard = Instant::now();
                    self.receive(&mut incoming, counts)?;
                }
                message = messages.recv(), if may_send => match message {
                    Some(message) => self.send(message, messages, &mut outgoing, counts)?,
                    None => self.ended = true,
                },
                _ = pings.tick() => {
                    anyhow::ensure!(heard.elapsed() < SILENCE, "the gateway is silent");
                    PingReq::write(&mut outgoing)?;
                }
            }
        }
    }

    /// Writes what an earlier connection left without an answer, in the same order.
    fn send_again(&mut self, outgoing: &mut BytesMut, counts: &Counts) -> Result<(), Broken> {
        let mut entries = Vec::with_capacity(self.unacked.len());
        for index in 0..self.unacked.len() {
            let packet_id = self.next_packet_id();
            let unacked = &mut self.unacked[index];
            unacked.packet_id = packet_id;
            entries.push(Entry::Again {
                at: self.clock.now().0,
                device: self.index,
                sequence: unacked.sequence,
            });
            write_publish(&self.name, &self.unacked[index], true, outgoing)?;
            counts.again.fetch_add(1, Ordering::Relaxed);
        }
        self.note(&entries)
    }

    /// Writes a message and those that wait behind it, as far as the window allows.
    fn send(
        &mut self,
        first: Outgoing,
        messages: &mut mpsc::Receiver<Outgoing>,
        outgoing: &mut BytesMut,
        counts: &Counts,
    ) -> Result<(), Broken> {
        let mut entries = Vec::new();
        let mut next = Some(first);
        while let Some(message) = next {
            entries.push(Entry::Sent {
                at: self.clock.now().0,
                device: self.index,
                sequence: self.sequence,
                what: message.what.clone(),
            });
            let unacked = Unacked {
                sequence: self.sequence,
                packet_id: self.next_packet_id(),
                message,
            };
            write_publish(&self.name, &unacked, false, outgoing)?;
            self.unacked.push_back(unacked);
            self.sequence += 1;
            counts.published.fetch_add(1, Ordering::Relaxed);
            let has_room = self.unacked.len() < WINDOW;
            next = has_room.then(|| messages.try_recv().ok()).flatten();
        }
        // The socket is written after this only.
        self.note(&entries)
    }

    fn receive(&mut self, incoming: &mut BytesMut, counts: &Counts) -> Result<(), Broken> {
        let mut entries = Vec::new();
        while let Some(packet) = read(incoming)? {
            match packet {
                Packet::PubAck(ack) => {
                    let refused = ack.reason == PubAckReason::PayloadFormatInvalid;
                    if !refused && ack.reason != PubAckReason::Success {
                        // A client drops the message then, as the protocol says; the checkers look for this count.
                        counts.errors.fetch_add(1, Ordering::Relaxed);
                    }
                    let is_it = |unacked: &Unacked| unacked.packet_id == ack.pkid;
                    let place = self.unacked.iter().position(is_it);
                    let place = place.context("PUBACK of an unknown packet")?;
                    let unacked = self.unacked.remove(place).expect("it was just found");
                    entries.push(Entry::Acked {
                        at: self.clock.now().0,
                        device: self.index,
                        sequence: unacked.sequence,
                        refused,
                    });
                }
                Packet::PingResp(_) => {}
                other => anyhow::bail!("unexpected {other:?}"),
            }
        }
        self.note(&entries)?;
        let acked = u64::try_from(entries.len()).expect("a usize fits");
        counts.acked.fetch_add(acked, Ordering::Relaxed);
        Ok(())
    }

    fn note(&self, entries: &[Entry]) -> Result<(), Broken> {
        self.ledger.write(entries).context(LedgerFailed)
    }

    /// Packet ids go round; the window is far smaller than their number, so none is in use twice.
    fn next_packet_id(&mut self) -> u16 {
        self.packet_id = self.packet_id.checked_add(1).unwrap_or(1);
        self.packet_id
    }
}

/// The ledger could not be written, so nothing may be published any more.
#[derive(Debug)]
struct LedgerFailed;

impl std::fmt::Display for LedgerFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("writing the ledger")
    }
}

fn write_publish(
    device: &str,
    unacked: &Unacked,
    again: bool,
    outgoing: &mut BytesMut,
) -> Result<(), CodecError> {
    let message = &unacked.message;
    let topic = format!("footfall/main/{device}/{}", message.kind.as_str());
    let mut publish = Publish::new(topic, QoS::AtLeastOnce, message.payload.clone(), None);
    publish.pkid = unacked.packet_id;
    publish.dup = again;
    publish.write(outgoing).map(drop)
}

/// The next whole packet, if there is one.
fn read(buffer: &mut BytesMut) -> Result<Option<Packet>, CodecError> {
    match Packet::read(buffer, None) {
        Ok(packet) => Ok(Some(packet)),
        Err(CodecError::InsufficientBytes(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
