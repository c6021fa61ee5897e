//! The form of a snapshot. Field numbers are append-only as long as the fold's version stays.

use prost::Message;

use crate::live::PaneValue;

#[derive(Clone, PartialEq, Message)]
pub(super) struct StateProto {
    #[prost(sint64, tag = "1")]
    pub(super) tick: i64,
    #[prost(message, repeated, tag = "2")]
    pub(super) sensors: Vec<SensorProto>,
    #[prost(sint64, tag = "3")]
    pub(super) amended_at: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SensorProto {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    /// last event, last received, clock, watermark, spoke at tick, settled until
    #[prost(sint64, repeated, tag = "2")]
    pub(super) instants: Vec<i64>,
    #[prost(string, tag = "3")]
    pub(super) declared: String,
    #[prost(string, repeated, tag = "4")]
    pub(super) types: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    pub(super) panes: Vec<PaneProto>,
    #[prost(message, repeated, tag = "6")]
    pub(super) tracks: Vec<TrackProto>,
    #[prost(message, repeated, tag = "7")]
    pub(super) signs: Vec<SignProto>,
    #[prost(message, repeated, tag = "8")]
    pub(super) hours: Vec<HourProto>,
    #[prost(uint32, repeated, tag = "9")]
    pub(super) last_known: Vec<u32>,
    /// What left memory and is in no block yet: samples only.
    #[prost(message, repeated, tag = "10")]
    pub(super) leaving: Vec<TrackProto>,
    #[prost(message, repeated, tag = "11")]
    pub(super) leaving_signs: Vec<LateSignProto>,
    #[prost(message, repeated, tag = "12")]
    pub(super) late: Vec<LateProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct LateSignProto {
    #[prost(sint64, tag = "1")]
    pub(super) at: i64,
    #[prost(bool, tag = "2")]
    pub(super) online: bool,
}

/// A late event: a position when there is one, otherwise a sign of life.
#[derive(Clone, PartialEq, Message)]
pub(super) struct LateProto {
    #[prost(sint64, tag = "1")]
    pub(super) event_time: i64,
    #[prost(sint64, tag = "2")]
    pub(super) received_at: i64,
    #[prost(bool, tag = "3")]
    pub(super) online: bool,
    #[prost(message, optional, tag = "4")]
    pub(super) position: Option<LatePositionProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct LatePositionProto {
    #[prost(string, tag = "1")]
    pub(super) traveler: String,
    #[prost(string, tag = "2")]
    pub(super) traveler_type: String,
    #[prost(double, tag = "3")]
    pub(super) x: f64,
    #[prost(double, tag = "4")]
    pub(super) y: f64,
    #[prost(bytes = "vec", tag = "5")]
    pub(super) key: Vec<u8>,
    #[prost(uint32, tag = "6")]
    pub(super) time_source: u32,
    #[prost(bool, tag = "7")]
    pub(super) has_event_id: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PaneProto {
    #[prost(sint64, tag = "1")]
    pub(super) start: i64,
    #[prost(uint32, tag = "2")]
    pub(super) kind: u32,
    #[prost(message, optional, tag = "3")]
    pub(super) value: Option<PaneValue>,
    #[prost(uint32, tag = "4")]
    pub(super) revision: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TrackProto {
    #[prost(string, tag = "1")]
    pub(super) traveler: String,
    #[prost(uint32, tag = "2")]
    pub(super) kind: u32,
    /// Samples of 40 bytes: time, key, x, y.
    #[prost(bytes = "vec", tag = "3")]
    pub(super) samples: Vec<u8>,
    #[prost(message, optional, tag = "4")]
    pub(super) sealed: Option<VisitProto>,
    #[prost(message, repeated, tag = "5")]
    pub(super) visits: Vec<VisitProto>,
    #[prost(sint64, tag = "6")]
    pub(super) expires_at: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct VisitProto {
    #[prost(sint64, tag = "1")]
    pub(super) first: i64,
    #[prost(sint64, tag = "2")]
    pub(super) last: i64,
    #[prost(uint32, tag = "3")]
    pub(super) samples: u32,
    #[prost(int64, tag = "4")]
    pub(super) distance: i64,
    #[prost(uint32, tag = "5")]
    pub(super) speed_n: u32,
    #[prost(int64, tag = "6")]
    pub(super) speed_sum: i64,
    #[prost(int64, tag = "7")]
    pub(super) speed_min: i64,
    #[prost(int64, tag = "8")]
    pub(super) speed_max: i64,
    #[prost(bool, tag = "9")]
    pub(super) closed: bool,
    #[prost(uint32, tag = "10")]
    pub(super) closings: u32,
    #[prost(bool, tag = "11")]
    pub(super) revised: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SignProto {
    #[prost(sint64, tag = "1")]
    pub(super) pane: i64,
    #[prost(sint64, tag = "2")]
    pub(super) first: i64,
    #[prost(sint64, tag = "3")]
    pub(super) last: i64,
    #[prost(sint64, optional, tag = "4")]
    pub(super) offline_at: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct HourProto {
    #[prost(sint64, tag = "1")]
    pub(super) hour: i64,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) bits: Vec<u8>,
    #[prost(bool, tag = "3")]
    pub(super) changed: bool,
}

/// Time, key, x, y.
pub(super) const SAMPLE_BYTES: usize = 40;
