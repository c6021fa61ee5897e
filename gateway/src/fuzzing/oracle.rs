//! What a device may expect from its listener, judged from outside: by what it sent, what Kafka confirmed, and the replies.
//!
//! Every publish of `QoS` 1 and 2 is acknowledged once, in the order of sending, and never before Kafka has every record of
//! it and of all that were sent before it.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::codec;
use crate::packet::{Qos, Version};

/// The records of publishes by serial: how many Kafka has still to confirm.
pub(crate) type Unconfirmed = HashMap<u16, usize>;

/// A publish that was sent and not acknowledged.
#[derive(Clone, Copy, Debug)]
struct Sent {
    serial: u16,
    qos: Qos,
    pkid: u16,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Oracle {
    version: Version,
    sent: VecDeque<Sent>,
    /// Packet ids of `QoS` 2 that were ever received for good: sent again, they may be known.
    received: HashSet<u16>,
    /// Publishes that count against the receive maximum, at most.
    outstanding: usize,
}

impl Oracle {
    pub(crate) fn new(version: Version) -> Self {
        Self {
            version,
            sent: VecDeque::new(),
            received: HashSet::new(),
            outstanding: 0,
        }
    }

    pub(crate) fn sent(&mut self, serial: u16, qos: Qos, pkid: u16) {
        self.outstanding += usize::from(qos != Qos::AtMostOnce);
        self.sent.push_back(Sent { serial, qos, pkid });
    }

    /// Judges the replies that were just written.
    pub(crate) fn judge(&mut self, mut replies: &[u8], unconfirmed: &Unconfirmed) {
        while let Some(frame) = codec::frame(replies).expect("replies are packets") {
            let (packet, rest) = replies.split_at(frame.bytes);
            replies = rest;
            let pkid = || u16::from_be_bytes([packet[2], packet[3]]);
            let is_yes = packet.get(4).is_none_or(|&reason| reason < 0x80);
            match packet[0] {
                0x40 => {
                    self.acknowledged(Qos::AtLeastOnce, pkid(), unconfirmed);
                    self.let_go();
                }
                0x50 => {
                    self.acknowledged(Qos::ExactlyOnce, pkid(), unconfirmed);
                    if is_yes {
                        self.received.insert(pkid());
                    } else {
                        self.let_go();
                    }
                }
                0x70 if is_yes => self.let_go(),
                0x70 => {}
                0x90 | 0xd0 | 0xe0 => {}
                other => panic!("a device is never sent {other:#x}"),
            }
        }
        assert!(replies.is_empty(), "no reply is cut off");
    }

    fn acknowledged(&mut self, qos: Qos, pkid: u16, unconfirmed: &Unconfirmed) {
        loop {
            let sent = self
                .sent
                .pop_front()
                .expect("only what was sent is acknowledged");
            let is_it = sent.qos != Qos::AtMostOnce;
            if is_it {
                assert_eq!(
                    (sent.qos, sent.pkid),
                    (qos, pkid),
                    "in the order of sending"
                );
            }
            let is_repeated = sent.qos == Qos::ExactlyOnce && self.received.contains(&sent.pkid);
            let open = unconfirmed.get(&sent.serial).copied().unwrap_or_default();
            assert!(open == 0 || is_repeated, "{sent:?} before Kafka has it");
            if is_it {
                return;
            }
        }
    }

    /// One fewer. An MQTT 3.1.1 device is not told which releases were known; it has no maximum either.
    fn let_go(&mut self) {
        self.outstanding = self.outstanding.saturating_sub(1);
    }

    /// Whether the device sent more than an MQTT 5 listener allows at a time.
    pub(crate) fn has_overrun(&self, receive_maximum: u16) -> bool {
        self.version == Version::V5 && self.outstanding > usize::from(receive_maximum)
    }

    /// Nothing is owed any more.
    pub(crate) fn check_settled(&self) {
        let owed = self.sent.iter().find(|sent| sent.qos != Qos::AtMostOnce);
        assert!(owed.is_none(), "{owed:?} was never acknowledged");
    }
}
