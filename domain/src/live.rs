//! The live view: what a partition's owner keeps in Redis and announces, and how readers understand it.
//!
//! Under `fp:{topic.partition}:<generation>:<map>` stand hashes of absolute values; `fp:{topic.partition}:h` names the
//! generation that counts. Every flush is announced on `fp:{topic.partition}:live` as a [`Frame`] with the same writes,
//! so a reader that holds a copy stays equal to Redis without reading it again.

use prost::Message;

use crate::id::{DeviceId, TravelerType};
use crate::pane::{Pane, PaneKey, SpeedStats};
use crate::quantity::Speed;
use crate::sketch::Sketch;
use crate::time::Micros;

/// The hashes of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LiveMap {
    /// Field [`pane_field`], value [`PaneValue`]: the panes that may still change.
    Panes,
    /// Field sensor, value [`SensorValue`].
    Sensors,
    /// Field sensor, value [`VisitsValue`]: open visits. Written once a second and not announced.
    Visits,
    /// Field [`pane_field`], without a value that matters: a final pane of which Postgres has a new row, because an event came
    /// late; without a traveler type, an hour of coverage of which the same is true. Announced and never written.
    Revised,
}

impl LiveMap {
    /// Every map that is written.
    pub const ALL: [Self; 3] = [Self::Panes, Self::Sensors, Self::Visits];

    /// The last part of the key.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Panes => "panes",
            Self::Sensors => "sensors",
            Self::Visits => "visits",
            Self::Revised => "revised",
        }
    }

    /// The map of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let mut announced = Self::ALL.into_iter().chain([Self::Revised]);
        announced.find(|map| map.as_str() == name)
    }
}

/// One absolute value of the live view; no value means that the field is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveWrite {
    /// Which hash.
    pub map: LiveMap,
    /// Which field.
    pub field: Vec<u8>,
    /// Its new value.
    pub value: Option<Vec<u8>>,
}

/// The Redis keys of a partition. All share the hash tag `{topic.partition}`, so that Redis Cluster keeps them together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LiveKeys {
    tag: String,
}

impl LiveKeys {
    /// Keys of `partition` of `topic` (with the deployment's prefix).
    #[must_use]
    pub fn new(topic: &str, partition: i32) -> Self {
        Self {
            tag: format!("fp:{{{topic}.{partition}}}"),
        }
    }

    /// The header: a hash with `gen`, `epoch`, `off` (next offset), `seq` (flushes since the generation began), `fold`,
    /// `recv` (receipt of the newest record, µs since 1970; absent until one came).
    #[must_use]
    pub fn header(&self) -> String {
        format!("{}:h", self.tag)
    }

    /// A map of one generation.
    #[must_use]
    pub fn map(&self, generation: &str, map: LiveMap) -> String {
        format!("{}:{generation}:{}", self.tag, map.as_str())
    }

    /// The channel on which frames are announced.
    #[must_use]
    pub fn channel(&self) -> String {
        format!("{}:live", self.tag)
    }
}

/// A flush, as announced. Apply it when `generation` is yours and `seq` is yours + 1; otherwise read Redis again.
#[derive(Clone, PartialEq, Message)]
pub struct Frame {
    /// The generation that these writes belong to: `<epoch>-<counter>`.
    #[prost(string, tag = "1")]
    pub generation: String,
    /// Number of the flush within the generation, from 1.
    #[prost(uint64, tag = "2")]
    pub seq: u64,
    /// The offset after the last record that is contained.
    #[prost(int64, tag = "3")]
    pub next_offset: i64,
    /// Receipt of the newest record that is contained, ticks included, µs since 1970; 0 when there was none.
    #[prost(int64, tag = "4")]
    pub newest_received_us: i64,
    /// The writes, except those to [`LiveMap::Visits`].
    #[prost(message, repeated, tag = "5")]
    pub writes: Vec<FrameWrite>,
    /// The fold's watermark, µs since 1970; absent while no sensor has spoken.
    #[prost(sint64, optional, tag = "6")]
    pub watermark_us: Option<i64>,
}

/// One write of a [`Frame`].
#[derive(Clone, PartialEq, Message)]
pub struct FrameWrite {
    /// Name of the map.
    #[prost(string, tag = "1")]
    pub map: String,
    /// The field.
    #[prost(bytes = "vec", tag = "2")]
    pub field: Vec<u8>,
    /// The value; absent when the field is gone.
    #[prost(bytes = "vec", optional, tag = "3")]
    pub value: Option<Vec<u8>>,
}

/// A pane that may still change.
#[derive(Clone, PartialEq, Message)]
pub struct PaneValue {
    /// See [`Pane::entered`].
    #[prost(uint32, tag = "1")]
    pub entered: u32,
    /// See [`Pane::present`].
    #[prost(uint32, tag = "2")]
    pub present: u32,
    /// See [`SpeedStats::n`].
    #[prost(uint32, tag = "3")]
    pub speed_n: u32,
    /// nm/s.
    #[prost(int64, tag = "4")]
    pub speed_sum: i64,
    /// nm/s.
    #[prost(int64, tag = "5")]
    pub speed_min: i64,
    /// nm/s.
    #[prost(int64, tag = "6")]
    pub speed_max: i64,
    /// [`Sketch::to_bytes`].
    #[prost(bytes = "vec", tag = "7")]
    pub sketch: Vec<u8>,
    /// Offset of the record that changed it last: the higher of two copies is the newer one.
    #[prost(int64, tag = "8")]
    pub changed_offset: i64,
    /// Whether it has settled (30 s past its end), so that Postgres has a row or gets one with the next checkpoint.
    #[prost(bool, tag = "9")]
    pub settled: bool,
    /// Whether it changed after it was final.
    #[prost(bool, tag = "10")]
    pub revised: bool,
}

/// What is known about a sensor now.
#[derive(Clone, PartialEq, Message)]
pub struct SensorValue {
    /// Its latest event time, µs since 1970.
    #[prost(int64, tag = "1")]
    pub last_event_us: i64,
    /// Receipt of its newest record, µs since 1970.
    #[prost(int64, tag = "2")]
    pub last_received_us: i64,
    /// How far its time has come: its latest event, or the ticks while it is silent. µs since 1970.
    #[prost(int64, tag = "3")]
    pub clock_us: i64,
    /// No event before this changes an answer any more, µs since 1970.
    #[prost(int64, tag = "4")]
    pub watermark_us: i64,
    /// Open visits by traveler type. While the sensor is silent the ticks close them one by one.
    #[prost(message, repeated, tag = "5")]
    pub open: Vec<OpenCount>,
    /// The panes of recent hours in which the sensor is known to have been up.
    #[prost(message, repeated, tag = "6")]
    pub up: Vec<UpHour>,
    /// The state it last declared: `online`, `offline`, `heartbeat`; empty when it never did.
    #[prost(string, tag = "7")]
    pub declared: String,
    /// Open visits by traveler type when the sensor spoke last: the people that it measured.
    #[prost(message, repeated, tag = "8")]
    pub last_known: Vec<OpenCount>,
    /// The longest silence after its last sign that is usual for it, µs; zero when none is that a sensor which speaks all the
    /// time would not be forgiven ([`crate::coverage::rhythm`]).
    #[prost(int64, tag = "9")]
    pub usual_silence_us: i64,
}

/// Open visits of one traveler type.
#[derive(Clone, PartialEq, Message)]
pub struct OpenCount {
    /// The type.
    #[prost(string, tag = "1")]
    pub traveler_type: String,
    /// How many.
    #[prost(uint32, tag = "2")]
    pub n: u32,
}

/// One hour of knowing whether a sensor was up, as [`crate::coverage::stored`] has it.
#[derive(Clone, PartialEq, Message)]
pub struct UpHour {
    /// Start of the hour, µs since 1970.
    #[prost(int64, tag = "1")]
    pub hour_us: i64,
    /// 360 bits in 45 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub bits: Vec<u8>,
}

/// Visits of one sensor that are open, or closed so recently that Postgres may not have them yet.
#[derive(Clone, PartialEq, Message)]
pub struct VisitsValue {
    /// The visits.
    #[prost(message, repeated, tag = "1")]
    pub visits: Vec<VisitValue>,
}

/// One visit.
#[derive(Clone, PartialEq, Message)]
pub struct VisitValue {
    /// Who.
    #[prost(string, tag = "1")]
    pub traveler: String,
    /// What kind of traveler.
    #[prost(string, tag = "2")]
    pub traveler_type: String,
    /// First sample, µs since 1970.
    #[prost(int64, tag = "3")]
    pub entered_us: i64,
    /// Last sample, µs since 1970.
    #[prost(int64, tag = "4")]
    pub left_us: i64,
    /// Number of samples.
    #[prost(uint32, tag = "5")]
    pub samples: u32,
    /// Length of the way, nm.
    #[prost(int64, tag = "6")]
    pub distance: i64,
    /// Number of speed samples.
    #[prost(uint32, tag = "7")]
    pub speed_n: u32,
    /// nm/s.
    #[prost(int64, tag = "8")]
    pub speed_sum: i64,
    /// nm/s.
    #[prost(int64, tag = "9")]
    pub speed_min: i64,
    /// nm/s.
    #[prost(int64, tag = "10")]
    pub speed_max: i64,
    /// Whether the idle gap has passed.
    #[prost(bool, tag = "11")]
    pub closed: bool,
}

/// The field of a pane: `sensor NUL type NUL start`, the start as eight big-endian bytes.
#[must_use]
pub fn pane_field(key: &PaneKey) -> Vec<u8> {
    let mut field = Vec::with_capacity(key.sensor.0.len() + key.traveler_type.0.len() + 10);
    field.extend_from_slice(key.sensor.0.as_bytes());
    field.push(0);
    field.extend_from_slice(key.traveler_type.0.as_bytes());
    field.push(0);
    field.extend_from_slice(&key.start.0.to_be_bytes());
    field
}

/// Reads [`pane_field`]; `None` when the bytes are not of that form.
#[must_use]
pub fn parse_pane_field(field: &[u8]) -> Option<PaneKey> {
    let (names, start) = field.split_last_chunk::<8>()?;
    let mut parts = names.strip_suffix(&[0])?.splitn(2, |&byte| byte == 0);
    let sensor = std::str::from_utf8(parts.next()?).ok()?;
    let traveler_type = std::str::from_utf8(parts.next()?).ok()?;
    Some(PaneKey {
        sensor: DeviceId::from(sensor),
        traveler_type: TravelerType::from(traveler_type),
        start: Micros(i64::from_be_bytes(*start)),
    })
}

impl PaneValue {
    /// The pane, or `None` when its sketch cannot be read.
    #[must_use]
    pub fn pane(&self) -> Option<Pane> {
        Some(Pane {
            entered: self.entered,
            present: self.present,
            speed: SpeedStats {
                n: self.speed_n,
                sum: Speed(self.speed_sum),
                min: Speed(self.speed_min),
                max: Speed(self.speed_max),
                sketch: Sketch::from_bytes(&self.sketch)?,
            },
            revised: u32::from(self.revised),
        })
    }

    /// The value of `pane`, changed last by the record at `changed_offset`.
    #[must_use]
    pub fn new(pane: &Pane, changed_offset: i64, settled: bool) -> Self {
        Self {
            entered: pane.entered,
            present: pane.present,
            speed_n: pane.speed.n,
            speed_sum: pane.speed.sum.0,
            speed_min: pane.speed.min.0,
            speed_max: pane.speed.max.0,
            sketch: pane.speed.sketch.to_bytes(),
            changed_offset,
            settled,
            revised: pane.revised > 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pane_field_names_its_pane() {
        let key = PaneKey {
            sensor: "ent-1".into(),
            traveler_type: "student".into(),
            start: Micros(-10_000_000),
        };
        assert_eq!(parse_pane_field(&pane_field(&key)), Some(key));
        assert_eq!(parse_pane_field(b"ent-1"), None);
        assert_eq!(parse_pane_field(b"ent-1\0\0\0\0\0\0\0\0\0"), None);
    }

    #[test]
    fn keys_of_a_partition_share_a_hash_tag() {
        let keys = LiveKeys::new("sensor-movements", 3);
        assert_eq!(keys.header(), "fp:{sensor-movements.3}:h");
        assert_eq!(
            keys.map("7-1", LiveMap::Panes),
            "fp:{sensor-movements.3}:7-1:panes"
        );
    }
}
