//! A device with its connection: what it sent is under way until it arrives, and its clocks say when it may be given up.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::pin;
use std::task::{Context, Waker};

use tokio::time::Instant;

use super::super::{Connection, Outlet};
use super::RECEIVE_MAXIMUM;
use crate::close::Close;
use crate::fuzzing::oracle::{Oracle, Unconfirmed};
use crate::hold::Hold;
use crate::registry::Seat;
use crate::shared::Shared;
use crate::signal::Flag;

pub(super) struct Device {
    pub(super) seat: Seat,
    pub(super) connection: Connection,
    socket: Socket,
    pub(super) oracle: Oracle,
    /// Bytes that were sent and are under way, and where their packets end.
    under_way: VecDeque<u8>,
    ends: VecDeque<usize>,
    /// When a whole packet arrived last, and when the gateway did not listen last.
    arrived: Instant,
    deaf: Instant,
    /// It said DISCONNECT, and says nothing more.
    pub(super) has_left: bool,
}

/// The device's end of the socket: it takes everything.
#[derive(Default)]
struct Socket(RefCell<Vec<u8>>);

impl Outlet for Socket {
    fn try_write(&self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }
}

impl Device {
    pub(super) fn new(seat: Seat, connection: Connection) -> Self {
        let now = Instant::now();
        Self {
            oracle: Oracle::new(connection.session.version),
            seat,
            connection,
            socket: Socket::default(),
            under_way: VecDeque::new(),
            ends: VecDeque::new(),
            arrived: now,
            deaf: now,
            has_left: false,
        }
    }

    pub(super) fn send(&mut self, packet: &[u8]) {
        self.under_way.extend(packet);
        self.ends.push_back(self.under_way.len());
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// As much as `count` bytes of what is under way arrive.
    pub(super) fn arrive(&mut self, count: usize) {
        let count = count.min(self.under_way.len());
        if count == 0 {
            return;
        }
        self.connection
            .input
            .bytes
            .extend(self.under_way.drain(..count));
        self.connection.note_read(count);
        while let Some(&end) = self.ends.front()
            && end <= count
        {
            self.ends.pop_front();
            self.arrived = Instant::now();
        }
        for end in &mut self.ends {
            *end -= count;
        }
    }

    /// Whether the task would run again although nothing arrived.
    pub(super) fn is_due(&mut self, shared: &Shared) -> bool {
        self.note_deaf();
        let is_woken = {
            let woken = pin!(self.seat.signal.woken());
            woken
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_ready()
        };
        let is_released = match &self.connection.hold {
            Hold::Nothing => false,
            Hold::Budget(waiting) => shared.budget.try_take(waiting.cost),
            Hold::Queue(_) => shared
                .producer
                .tray
                .as_ref()
                .is_some_and(|tray| tray.has_room()),
        };
        if is_released {
            self.connection.release();
        }
        is_woken || is_released || self.connection.patience.is_over().is_some()
    }

    /// One turn of its task, and what is said to the device in it.
    pub(super) fn turn(&mut self, unconfirmed: &Unconfirmed) -> Result<(), Close> {
        let turned = self.run();
        self.oracle.judge(&self.socket.0.take(), unconfirmed);
        turned.inspect_err(|&close| self.check_close(close))
    }

    /// As `serve` does: the clock first, because what was read is taken in later.
    fn run(&mut self) -> Result<(), Close> {
        if let Some(close) = self.connection.patience.is_over() {
            return Err(close);
        }
        self.note_deaf();
        self.connection.turn(&self.socket)?;
        let may_read = self.connection.may_take();
        self.connection.patience.set_paused(!may_read);
        self.note_deaf();
        Ok(())
    }

    fn note_deaf(&mut self) {
        if !self.connection.may_take() {
            self.deaf = Instant::now();
        }
    }

    /// A connection ends only for a reason.
    fn check_close(&self, close: Close) {
        let signal = &self.seat.signal;
        let is_justified = match close {
            Close::Client { .. } => self.has_left,
            Close::TakenOver => signal.is_raised(Flag::TakenOver),
            Close::Kafka => signal.is_raised(Flag::KafkaRefused),
            Close::Shutdown => signal.is_raised(Flag::Shutdown),
            Close::ReceiveMaximum => self.oracle.has_overrun(RECEIVE_MAXIMUM),
            Close::Slow => !self.ends.is_empty(),
            Close::KeepAlive => self.is_silent(self.arrived),
            _ => false,
        };
        assert!(is_justified, "{close:?} without a reason");
    }

    /// A connection that has a reason to end has ended.
    pub(super) fn check_clocks(&self) {
        assert!(
            !self.seat.signal.is_raised(Flag::TakenOver),
            "it was taken over"
        );
        assert!(
            !self.seat.signal.is_raised(Flag::KafkaRefused),
            "Kafka refused it"
        );
        let heard = self.arrived.max(self.deaf);
        assert!(
            !self.connection.may_take() || !self.is_silent(heard),
            "it is silent"
        );
    }

    fn is_silent(&self, since: Instant) -> bool {
        let silence_max = self.connection.session.silence_max;
        silence_max.is_some_and(|max| since.elapsed() >= max)
    }
}
