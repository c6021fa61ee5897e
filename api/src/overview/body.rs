//! What `/overview` answers: how many people are where, now.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::stamp::Stamp;
use crate::stream::cursor::StreamCursor;

/// People on the site, now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Overview {
    /// Sums over the zones.
    #[serde(flatten)]
    pub totals: Totals,
    /// The zones, in the site's order.
    pub zones: Vec<OverviewZone>,
    /// Sensors that do not speak now: those that fell silent, and registered ones that never spoke. One that nobody
    /// registered is forgotten after an hour.
    pub silent_sensors: Vec<SilentSensor>,
    /// Where a subscription to the same question goes on.
    pub stream: StreamCursor,
}

/// Sums over the zones, and how far to trust them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Totals {
    /// When this was so.
    pub as_of: Stamp,
    /// People in the zones that can be counted.
    #[schema(example = 837)]
    pub on_site: u64,
    /// How many zones can be counted.
    #[schema(example = 4)]
    pub counted_zones: usize,
    /// How many people are usual at this time of week; null while that is not known.
    #[schema(required)]
    pub typical: Option<u64>,
    /// How far what is shown lags behind what the gateways receive and, every ten seconds, write by themselves, in ms; null
    /// while nothing of it has arrived.
    #[schema(required, example = 1830)]
    pub lag_ms: Option<i64>,
    /// Alerts that nobody has dealt with.
    #[schema(example = 0)]
    pub open_alerts: u64,
    /// No event before this changes an answer any more, unless it comes from a sensor that was not heard of for an hour; null
    /// while no sensor has spoken.
    #[schema(required)]
    pub watermark: Option<Stamp>,
    /// Whether this is old because the live view is away.
    pub stale: bool,
}

/// People in a zone, now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OverviewZone {
    /// Its id; `unassigned` for the sensors that are in no zone.
    #[schema(example = "lib")]
    pub id: String,
    /// Its name.
    #[schema(example = "Library")]
    pub name: String,
    /// People who are there: visits that go on at the sensors that speak. When the state is `no_data`, those that went on
    /// when its sensors spoke last.
    #[schema(example = 388)]
    pub n: u64,
    /// How many may be there; null where nobody said.
    #[schema(required, example = 450)]
    pub capacity: Option<i32>,
    /// `n` over `capacity`.
    #[schema(required, example = 0.862)]
    pub share: Option<f64>,
    /// How full it is, in a word.
    pub state: ZoneState,
    /// The latest sign of life of one of its sensors.
    #[schema(required)]
    pub seen: Option<Stamp>,
    /// For how many seconds all of its sensors have been silent; null while one speaks, or when none ever did.
    #[schema(required)]
    pub silent_s: Option<i64>,
    /// Its sensors.
    #[schema(example = json!(["lib-1"]))]
    pub sensors: Vec<String>,
}

/// How full a zone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ZoneState {
    /// Up to 80 % of its capacity, or its capacity is not known.
    Normal,
    /// More than 80 % of its capacity.
    Busy,
    /// More than its capacity.
    Over,
    /// None of its sensors speaks.
    NoData,
}

/// A sensor that does not speak: its last sign of life is older than its `silent_after_s`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SilentSensor {
    /// Its id.
    #[schema(example = "sh-02")]
    pub id: String,
    /// Its zone.
    #[schema(required, example = "sports")]
    pub zone: Option<String>,
    /// Its latest event.
    #[schema(required)]
    pub last_seen: Option<Stamp>,
    /// For how many seconds it has been silent.
    #[schema(required, example = 840)]
    pub silent_s: Option<i64>,
}

/// The overview as a state that merge patches change: zones and sensors by their id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OverviewState {
    /// Sums over the zones.
    #[serde(flatten)]
    pub totals: Totals,
    /// The zones by id.
    pub zones: BTreeMap<String, OrderedZone>,
    /// The silent sensors by id.
    pub silent_sensors: BTreeMap<String, SilentSensor>,
}

/// A zone and its place among the zones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OrderedZone {
    /// Its place, from 0.
    pub order: usize,
    /// The zone.
    #[serde(flatten)]
    pub zone: OverviewZone,
}

impl Overview {
    /// The same as a state that merge patches change.
    #[must_use]
    pub fn into_state(self) -> OverviewState {
        let ordered = self.zones.into_iter().enumerate();
        let silent = self.silent_sensors.into_iter();
        OverviewState {
            totals: self.totals,
            zones: ordered
                .map(|(order, zone)| (zone.id.clone(), OrderedZone { order, zone }))
                .collect(),
            silent_sensors: silent.map(|sensor| (sensor.id.clone(), sensor)).collect(),
        }
    }
}
