//! MQTT packets as far as a listener that delivers nothing needs them, the same for 3.1.1 and 5.

use bytes::Bytes;

/// The protocol that a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// MQTT 3.1.1
    V4,
    /// MQTT 5
    V5,
}

/// Quality of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::enum_variant_names,
    reason = "these are the protocol's own names"
)]
pub(crate) enum Qos {
    AtMostOnce = 0,
    AtLeastOnce = 1,
    ExactlyOnce = 2,
}

/// What a client sends after its CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    Publish(Publish),
    PubRel {
        pkid: u16,
    },
    Subscribe {
        pkid: u16,
        filters: usize,
    },
    Unsubscribe {
        pkid: u16,
        filters: usize,
    },
    PingReq,
    Disconnect {
        with_will: bool,
    },
    /// A packet that only a server sends, an answer to something that was never sent, or a second CONNECT.
    Unexpected,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connect {
    pub(crate) version: Version,
    pub(crate) client_id: String,
    pub(crate) clean_start: bool,
    /// Seconds; 0 is none.
    pub(crate) keep_alive: u16,
    pub(crate) will: Option<Will>,
    /// MQTT 5 enhanced authentication, of which there is none here.
    pub(crate) has_authentication_method: bool,
    /// Whether the client has room for, and interest in, sentences that explain a refusal.
    pub(crate) wants_reasons: bool,
}

/// What is published in the name of a client whose connection breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Will {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
    pub(crate) traceparent: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Publish {
    /// Empty when only the alias is given.
    pub(crate) topic: String,
    pub(crate) alias: Option<u16>,
    pub(crate) qos: Qos,
    /// 0 for `QoS` 0.
    pub(crate) pkid: u16,
    pub(crate) payload: Bytes,
    /// The true length of the payload, of which `payload` is the beginning when it was too long to be read.
    pub(crate) payload_bytes: usize,
    /// The W3C trace context, from the MQTT 5 user property of that name.
    pub(crate) traceparent: Option<String>,
}

/// What the gateway answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Accepted(Accepted),
    Refused(Refusal),
    PubAck {
        pkid: u16,
        outcome: Outcome,
    },
    PubRec {
        pkid: u16,
        outcome: Outcome,
    },
    PubComp {
        pkid: u16,
        is_known: bool,
    },
    SubAck {
        pkid: u16,
        filters: usize,
        with_reason: bool,
    },
    UnsubAck {
        pkid: u16,
        filters: usize,
    },
    PingResp,
    /// MQTT 5 only; an MQTT 3.1.1 server closes without a word.
    Disconnect {
        reason_code: u8,
    },
}

/// A CONNACK that says yes, with what MQTT 5 clients are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) receive_maximum: u16,
    pub(crate) packet_bytes_max: u32,
    pub(crate) topic_alias_maximum: u16,
    /// The name given to a client that has none.
    pub(crate) assigned_client_id: Option<String>,
}

/// A CONNACK that says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Neither 3.1.1 nor 5.
    ProtocolVersion,
    /// Too long, unprintable, or empty where it may not be.
    ClientId,
    /// Enhanced authentication.
    AuthenticationMethod,
    /// A will with a topic that no publish may have.
    WillTopic,
}

impl Refusal {
    /// The name that metrics and logs use.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ProtocolVersion => "protocol_version",
            Self::ClientId => "client_id",
            Self::AuthenticationMethod => "authentication_method",
            Self::WillTopic => "will_topic",
        }
    }
}

/// What became of a publish whose records are all in Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// At least one event, or nothing to say.
    Accepted,
    /// Everything in it is in dead letters. MQTT 5 clients are told.
    PayloadRefused,
    /// No route takes its topic; it is in dead letters. MQTT 5 clients are told.
    TopicRefused,
}
