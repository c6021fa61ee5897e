//! One sensor's connection to the broker: at least once, in order, until every message is acknowledged.
//!
//! A device keeps what was not acknowledged and sends it again after a reconnect, with the same `event_id`, before
//! anything newer. `rumqttc`'s event loop forgets what it sent when the new session is a clean one, so this module uses
//! its codec and keeps the queue itself.

mod error;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use domain::time::{Micros, Span};
use rumqttc::{
    Connect, ConnectReturnCode, Disconnect, LastWill, Login, Packet, PingReq, Publish, QoS,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{interval, sleep, timeout};
use tracing::{debug, warn};

use crate::progress::Progress;
use error::Broken;
pub(crate) use error::LinkError;

/// A message on its way to the broker.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) topic: Arc<str>,
    pub(crate) payload: Bytes,
    /// See [`crate::message::Message::send_at`].
    pub(crate) send_at: Micros,
}

/// Who connects where.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) address: String,
    pub(crate) client_id: String,
    pub(crate) login: Option<(String, SecretString)>,
    /// Topic and payload that the broker publishes when the connection breaks.
    pub(crate) will: Option<(String, Bytes)>,
}

#[derive(Debug)]
struct Unacknowledged {
    message: Outgoing,
    packet_id: u16,
    sent_at: Instant,
}

/// Messages in flight; with acknowledgements after some 20 ms this allows over 10,000 messages a second and sensor.
const WINDOW: usize = 256;
/// What is in flight spans at most this much event time, so that sending it again cannot make it late.
const WINDOW_SPAN: Span = Span::from_secs(60);
const KEEP_ALIVE_S: u16 = 30;
const PING_EVERY: Duration = Duration::from_secs(10);
/// A broker that says nothing for so long, not even to a ping, is taken for dead. Longer than a gateway withholds its
/// acknowledgements while Kafka is away for a moment.
const SILENCE: Duration = Duration::from_secs(60);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const BACK_OFF_MIN: Duration = Duration::from_millis(100);
const BACK_OFF_MAX: Duration = Duration::from_secs(3);
const PACKET_BYTES_MAX: usize = 64 * 1024;

/// A device: takes messages, ends when there are no more and all are acknowledged.
#[derive(Debug)]
pub(crate) struct Link {
    identity: Identity,
    messages: mpsc::Receiver<Outgoing>,
    progress: Arc<Progress>,
    next: Option<Outgoing>,
    ended: bool,
    unacknowledged: VecDeque<Unacknowledged>,
    packet_id: u16,
    /// Whether the present connection brought an acknowledgement.
    has_progressed: bool,
}

impl Link {
    pub(crate) fn new(
        identity: Identity,
        messages: mpsc::Receiver<Outgoing>,
        progress: Arc<Progress>,
    ) -> Self {
        Self {
            identity,
            messages,
            progress,
            next: None,
            ended: false,
            unacknowledged: VecDeque::new(),
            packet_id: 0,
            has_progressed: false,
        }
    }

    /// Publishes until the messages end and each is acknowledged.
    pub(crate) async fn run(mut self) -> Result<(), LinkError> {
        let mut back_off = BACK_OFF_MIN;
        loop {
            self.has_progressed = false;
            match self.connection().await {
                Ok(()) => return Ok(()),
                Err(Broken::Refused(code)) if is_final(code) => {
                    return Err(LinkError::Refused {
                        address: self.identity.address,
                        client_id: self.identity.client_id,
                        code,
                    });
                }
                // Expected while a gateway starts again; one line for all devices, the progress line says how many are connected.
                Err(broken) if self.progress.is_news() => warn!(
                    net.address = self.identity.address,
                    "no connection to {}, trying again: {broken}", self.identity.address
                ),
                Err(broken) => debug!(
                    device.id = %self.identity.client_id,
                    "{}: no connection to {}, {} messages to send again: {broken}",
                    self.identity.client_id, self.identity.address, self.unacknowledged.len()
                ),
            }
            if self.has_progressed {
                back_off = BACK_OFF_MIN;
            }
            sleep(back_off).await;
            back_off = (back_off * 2).min(BACK_OFF_MAX);
        }
    }

    async fn connection(&mut self) -> Result<(), Broken> {
        let mut stream = timeout(CONNECT_WITHIN, self.connect())
            .await
            .map_err(|_| Broken::Io(io::ErrorKind::TimedOut.into()))??;
        self.progress.connected();
        let outcome = self.converse(&mut stream).await;
        self.progress.disconnected();
        outcome
    }

    async fn connect(&self) -> Result<TcpStream, Broken> {
        let mut stream = TcpStream::connect(&self.identity.address).await?;
        stream.set_nodelay(true)?;
        let mut connect = Connect::new(&self.identity.client_id);
        connect.keep_alive = KEEP_ALIVE_S;
        if let Some((user, password)) = &self.identity.login {
            connect.login = Some(Login::new(user, password.expose_secret()));
        }
        if let Some((topic, payload)) = &self.identity.will {
            connect.last_will = Some(LastWill::new(
                topic,
                payload.to_vec(),
                QoS::AtLeastOnce,
                false,
            ));
        }
        let mut buffer = BytesMut::new();
        connect.write(&mut buffer).map_err(Broken::Malformed)?;
        stream.write_all(&buffer).await?;
        buffer.clear();
        loop {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Err(Broken::Closed);
            }
            match read(&mut buffer)? {
                Some(Packet::ConnAck(answer)) if answer.code == ConnectReturnCode::Success => {
                    return Ok(stream);
                }
                Some(Packet::ConnAck(answer)) => return Err(Broken::Refused(answer.code)),
                Some(_) => return Err(Broken::Unexpected("packet before CONNACK")),
                None => {}
            }
        }
    }

    async fn converse(&mut self, stream: &mut TcpStream) -> Result<(), Broken> {
        let mut incoming = BytesMut::with_capacity(4 * 1024);
        let mut outgoing = BytesMut::with_capacity(64 * 1024);
        let mut pings = interval(PING_EVERY);
        let mut heard = Instant::now();
        self.send_again(&mut outgoing)?;
        loop {
            self.send_new(&mut outgoing)?;
            if !outgoing.is_empty() {
                stream.write_all_buf(&mut outgoing).await?;
            }
            if self.ended && self.next.is_none() && self.unacknowledged.is_empty() {
                Disconnect.write(&mut outgoing).map_err(Broken::Malformed)?;
                stream.write_all_buf(&mut outgoing).await?;
                return Ok(stream.shutdown().await?);
            }
            tokio::select! {
                read = stream.read_buf(&mut incoming) => {
                    if read? == 0 {
                        return Err(Broken::Closed);
                    }
                    heard = Instant::now();
                    self.receive(&mut incoming)?;
                }
                message = self.messages.recv(), if self.next.is_none() && !self.ended => {
                    self.ended = message.is_none();
                    self.next = message;
                }
                _ = pings.tick() => {
                    if heard.elapsed() > SILENCE {
                        return Err(Broken::Silent);
                    }
                    PingReq.write(&mut outgoing).map_err(Broken::Malformed)?;
                }
            }
        }
    }

    /// Writes what an earlier connection left without an answer, in the same order and with fresh packet ids.
    fn send_again(&mut self, outgoing: &mut BytesMut) -> Result<(), Broken> {
        for index in 0..self.unacknowledged.len() {
            let packet_id = self.next_packet_id();
            let entry = &mut self.unacknowledged[index];
            entry.packet_id = packet_id;
            write_publish(&entry.message, packet_id, true, outgoing)?;
            self.progress.sent(true);
        }
        Ok(())
    }

    /// Writes what is there as far as the window allows.
    fn send_new(&mut self, outgoing: &mut BytesMut) -> Result<(), Broken> {
        loop {
            if self.next.is_none() {
                self.next = self.messages.try_recv().ok();
            }
            let Some(message) = self
                .next
                .take_if(|message| has_room(&self.unacknowledged, message))
            else {
                return Ok(());
            };
            let packet_id = self.next_packet_id();
            write_publish(&message, packet_id, false, outgoing)?;
            self.progress.sent(false);
            self.unacknowledged.push_back(Unacknowledged {
                message,
                packet_id,
                sent_at: Instant::now(),
            });
        }
    }

    fn receive(&mut self, incoming: &mut BytesMut) -> Result<(), Broken> {
        let mut waits = Vec::new();
        while let Some(packet) = read(incoming)? {
            match packet {
                Packet::PubAck(ack) => {
                    // Brokers answer in order, so it is the first one; a broker that does not is served all the same.
                    let Some(index) = self
                        .unacknowledged
                        .iter()
                        .position(|entry| entry.packet_id == ack.pkid)
                    else {
                        return Err(Broken::Unexpected("PUBACK of an unknown packet"));
                    };
                    let entry = self.unacknowledged.remove(index);
                    waits.extend(entry.map(|entry| entry.sent_at.elapsed()));
                }
                Packet::PingResp => {}
                _ => return Err(Broken::Unexpected("packet")),
            }
        }
        self.has_progressed |= !waits.is_empty();
        self.progress.acknowledged(&waits);
        Ok(())
    }

    /// Packet ids go round; the window is far smaller than their number, so none is in use twice.
    fn next_packet_id(&mut self) -> u16 {
        self.packet_id = self.packet_id.checked_add(1).unwrap_or(1);
        self.packet_id
    }
}

/// Whether a wrong name or password was the reason: that does not get better by itself.
fn is_final(code: ConnectReturnCode) -> bool {
    match code {
        ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => true,
        ConnectReturnCode::Success
        | ConnectReturnCode::RefusedProtocolVersion
        | ConnectReturnCode::BadClientId
        | ConnectReturnCode::ServiceUnavailable => {
            warn!("connection refused: {code:?}, trying again");
            false
        }
    }
}

fn has_room(unacknowledged: &VecDeque<Unacknowledged>, message: &Outgoing) -> bool {
    unacknowledged.front().is_none_or(|oldest| {
        unacknowledged.len() < WINDOW && message.send_at - oldest.message.send_at <= WINDOW_SPAN
    })
}

fn write_publish(
    message: &Outgoing,
    packet_id: u16,
    again: bool,
    outgoing: &mut BytesMut,
) -> Result<(), Broken> {
    let mut publish =
        Publish::from_bytes(&*message.topic, QoS::AtLeastOnce, message.payload.clone());
    publish.pkid = packet_id;
    publish.dup = again;
    publish.write(outgoing).map_err(Broken::Malformed)?;
    Ok(())
}

/// The next whole packet, if there is one.
fn read(buffer: &mut BytesMut) -> Result<Option<Packet>, Broken> {
    match Packet::read(buffer, PACKET_BYTES_MAX) {
        Ok(packet) => Ok(Some(packet)),
        Err(rumqttc::mqttbytes::Error::InsufficientBytes(_)) => Ok(None),
        Err(error) => Err(Broken::Malformed(error)),
    }
}

#[cfg(test)]
mod tests;
