//! The open-loop generator: one thread writes pre-encoded frames on schedule, one thread for each connection reads PUBACKs.
//!
//! The i-th event is due at `start + i / rate` whatever happened to the ones before it; that intended time stands in its payload
//! and is what its latency counts from. A gateway that stalls makes the generator late, never slower.

mod connection;
#[cfg(test)]
mod tests;

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use domain::time::Micros;
use hdrhistogram::Histogram;

use crate::canary::Canaries;
use crate::frame::{Fill, Frame, Stamp};
use crate::schedule::{Schedule, canary};
use crate::stream::histogram;
use crate::trace::{RunNames, Trace};
use connection::{Connection, UNMEASURED, micros};

/// What to send.
#[derive(Clone, Debug)]
pub(crate) struct LoadPlan {
    pub(crate) mqtt: String,
    pub(crate) site: String,
    pub(crate) trace: Trace,
    pub(crate) names: RunNames,
    /// None when only PUBACKs are measured.
    pub(crate) canaries: Option<Canaries>,
    pub(crate) connections: u16,
    pub(crate) warmup: Duration,
    pub(crate) duration: Duration,
}

/// What was sent.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) events: u64,
    pub(crate) canaries: u64,
    /// From intended PUBLISH to PUBACK, µs, of what was due in the measured window.
    pub(crate) puback: Histogram<u64>,
    /// How far the generator fell behind its schedule at worst.
    pub(crate) behind_max: Duration,
    /// From the end of the schedule to the last PUBACK.
    pub(crate) last_ack_after: Duration,
}

/// How long the generator sleeps when nothing is due.
const NAP: Duration = Duration::from_micros(500);
/// Messages that are encoded before the sockets are written.
const BATCH: u32 = 2_000;
/// A traveler number that no canary has.
const HELLO: u64 = 900_000;

/// A generator that is connected.
pub(crate) struct Load {
    plan: LoadPlan,
    base: Instant,
    connections: Vec<Connection>,
    events: Vec<Frame>,
    canaries: Vec<Frame>,
}

impl Load {
    /// Connects.
    pub(crate) fn connect(plan: LoadPlan) -> anyhow::Result<Self> {
        let base = Instant::now();
        let topic = |sensor: &str| format!("footfall/{}/{sensor}/positions", plan.site);
        let run = plan.names.run();
        let sensors = (0..plan.trace.sensors).map(|index| plan.names.sensor(index));
        let watched = plan.canaries.iter().flat_map(|canaries| &canaries.sensors);
        let open = |index| Connection::open(&plan.mqtt, &format!("bench-{run}-{index}"), base);
        Ok(Self {
            base,
            connections: (0..plan.connections)
                .map(open)
                .collect::<anyhow::Result<_>>()?,
            events: sensors
                .map(|sensor| Frame::new(&topic(&sensor), run, 'b'))
                .collect(),
            canaries: watched
                .map(|sensor| Frame::new(&topic(sensor), run, 'c'))
                .collect(),
            plan,
        })
    }

    /// Publishes one event of each watched sensor, so that the sensors are known before they are subscribed to.
    pub(crate) fn say_hello(&mut self, now: Micros) -> anyhow::Result<()> {
        let stamp = Stamp::new(now);
        for (sensor, number) in (0..self.canaries.len()).zip(HELLO..) {
            self.push((true, sensor), canary(number), UNMEASURED, &stamp);
        }
        self.write()
    }

    /// Sends from `start` on, which is `start_at` on the wall clock, on a thread of its own.
    pub(crate) fn run(self, start: Instant, start_at: Micros) -> JoinHandle<anyhow::Result<Sent>> {
        thread::spawn(move || self.send(start, start_at))
    }

    fn send(mut self, start: Instant, start_at: Micros) -> anyhow::Result<Sent> {
        let end = self.plan.warmup + self.plan.duration;
        let mut schedule = Schedule::new(self.plan.trace, self.plan.canaries.clone(), end);
        let mut stamp = Stamp::new(start_at);
        let mut behind_max = Duration::ZERO;
        while !schedule.is_done() {
            let now = Instant::now().saturating_duration_since(start);
            let mut encoded = 0;
            while encoded < BATCH
                && Instant::now() >= start
                && let Some(turn) = schedule.next_by(now)
            {
                let due_us = if turn.due >= self.plan.warmup {
                    micros(start + turn.due - self.base)
                } else {
                    UNMEASURED
                };
                stamp.set(Micros(start_at.0 + i64::try_from(turn.due.as_micros())?));
                self.push((turn.is_canary, turn.sensor), turn.fill, due_us, &stamp);
                behind_max = behind_max.max(now.saturating_sub(turn.due));
                encoded += 1;
            }
            self.write()?;
            if encoded < BATCH {
                thread::sleep(NAP);
            }
        }
        let mut sent = Sent {
            events: schedule.events,
            canaries: schedule.sent_canaries,
            puback: histogram(),
            behind_max,
            last_ack_after: Duration::ZERO,
        };
        for connection in self.connections {
            let acknowledged = connection.finish()?;
            sent.puback.add(acknowledged.puback)?;
            let after = acknowledged.last.saturating_duration_since(start + end);
            sent.last_ack_after = sent.last_ack_after.max(after);
        }
        Ok(sent)
    }

    /// Encodes a message of a canary's or the load's sensor. A sensor keeps to one connection, so that its events keep their order.
    fn push(&mut self, (is_canary, sensor): (bool, usize), fill: Fill, due_us: u64, stamp: &Stamp) {
        let index = sensor % self.connections.len();
        let connection = &mut self.connections[index];
        let frame = if is_canary {
            &mut self.canaries[sensor]
        } else {
            &mut self.events[sensor]
        };
        let packet_id = connection.next_packet_id(due_us);
        connection.push(frame.fill(&Fill { packet_id, ..fill }, stamp));
    }

    fn write(&mut self) -> anyhow::Result<()> {
        self.connections.iter_mut().try_for_each(Connection::write)
    }
}
