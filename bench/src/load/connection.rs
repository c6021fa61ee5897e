//! One MQTT connection of the generator: the writer's half and the thread that reads its PUBACKs.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use hdrhistogram::Histogram;

use crate::frame;
use crate::stream::histogram;

/// Unacknowledged messages of one connection; packet ids end at 65,535.
const IN_FLIGHT_MAX: u64 = 50_000;
/// A gateway that acknowledges nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a full window is looked at.
const NAP: Duration = Duration::from_micros(500);
/// Marks a message that is not measured.
pub(super) const UNMEASURED: u64 = u64::MAX;

/// The writer's half.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    packet_id: u16,
    shared: Arc<Shared>,
    reader: JoinHandle<anyhow::Result<Acknowledged>>,
}

/// What the acknowledgements of a connection took.
pub(super) struct Acknowledged {
    /// From intended PUBLISH to PUBACK, µs.
    pub(super) puback: Histogram<u64>,
    /// When the last one came.
    pub(super) last: Instant,
}

struct Shared {
    /// When the message with that packet id was due, µs after the base.
    due_us: Vec<AtomicU64>,
    sent: AtomicU64,
    acknowledged: AtomicU64,
    /// Everything is acknowledged: the end of the connection is no failure.
    is_finished: AtomicBool,
    is_broken: AtomicBool,
}

impl Shared {
    fn owes_nothing(&self) -> bool {
        self.sent.load(Ordering::Acquire) == self.acknowledged.load(Ordering::Relaxed)
    }
}

impl Connection {
    /// Connects; due times count from `base`.
    pub(super) fn open(address: &str, client_id: &str, base: Instant) -> anyhow::Result<Self> {
        let mut stream =
            TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(&frame::connect(client_id))?;
        let mut answer = [0; 4];
        stream
            .read_exact(&mut answer)
            .context("waiting for CONNACK")?;
        if answer != [0x20, 2, 0, 0] {
            bail!("{address} refused the connection: {answer:02x?}");
        }
        let shared = Arc::new(Shared {
            due_us: (0..=u16::MAX).map(|_| AtomicU64::new(UNMEASURED)).collect(),
            sent: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            is_finished: AtomicBool::new(false),
            is_broken: AtomicBool::new(false),
        });
        let (reading, with_writer) = (stream.try_clone()?, Arc::clone(&shared));
        let reader = thread::Builder::new()
            .name("pubacks".to_owned())
            .spawn(move || {
                let outcome = read_acks(reading, &with_writer, base);
                with_writer
                    .is_broken
                    .store(outcome.is_err(), Ordering::Release);
                outcome
            })?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(1 << 20),
            packet_id: 0,
            shared,
            reader,
        })
    }

    /// The packet id of the next message; notes when it was due.
    pub(super) fn next_packet_id(&mut self, due_us: u64) -> u16 {
        self.packet_id = self.packet_id.checked_add(1).unwrap_or(1);
        self.shared.due_us[usize::from(self.packet_id)].store(due_us, Ordering::Relaxed);
        self.packet_id
    }

    /// Adds a message to what the next [`Connection::write`] sends.
    pub(super) fn push(&mut self, message: &[u8]) {
        self.buffer.extend_from_slice(message);
        // Release: the reader must see the due time of what it counts.
        self.shared.sent.fetch_add(1, Ordering::Release);
    }

    /// Sends what was pushed, then waits while the window is full.
    pub(super) fn write(&mut self) -> anyhow::Result<()> {
        if !self.buffer.is_empty() {
            self.stream
                .write_all(&self.buffer)
                .context("the gateway took nothing for a minute")?;
            self.buffer.clear();
        }
        self.wait_until_in_flight(IN_FLIGHT_MAX)
    }

    fn wait_until_in_flight(&self, at_most: u64) -> anyhow::Result<()> {
        while self.in_flight() > at_most {
            if self.shared.is_broken.load(Ordering::Acquire) {
                bail!("the gateway closed a connection or stopped acknowledging");
            }
            thread::sleep(NAP);
        }
        Ok(())
    }

    fn in_flight(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed) - self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits for the last acknowledgement and disconnects.
    pub(super) fn finish(mut self) -> anyhow::Result<Acknowledged> {
        self.write()?;
        let waited = self.wait_until_in_flight(0);
        self.shared.is_finished.store(true, Ordering::Release);
        self.stream.write_all(&frame::DISCONNECT).ok();
        // Wakes the reader, whatever the gateway does.
        self.stream.shutdown(Shutdown::Both).ok();
        let acknowledged = self
            .reader
            .join()
            .map_err(|_| anyhow::anyhow!("a reader panicked"))?;
        waited.and(acknowledged)
    }
}

/// Reads PUBACKs until the connection is shut down.
fn read_acks(
    mut stream: TcpStream,
    shared: &Shared,
    base: Instant,
) -> anyhow::Result<Acknowledged> {
    let mut puback = histogram();
    let mut last = base;
    let mut buffer = vec![0; 64 * 1024];
    let mut kept = 0;
    loop {
        let read = match stream.read(&mut buffer[kept..]) {
            Ok(0) | Err(_) if shared.is_finished.load(Ordering::Acquire) => {
                return Ok(Acknowledged { puback, last });
            }
            Ok(0) => bail!("the gateway closed a connection"),
            Ok(read) => read,
            // A pause of the load is no failure; a gateway that owes acknowledgements is.
            Err(error) if is_timeout(&error) && shared.owes_nothing() => continue,
            Err(error) => return Err(error).context("reading PUBACKs"),
        };
        last = Instant::now();
        let now_us = micros(last - base);
        let whole = (kept + read) / 4 * 4;
        for ack in buffer[..whole].chunks_exact(4) {
            if ack[0] != 0x40 || ack[1] != 2 {
                bail!("expected PUBACK, found {ack:02x?}");
            }
            let packet_id = usize::from(u16::from_be_bytes([ack[2], ack[3]]));
            let due_us = shared.due_us[packet_id].load(Ordering::Relaxed);
            if due_us != UNMEASURED {
                puback.saturating_record(now_us.saturating_sub(due_us));
            }
        }
        let count = u64::try_from(whole / 4).expect("a usize fits");
        shared.acknowledged.fetch_add(count, Ordering::Relaxed);
        buffer.copy_within(whole..kept + read, 0);
        kept = kept + read - whole;
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
    )
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX - 1)
}
