//! One connection: takes in what it read, writes what is owed, waits.
//!
//! A single task does all of it, so nothing here is locked. Taking in stops, and with it reading, while a bound is
//! reached: the window of this connection, the budget of the gateway, librdkafka's queue, or replies that the client does
//! not fetch. That is how a Kafka that is away reaches the device: as a socket that is not read, never as an error.

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use domain::time::Micros;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::WriteHalf;
use tokio::time::{Instant, sleep_until};
use tracing::info;

use crate::close::Close;
use crate::encode::{NOTHING_TO_DELIVER, encode};
use crate::hold::{Hold, Waiting};
use crate::input::Input;
use crate::intake::Taken;
use crate::packet::{Publish, Reply, Version, Will};
use crate::patience::{NEVER, Patience};
use crate::producer::{Batch, SendError, headers, timestamp};
use crate::session::{Acknowledgement, Action, Session};
use crate::shared::Shared;
use crate::signal::{Flag, Signal};
use crate::window::{Slot, Window};

/// Replies that may wait for the client to fetch them, in bytes.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;

/// A connection whose CONNECT was accepted.
#[derive(Debug)]
pub(crate) struct Connection {
    shared: Arc<Shared>,
    signal: Arc<Signal>,
    session: Session,
    window: Window,
    window_max: usize,
    input: Input,
    output: BytesMut,
    received: Received,
    hold: Hold,
    patience: Patience,
}

/// Where replies go: the socket, or what stands in for it.
trait Outlet {
    /// Writes what there is room for, without waiting.
    fn try_write(&self, bytes: &[u8]) -> std::io::Result<usize>;
}

impl Outlet for WriteHalf<'_> {
    fn try_write(&self, bytes: &[u8]) -> std::io::Result<usize> {
        WriteHalf::try_write(self, bytes)
    }
}

/// When the bytes at hand were read. All packets of one read share it.
#[derive(Debug)]
struct Received {
    at: Micros,
    instant: Instant,
    /// `at`, as the records' header has it.
    text: String,
}

impl Connection {
    pub(crate) fn new(
        shared: Arc<Shared>,
        signal: Arc<Signal>,
        session: Session,
        input: Input,
    ) -> Self {
        let receive_maximum = usize::from(shared.limits.receive_maximum);
        Self {
            // An MQTT 5 client that exceeds the maximum must be noticed, so reading goes on a little longer there; what
            // counts against the maximum is bounded by the session, the rest is QoS 0.
            window_max: match session.version {
                Version::V4 => receive_maximum,
                Version::V5 => receive_maximum * 2,
            },
            patience: Patience::new(session.silence_max, shared.timeouts.packet),
            received: Received::now(&shared),
            shared,
            signal,
            session,
            window: Window::default(),
            input,
            output: BytesMut::new(),
            hold: Hold::Nothing,
        }
    }

    /// Serves `stream` until the connection ends. What the client should still be sent is returned with the reason, and
    /// the will if it is due.
    pub(crate) async fn serve(mut self, stream: &mut TcpStream) -> (Close, BytesMut, Option<Will>) {
        let (mut reader, writer) = stream.split();
        let timer = sleep_until(Instant::now() + NEVER);
        tokio::pin!(timer);
        let close = loop {
            if let Err(close) = self.turn(&writer) {
                break close;
            }
            let may_read = self.may_take();
            self.patience.set_paused(!may_read);
            let deadline = self.patience.deadline();
            if deadline < timer.deadline() || timer.is_elapsed() {
                timer.as_mut().reset(deadline);
            }
            self.input.make_room();
            // The order does not matter: each arm only makes the next turn worth taking, and a turn does everything.
            tokio::select! {
                biased;
                () = timer.as_mut() => if let Some(close) = self.patience.is_over() {
                    break close;
                },
                read = reader.read_buf(&mut self.input.bytes), if may_read => match read {
                    Ok(count) if count > 0 => self.note_read(count),
                    _ => break Close::Lost,
                },
                () = self.signal.woken() => {}
                _ = writer.writable(), if !self.output.is_empty() => {}
                () = self.hold.over(&self.signal), if !self.hold.is_nothing() => self.release(),
            }
        };
        #[expect(clippy::cast_precision_loss, reason = "a window is small")]
        self.shared
            .metrics
            .inflight
            .decrement(self.window.len() as f64);
        let will = self.session.take_will(close);
        if let (Some(reason_code), Version::V5) = (close.reason_code(), self.session.version) {
            encode(
                Version::V5,
                &Reply::Disconnect { reason_code },
                &mut self.output,
            );
        }
        (close, self.output, will)
    }

    /// Does everything that can be done without waiting.
    fn turn(&mut self, writer: &impl Outlet) -> Result<(), Close> {
        if let Some(close) = self.signal.close() {
            return Err(close);
        }
        loop {
            let is_input_used_up = self.take_in()?;
            let is_settled = self.settle();
            self.write(writer)?;
            // Settling and writing may have made room for what had to wait.
            let can_take = !is_input_used_up && self.may_take();
            let can_settle = !is_settled && self.output.is_empty();
            if !can_take && !can_settle {
                break;
            }
        }
        if self.signal.is_raised(Flag::Shutdown) {
            if matches!(self.hold, Hold::Budget(_)) {
                // It was never handed to Kafka and never will be; the device sends it again elsewhere.
                self.hold = Hold::Nothing;
            }
            if self.window.is_empty() && self.output.is_empty() {
                return Err(Close::Shutdown);
            }
        }
        Ok(())
    }

    /// Whether one more packet may be taken in.
    fn may_take(&self) -> bool {
        self.hold.is_nothing()
            && self.window.len() < self.window_max
            && self.output.len() < OUTPUT_BYTES_MAX
            && !self.signal.is_raised(Flag::Shutdown)
    }

    /// Acknowledges the publishes that Kafka has, in the order of their receipt. Says whether that were all of them;
    /// otherwise there is no room for more replies.
    fn settle(&mut self) -> bool {
        let mut last_received = None;
        while self.output.len() < OUTPUT_BYTES_MAX {
            let Some(done) = self.window.pop_done() else {
                return true;
            };
            self.shared.metrics.inflight.decrement(1.0);
            let Some(reply) = self.session.acknowledge(done.acknowledgement) else {
                continue;
            };
            encode(self.session.version, &reply, &mut self.output);
            // Publishes that were read together and are acknowledged together waited equally long: one observation.
            if last_received.replace(done.received) != Some(done.received) {
                let waited = done.received.elapsed();
                self.shared.metrics.puback_seconds.record(waited);
            }
        }
        false
    }

    /// Takes in the packets that were read, as far as the bounds allow. Says whether no whole packet is left.
    fn take_in(&mut self) -> Result<bool, Close> {
        let mut count = 0;
        let mut is_input_used_up = false;
        while self.may_take() {
            let Some(packet) = self.input.packet(self.session.version)? else {
                is_input_used_up = true;
                break;
            };
            count += 1;
            match self.session.packet(packet) {
                Action::Publish(publish) => self.publish(publish),
                Action::Repeat(acknowledgement) => self.await_turn(None, acknowledgement),
                Action::Reply(reply) => encode(self.session.version, &reply, &mut self.output),
                Action::RefuseSubscription(reply) => {
                    info!(
                        client.id = self.session.client_id,
                        "{} wants to subscribe: {NOTHING_TO_DELIVER}", self.session.client_id
                    );
                    encode(self.session.version, &reply, &mut self.output);
                }
                Action::Close(close) => return Err(close),
            }
        }
        let is_within_packet = self.input.is_within_packet();
        self.patience
            .took_in(count, self.received.instant, is_within_packet);
        Ok(is_input_used_up)
    }

    fn publish(&mut self, publish: Publish) {
        let shared = &self.shared;
        shared.metrics.publishes(publish.qos).increment(1);
        let taken = shared.intake.take(&publish, self.received.at);
        let cost = shared.budget.cost(taken.bytes);
        if taken.reversed.is_empty() {
            shared.intake.count(&taken);
            self.await_turn(None, Acknowledgement::of(&publish, taken.outcome));
        } else if shared.budget.try_take(cost) {
            self.produce(&publish, taken, cost);
        } else {
            self.hold = Hold::Budget(Box::new(Waiting { publish, cost }));
        }
    }

    /// Hands a publish whose cost was taken from the budget to Kafka.
    fn produce(&mut self, publish: &Publish, taken: Taken, cost: u32) {
        self.shared.intake.count(&taken);
        let slot = Slot::new(taken.reversed.len(), cost, Arc::clone(&self.signal));
        let slot = Arc::new(slot);
        let acknowledgement = Acknowledgement::of(publish, taken.outcome);
        self.await_turn(Some(Arc::clone(&slot)), acknowledgement);
        self.send(Batch {
            reversed: taken.reversed,
            headers: Some(headers(&self.received.text, publish.traceparent.as_deref())),
            slot,
        });
    }

    /// Puts a publish into the window: it is acknowledged when its turn comes and its records are in Kafka.
    fn await_turn(&mut self, slot: Option<Arc<Slot>>, acknowledgement: Acknowledgement) {
        self.shared.metrics.inflight.increment(1.0);
        let received = self.received.instant;
        self.window.push(slot, acknowledgement, received);
    }

    fn send(&mut self, mut batch: Batch) {
        self.hold = match self.shared.producer.send(&mut batch) {
            Err(SendError::QueueFull) => Hold::Queue(Box::new(batch)),
            // A refusal has raised the flag that ends this connection.
            Ok(()) | Err(SendError::Refused) => Hold::Nothing,
        };
    }

    /// What the hold waited for is there.
    fn release(&mut self) {
        match std::mem::replace(&mut self.hold, Hold::Nothing) {
            Hold::Nothing => {}
            Hold::Budget(waiting) => {
                let Waiting { publish, cost } = *waiting;
                let taken = self.shared.intake.take(&publish, self.received.at);
                self.produce(&publish, taken, cost);
            }
            Hold::Queue(batch) => self.send(*batch),
        }
    }

    fn note_read(&mut self, count: usize) {
        self.input.learn(count);
        self.received = Received::now(&self.shared);
    }

    fn write(&mut self, writer: &impl Outlet) -> Result<(), Close> {
        while !self.output.is_empty() {
            match writer.try_write(&self.output) {
                Ok(count) => {
                    self.output.advance(count);
                    self.patience.wrote();
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    self.patience.write_blocked();
                    return Ok(());
                }
                Err(_) => return Err(Close::Lost),
            }
        }
        Ok(())
    }
}

impl Received {
    fn now(shared: &Shared) -> Self {
        let at = shared.clock.now();
        Self {
            at,
            instant: Instant::now(),
            text: timestamp(at),
        }
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;

#[cfg(any(test, feature = "fuzzing"))]
#[path = "fuzzing/listener.rs"]
pub(crate) mod fuzzing;
