//! A device, its connections and Kafka, one step at a time, and what must hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Check, Mutant};
use crate::budget::Budget;
use crate::packet::{Connect, Outcome, Packet, Publish, Qos, Reply, Version};
use crate::session::{Acknowledgement, Action, Limits, Session, open};
use crate::signal::{Flag, Signal};
use crate::window::{Slot, Window};

/// Publishes that a device has under way.
const IN_FLIGHT_MAX: usize = 6;

const LIMITS: Limits = Limits {
    receive_maximum: 64,
    topic_alias_maximum: 0,
    topic_bytes_max: 16,
    packet_bytes_max: 1024,
};

/// One step of a schedule. Numbers are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// The device publishes something new that gives this many records.
    Publish { records: u8, is_exactly_once: bool },
    /// Kafka confirms a record.
    Deliver { which: u8 },
    /// Kafka refuses a record for good.
    Refuse { which: u8 },
    /// The connection sends what it owes.
    Acknowledge,
    /// The connection breaks, and the device comes back.
    Reconnect,
}

/// A record on its way into Kafka.
struct Record {
    slot: Arc<Slot>,
    message: usize,
    attempt: usize,
    connection: usize,
}

#[derive(Clone, Copy)]
struct Sent {
    message: usize,
    attempt: usize,
}

pub(super) struct World {
    mutant: Option<Mutant>,
    signal: Arc<Signal>,
    session: Session,
    window: Window,
    connection: usize,
    /// What was sent over this connection and is not acknowledged, in order, by packet id.
    owed: Vec<(u16, Sent)>,
    /// A publish that [`Mutant::OutOfTurn`] puts behind the next.
    overtaken: Option<(Option<Arc<Slot>>, Acknowledgement)>,
    /// What the device still keeps, by packet id.
    kept: BTreeMap<u16, (usize, Qos)>,
    /// Records of each message.
    messages: Vec<usize>,
    attempts: usize,
    /// Records in Kafka, by attempt.
    stored: BTreeMap<usize, usize>,
    pending: Vec<Record>,
    failed: Option<Check>,
    only: Option<Check>,
}

fn connect() -> (Arc<Signal>, Session) {
    let connect = Connect {
        version: Version::V4,
        client_id: "reader".to_owned(),
        clean_start: true,
        keep_alive: 60,
        will: None,
        has_authentication_method: false,
        wants_reasons: true,
    };
    let (session, _) = open(connect, &LIMITS, || unreachable!("it has a name")).unwrap();
    (Arc::new(Signal::new(Arc::new(Budget::new(1000)))), session)
}

impl World {
    pub(super) fn run(
        steps: &[Step],
        mutant: Option<Mutant>,
        only: Option<Check>,
    ) -> Result<(), Check> {
        let (signal, session) = connect();
        let mut world = Self {
            mutant,
            signal,
            session,
            window: Window::default(),
            connection: 0,
            owed: Vec::new(),
            overtaken: None,
            kept: BTreeMap::new(),
            messages: Vec::new(),
            attempts: 0,
            stored: BTreeMap::new(),
            pending: Vec::new(),
            failed: None,
            only,
        };
        for step in steps {
            world.step(*step);
            world.failed.map_or(Ok(()), Err)?;
        }
        // Everything works again.
        world.reconnect();
        while !world.pending.is_empty() {
            world.deliver(0);
        }
        world.acknowledge();
        let is_stored = (0..world.messages.len()).all(|message| {
            let attempts = world.messages[message];
            attempts == 0 || world.is_in_kafka(message)
        });
        world.check(Check::EndResult, is_stored && world.kept.is_empty());
        world.failed.map_or(Ok(()), Err)
    }

    fn check(&mut self, check: Check, holds: bool) {
        if !holds && self.only.is_none_or(|only| only == check) {
            self.failed.get_or_insert(check);
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Publish {
                records,
                is_exactly_once,
            } => {
                let free = (1..).find(|pkid| !self.kept.contains_key(pkid)).unwrap();
                if self.kept.len() < IN_FLIGHT_MAX {
                    self.messages.push(usize::from(records % 4));
                    let message = self.messages.len() - 1;
                    let qos = if is_exactly_once {
                        Qos::ExactlyOnce
                    } else {
                        Qos::AtLeastOnce
                    };
                    self.kept.insert(free, (message, qos));
                    self.send(free, message, qos);
                }
            }
            Step::Deliver { which } => self.deliver(which),
            Step::Refuse { which } => self.refuse(which),
            Step::Acknowledge => self.acknowledge(),
            Step::Reconnect => self.reconnect(),
        }
    }

    fn send(&mut self, pkid: u16, message: usize, qos: Qos) {
        let publish = Publish {
            topic: "a/b".to_owned(),
            alias: None,
            qos,
            pkid,
            payload: Bytes::new(),
            payload_bytes: 0,
            traceparent: None,
        };
        let Action::Publish(publish) = self.session.packet(Packet::Publish(publish)) else {
            panic!("a new connection knows nothing of this publish");
        };
        self.attempts += 1;
        let attempt = self.attempts;
        let records = self.messages[message];
        let slot = (records > 0).then(|| Arc::new(Slot::new(records, 0, Arc::clone(&self.signal))));
        for slot in slot.iter().cycle().take(records) {
            self.pending.push(Record {
                slot: Arc::clone(slot),
                message,
                attempt,
                connection: self.connection,
            });
        }
        let owed = Acknowledgement::of(&publish, Outcome::Accepted);
        let slot = slot.filter(|_| self.mutant != Some(Mutant::BeforeDelivery));
        if self.mutant == Some(Mutant::Forgotten) && attempt.is_multiple_of(3) {
            return;
        }
        self.owed.push((pkid, Sent { message, attempt }));
        if self.mutant == Some(Mutant::OutOfTurn) && self.overtaken.is_none() {
            self.overtaken = Some((slot, owed));
            return;
        }
        self.window.push(slot, owed, Instant::now());
        if let Some((slot, owed)) = self.overtaken.take() {
            self.window.push(slot, owed, Instant::now());
        }
    }

    fn take(&mut self, which: u8) -> Option<Record> {
        let n = self.pending.len();
        (n > 0).then(|| self.pending.remove(usize::from(which) % n))
    }

    fn deliver(&mut self, which: u8) {
        let Some(record) = self.take(which) else {
            return;
        };
        *self.stored.entry(record.attempt).or_default() += 1;
        record.slot.delivered();
        if self.mutant == Some(Mutant::FirstRecordIsEnough) {
            let rest = self.messages[record.message] - self.stored[&record.attempt];
            (0..rest)
                .filter(|_| !record.slot.is_done())
                .for_each(|_| record.slot.delivered());
        }
    }

    fn refuse(&mut self, which: u8) {
        let Some(record) = self.take(which) else {
            return;
        };
        if self.mutant == Some(Mutant::RefusedIsDelivered) {
            record.slot.delivered();
            return;
        }
        record.slot.refused();
        if record.connection == self.connection {
            assert!(self.signal.is_raised(Flag::KafkaRefused));
            self.reconnect();
        }
    }

    fn acknowledge(&mut self) {
        while let Some(done) = self.window.pop_done() {
            let reply = self.session.acknowledge(done.acknowledgement);
            let pkid = match reply.expect("every publish here is to be acknowledged") {
                Reply::PubAck { pkid, .. } => pkid,
                Reply::PubRec { pkid, .. } => {
                    let released = self.session.packet(Packet::PubRel { pkid });
                    assert!(matches!(
                        released,
                        Action::Reply(Reply::PubComp { is_known: true, .. })
                    ));
                    pkid
                }
                other => panic!("{other:?} acknowledges nothing"),
            };
            let (first, sent) = self.owed.remove(0);
            self.check(Check::InOrder, first == pkid);
            let is_stored = self.is_attempt_in_kafka(sent);
            self.check(Check::I4, is_stored);
            self.kept.remove(&pkid);
        }
    }

    fn reconnect(&mut self) {
        (self.signal, self.session) = connect();
        self.window = Window::default();
        self.connection += 1;
        self.owed.clear();
        self.overtaken = None;
        for (pkid, (message, qos)) in self.kept.clone() {
            self.send(pkid, message, qos);
        }
    }

    fn is_attempt_in_kafka(&self, sent: Sent) -> bool {
        let stored = self.stored.get(&sent.attempt).copied().unwrap_or(0);
        stored >= self.messages[sent.message]
    }

    /// Whether an attempt of the message is in Kafka as a whole; at the end nothing is pending any more.
    fn is_in_kafka(&self, message: usize) -> bool {
        !self.kept.values().any(|(kept, _)| *kept == message)
            && self
                .stored
                .values()
                .any(|stored| *stored >= self.messages[message])
    }
}
