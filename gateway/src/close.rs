//! Why a connection ends, and what the client is told.

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Close {
    /// The client said DISCONNECT, and whether it wants its will published.
    Client {
        /// MQTT 5 "disconnect with will message".
        with_will: bool,
    },
    /// The connection broke, or the client closed it without a word.
    Lost,
    /// Bytes that are no MQTT packet.
    Malformed,
    /// A packet that is not allowed here.
    Protocol,
    /// A packet beyond the size limit.
    PacketTooLarge,
    /// A topic name that no publish may have.
    TopicName,
    /// More unacknowledged publishes than announced.
    ReceiveMaximum,
    /// A topic alias beyond the maximum, or one that names nothing yet.
    TopicAlias,
    /// Nothing came for one and a half times the keep-alive.
    KeepAlive,
    /// A packet that was begun was not finished in time, or no CONNECT came.
    Slow,
    /// The client does not read what it is sent.
    NotReading,
    /// Another connection uses the same client id.
    TakenOver,
    /// Kafka refused a record of this connection for good; it may send it again.
    Kafka,
    /// There are as many connections as there may be.
    Limit,
    /// The gateway shuts down, after everything owed was acknowledged.
    Shutdown,
    /// The gateway leaves at once.
    Abort,
}

impl Close {
    /// The name that metrics and logs use.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Client { .. } => "client",
            Self::Lost => "lost",
            Self::Malformed => "malformed",
            Self::Protocol => "protocol",
            Self::PacketTooLarge => "packet_too_large",
            Self::TopicName => "topic_name",
            Self::ReceiveMaximum => "receive_maximum",
            Self::TopicAlias => "topic_alias",
            Self::KeepAlive => "keep_alive",
            Self::Slow => "slow",
            Self::NotReading => "not_reading",
            Self::TakenOver => "taken_over",
            Self::Kafka => "kafka",
            Self::Limit => "limit",
            Self::Shutdown => "shutdown",
            Self::Abort => "abort",
        }
    }

    /// The reason code of the DISCONNECT that an MQTT 5 client gets; `None` when it gets none.
    pub(crate) const fn reason_code(self) -> Option<u8> {
        match self {
            Self::Client { .. } | Self::Lost | Self::NotReading | Self::Limit => None,
            Self::Malformed => Some(0x81),
            Self::Protocol => Some(0x82),
            Self::Kafka => Some(0x89),
            Self::Shutdown | Self::Abort => Some(0x8b),
            Self::KeepAlive => Some(0x8d),
            Self::TakenOver => Some(0x8e),
            Self::TopicName => Some(0x90),
            Self::ReceiveMaximum => Some(0x93),
            Self::TopicAlias => Some(0x94),
            Self::PacketTooLarge => Some(0x95),
            Self::Slow => Some(0x80),
        }
    }

    /// Whether the client deserves the time to read what it was sent last.
    pub(crate) const fn lingers(self) -> bool {
        match self {
            // Nobody is there any more, or somebody waits for the place.
            Self::Client { .. } | Self::Lost | Self::NotReading | Self::TakenOver => false,
            Self::Limit | Self::KeepAlive | Self::Abort => false,
            _ => true,
        }
    }

    /// Whether the will is published. A device that moves to another replica because this one leaves is not offline.
    pub(crate) const fn publishes_will(self) -> bool {
        match self {
            Self::Client { with_will } => with_will,
            Self::Shutdown | Self::Abort => false,
            _ => true,
        }
    }
}
