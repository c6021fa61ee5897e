//! The messages of the websocket, subprotocol `footfall.v1`: JSON text, told apart by `t`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::overview::body::OverviewState;
use crate::problem::ProblemBody;
use crate::series::body::{Cell, Column, PointState, Series};
use crate::series::metric::ByMetric;
use crate::stamp::Stamp;
use crate::stream::cursor::Since;

/// What a client says.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Subscribe. Answered by a snapshot, by deltas that continue `since`, by resync or by error.
    Sub {
        /// A number that the client has not used on this socket for a subscription that is still open.
        id: u64,
        /// What to follow.
        topic: Topic,
        /// The same names and texts as the query of the REST resource.
        #[serde(default)]
        params: BTreeMap<String, String>,
        /// Frames a second at most, 0 to 20; 0 pauses.
        #[serde(default = "rate_default")]
        rate_hz: f64,
        /// The `stream` cursor of a REST answer or the last position reached, to go on from there.
        #[serde(default)]
        since: Option<Since>,
    },
    /// Unsubscribe. Answered by done.
    Unsub {
        /// Which subscription.
        id: u64,
    },
    /// Change the rate of a subscription; 0 pauses, more resumes.
    Rate {
        /// Which subscription.
        id: u64,
        /// Frames a second at most, 0 to 20.
        hz: f64,
    },
    /// Answered by pong.
    Ping {
        /// Given back.
        id: u64,
    },
}

const fn rate_default() -> f64 {
    1.0
}

/// What can be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// The state that `/overview` answers, changed by merge patches (RFC 7396).
    Overview,
    /// The columns that `/series` answers, changed by appending and replacing points.
    Series,
}

/// What the server says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The first message on every socket.
    Welcome {
        /// The socket's id, for support.
        session: String,
        /// The server's clock.
        server_time: Stamp,
        /// Seconds between heartbeats. A client takes the socket for dead after 2.5 of them.
        hb_s: u64,
        /// Open subscriptions at most.
        max_subs: usize,
        /// Version of the protocol.
        v: u32,
    },
    /// The whole state of a subscription.
    Snapshot {
        /// Which subscription.
        id: u64,
        /// The data that positions belong to.
        epoch: String,
        /// The position that is reached.
        to: u64,
        /// The state.
        d: Box<SnapshotBody>,
    },
    /// A change. Applies only to the position `from`; anything else means resync.
    Delta {
        /// Which subscription.
        id: u64,
        /// The position that it applies to.
        from: u64,
        /// The position that is reached.
        to: u64,
        /// The change.
        d: DeltaBody,
    },
    /// The subscription cannot go on and is closed: ask REST again and subscribe anew.
    Resync {
        /// Which subscription.
        id: u64,
        /// Why.
        reason: ResyncReason,
    },
    /// A sign of life, every `hb_s` seconds.
    Hb {
        /// The server's clock.
        server_time: Stamp,
        /// See the overview.
        #[schema(required)]
        lag_ms: Option<i64>,
        /// No event before this changes an answer any more.
        #[schema(required)]
        watermark: Option<Stamp>,
    },
    /// The answer to ping.
    Pong {
        /// As it was given.
        id: u64,
    },
    /// The answer to unsub.
    Done {
        /// Which subscription.
        id: u64,
    },
    /// A message that could not be followed; the socket stays open.
    Error {
        /// Which subscription; null when it cannot be told.
        #[schema(required)]
        id: Option<u64>,
        /// What was wrong.
        problem: ProblemBody,
    },
}

/// The state of a subscription.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum SnapshotBody {
    /// Topic `series`.
    Series(Series),
    /// Topic `overview`.
    Overview(OverviewState),
}

/// A change of a subscription's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum DeltaBody {
    /// Topic `series`.
    Series(Box<SeriesDelta>),
    /// Topic `overview`: a merge patch (RFC 7396); null takes a member away.
    #[schema(value_type = Object)]
    Overview(Value),
}

/// Why a subscription cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResyncReason {
    /// The position is too long ago.
    Expired,
    /// The data is another one: it was reset, or the sensors that the question means have changed.
    Epoch,
    /// The change is too large for this socket.
    Overflow,
}

/// A change of one series.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SeriesDelta {
    /// Index of the series.
    pub k: usize,
    /// Index of the first point that is appended: the length before.
    pub i: usize,
    /// Their values, by metric.
    #[serde(flatten)]
    pub columns: ByMetric<Column>,
    /// Their coverage.
    #[serde(default)]
    #[schema(required)]
    pub coverage: Vec<f64>,
    /// Their states.
    #[serde(default)]
    #[schema(required)]
    pub state: Vec<PointState>,
    /// Points that changed: index and the members that are different now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replace: Vec<(usize, PointPatch)>,
    /// See the series.
    #[schema(required)]
    pub watermark: Option<Stamp>,
    /// The end of the range now.
    #[schema(required)]
    pub end: Option<Stamp>,
    /// See the series.
    #[serde(default)]
    #[schema(required)]
    pub stale: bool,
}

/// What is different at one point.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PointPatch {
    /// The values that are different, by metric; null where there is none any more.
    #[serde(flatten)]
    pub values: ByMetric<Cell>,
    /// Its coverage, when that is different.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
    /// Its state, when that is different.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<PointState>,
}
