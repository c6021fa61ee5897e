//! The protocol state of one connection: packets in, actions out.
//!
//! Pure: no IO, no clock, no Kafka. The connection reads and writes; this decides. So it can be tested packet by packet,
//! and fuzzed.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use decoders::check_name;

use crate::close::Close;
use crate::packet::{
    Accepted, Connect, Outcome, Packet, Publish, Qos, Refusal, Reply, Version, Will,
};

/// What a connection may do.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Publishes of `QoS` 1 and 2 that may wait for their acknowledgement.
    pub(crate) receive_maximum: u16,
    /// The highest topic alias.
    pub(crate) topic_alias_maximum: u16,
    /// Length of a topic name.
    pub(crate) topic_bytes_max: usize,
    /// Length of a packet.
    pub(crate) packet_bytes_max: u32,
}

/// What the connection must do about a packet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Take it in, and acknowledge it when Kafka has it.
    Publish(Publish),
    /// A publish of `QoS` 2 that was taken in before: acknowledge it again, in its turn.
    Repeat(Acknowledgement),
    /// Answer at once.
    Reply(Reply),
    /// Answer at once, and say once in the log why it is a refusal.
    RefuseSubscription(Reply),
    /// End the connection.
    Close(Close),
}

/// What is owed for a publish once its records are in Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acknowledgement {
    /// Nothing: `QoS` 0.
    None,
    PubAck {
        pkid: u16,
        outcome: Outcome,
    },
    PubRec {
        pkid: u16,
        outcome: Outcome,
    },
    /// A second PUBREC for a publish that was sent again.
    PubRecAgain {
        pkid: u16,
    },
}

impl Acknowledgement {
    /// What is owed for `publish`, which came to `outcome`.
    pub(crate) fn of(publish: &Publish, outcome: Outcome) -> Self {
        let pkid = publish.pkid;
        match publish.qos {
            Qos::AtMostOnce => Self::None,
            Qos::AtLeastOnce => Self::PubAck { pkid, outcome },
            Qos::ExactlyOnce => Self::PubRec { pkid, outcome },
        }
    }
}

/// The state of a connection whose CONNECT was accepted.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) version: Version,
    pub(crate) client_id: String,
    /// How long nothing may come.
    pub(crate) silence_max: Option<Duration>,
    will: Option<Will>,
    limits: Limits,
    wants_reasons: bool,
    was_subscription_explained: bool,
    aliases: HashMap<u16, String>,
    /// Publishes that count against the receive maximum.
    outstanding: usize,
    /// Packet ids of `QoS` 2 that wait for their PUBREL.
    releasing: HashSet<u16>,
}

/// The session of `connect` and the reply that opens it. `spare_client_id` names a client that names itself nothing.
pub(crate) fn open(
    connect: Connect,
    limits: &Limits,
    spare_client_id: impl FnOnce() -> String,
) -> Result<(Session, Reply), Refusal> {
    if connect.has_authentication_method {
        return Err(Refusal::AuthenticationMethod);
    }
    if let Some(will) = &connect.will
        && !is_topic_name(&will.topic, limits.topic_bytes_max)
    {
        return Err(Refusal::WillTopic);
    }
    let assigned = match (connect.client_id.is_empty(), connect.version) {
        // 3.1.1 wants a name for whatever is kept; nothing is kept here, but the rule stands.
        (true, Version::V4) if !connect.clean_start => return Err(Refusal::ClientId),
        (true, _) => Some(spare_client_id()),
        (false, _) if check_name("client id", &connect.client_id).is_err() => {
            return Err(Refusal::ClientId);
        }
        (false, _) => None,
    };
    let keep_alive = Duration::from_secs(connect.keep_alive.into());
    let session = Session {
        version: connect.version,
        client_id: assigned.clone().unwrap_or(connect.client_id),
        silence_max: (!keep_alive.is_zero()).then(|| keep_alive * 3 / 2),
        will: connect.will,
        limits: limits.clone(),
        wants_reasons: connect.wants_reasons,
        was_subscription_explained: false,
        aliases: HashMap::new(),
        outstanding: 0,
        releasing: HashSet::new(),
    };
    let reply = Reply::Accepted(Accepted {
        receive_maximum: limits.receive_maximum,
        packet_bytes_max: limits.packet_bytes_max,
        topic_alias_maximum: limits.topic_alias_maximum,
        assigned_client_id: assigned,
    });
    Ok((session, reply))
}

impl Session {
    /// What to do about `packet`.
    pub(crate) fn packet(&mut self, packet: Packet) -> Action {
        match packet {
            Packet::Publish(publish) => self.publish(publish),
            Packet::PubRel { pkid } => {
                let is_known = self.releasing.remove(&pkid);
                self.outstanding -= usize::from(is_known);
                Action::Reply(Reply::PubComp { pkid, is_known })
            }
            Packet::Subscribe { pkid, filters } => {
                let reply = Reply::SubAck {
                    pkid,
                    filters,
                    with_reason: self.wants_reasons,
                };
                if std::mem::replace(&mut self.was_subscription_explained, true) {
                    Action::Reply(reply)
                } else {
                    Action::RefuseSubscription(reply)
                }
            }
            Packet::Unsubscribe { pkid, filters } => {
                Action::Reply(Reply::UnsubAck { pkid, filters })
            }
            Packet::PingReq => Action::Reply(Reply::PingResp),
            Packet::Disconnect { with_will } => Action::Close(Close::Client { with_will }),
            Packet::Unexpected => Action::Close(Close::Protocol),
        }
    }

    fn publish(&mut self, mut publish: Publish) -> Action {
        if let Err(close) = self.resolve_alias(&mut publish) {
            return Action::Close(close);
        }
        if !is_topic_name(&publish.topic, self.limits.topic_bytes_max) {
            return Action::Close(Close::TopicName);
        }
        if publish.qos == Qos::AtMostOnce {
            return Action::Publish(publish);
        }
        let pkid = publish.pkid;
        if publish.qos == Qos::ExactlyOnce && self.releasing.contains(&pkid) {
            return Action::Repeat(Acknowledgement::PubRecAgain { pkid });
        }
        // 3.1.1 has no receive maximum; there the connection stops reading instead.
        if self.version == Version::V5 && self.outstanding >= self.limits.receive_maximum.into() {
            return Action::Close(Close::ReceiveMaximum);
        }
        self.outstanding += 1;
        Action::Publish(publish)
    }

    fn resolve_alias(&mut self, publish: &mut Publish) -> Result<(), Close> {
        let Some(alias) = publish.alias else {
            return Ok(());
        };
        if alias == 0 || alias > self.limits.topic_alias_maximum {
            return Err(Close::TopicAlias);
        }
        if publish.topic.is_empty() {
            let known = self.aliases.get(&alias).ok_or(Close::TopicAlias)?;
            publish.topic.clone_from(known);
        } else if publish.topic.len() <= self.limits.topic_bytes_max {
            self.aliases.insert(alias, publish.topic.clone());
        }
        Ok(())
    }

    /// The reply for a publish whose records are in Kafka, and what follows from sending it.
    pub(crate) fn acknowledge(&mut self, acknowledgement: Acknowledgement) -> Option<Reply> {
        match acknowledgement {
            Acknowledgement::None => None,
            Acknowledgement::PubAck { pkid, outcome } => {
                self.outstanding -= 1;
                Some(Reply::PubAck { pkid, outcome })
            }
            Acknowledgement::PubRec { pkid, outcome } => {
                // An MQTT 5 PUBREC that says no ends the exchange: no PUBREL follows.
                if self.version == Version::V5 && outcome != Outcome::Accepted {
                    self.outstanding -= 1;
                } else if !self.releasing.insert(pkid) {
                    // The same packet id was used twice before either was acknowledged: one PUBREL answers for both.
                    self.outstanding -= 1;
                }
                Some(Reply::PubRec { pkid, outcome })
            }
            Acknowledgement::PubRecAgain { pkid } => Some(Reply::PubRec {
                pkid,
                outcome: Outcome::Accepted,
            }),
        }
    }

    /// The will, when closing for `close` publishes it.
    pub(crate) fn take_will(&mut self, close: Close) -> Option<Will> {
        self.will.take().filter(|_| close.publishes_will())
    }
}

/// Whether `topic` can be the name of a publish: no wildcards, no NUL, not empty, not endless.
fn is_topic_name(topic: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&topic.len()) && !topic.contains(['+', '#', '\0'])
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
