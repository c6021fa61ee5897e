//! The state of the movement fold as bytes, and back. Taken right after the rows were drained.

use std::collections::{BTreeMap, HashMap};

use prost::Message;

use super::archive::Leaving;
use super::late::{LateEvent, LateFact};
use super::panes::{OpenPane, Panes};
use super::rows::MovementRows;
use super::sensor::Sensor;
use super::track::{Identity, Phase, Sample, Track, Visit, Way};
use super::{MovementConfig, MovementFold};
use crate::coverage::{Coverage, HOUR_BYTES, Sign};
use crate::event::{DeviceState, Position, TimeSource};
use crate::event_key::EventKey;
use crate::fold::{Fold, RestoreError};
use crate::id::TravelerId;
use crate::live::PaneValue;
use crate::pane::PANE;
use crate::quantity::{Distance, Speed};
use crate::time::Micros;

#[derive(Clone, PartialEq, Message)]
struct StateProto {
    #[prost(sint64, tag = "1")]
    tick: i64,
    #[prost(message, repeated, tag = "2")]
    sensors: Vec<SensorProto>,
    #[prost(sint64, tag = "3")]
    amended_at: i64,
}

#[derive(Clone, PartialEq, Message)]
struct SensorProto {
    #[prost(string, tag = "1")]
    name: String,
    /// last event, last received, clock, watermark, spoke at tick, settled until
    #[prost(sint64, repeated, tag = "2")]
    instants: Vec<i64>,
    #[prost(string, tag = "3")]
    declared: String,
    #[prost(string, repeated, tag = "4")]
    types: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    panes: Vec<PaneProto>,
    #[prost(message, repeated, tag = "6")]
    tracks: Vec<TrackProto>,
    #[prost(message, repeated, tag = "7")]
    signs: Vec<SignProto>,
    #[prost(message, repeated, tag = "8")]
    hours: Vec<HourProto>,
    #[prost(uint32, repeated, tag = "9")]
    last_known: Vec<u32>,
    /// What left memory and is in no block yet: samples only.
    #[prost(message, repeated, tag = "10")]
    leaving: Vec<TrackProto>,
    #[prost(message, repeated, tag = "11")]
    leaving_signs: Vec<LateSignProto>,
    #[prost(message, repeated, tag = "12")]
    late: Vec<LateProto>,
}

#[derive(Clone, PartialEq, Message)]
struct LateSignProto {
    #[prost(sint64, tag = "1")]
    at: i64,
    #[prost(bool, tag = "2")]
    online: bool,
}

/// A late event: a position when there is one, otherwise a sign of life.
#[derive(Clone, PartialEq, Message)]
struct LateProto {
    #[prost(sint64, tag = "1")]
    event_time: i64,
    #[prost(sint64, tag = "2")]
    received_at: i64,
    #[prost(bool, tag = "3")]
    online: bool,
    #[prost(message, optional, tag = "4")]
    position: Option<LatePositionProto>,
}

#[derive(Clone, PartialEq, Message)]
struct LatePositionProto {
    #[prost(string, tag = "1")]
    traveler: String,
    #[prost(string, tag = "2")]
    traveler_type: String,
    #[prost(double, tag = "3")]
    x: f64,
    #[prost(double, tag = "4")]
    y: f64,
    #[prost(bytes = "vec", tag = "5")]
    key: Vec<u8>,
    #[prost(uint32, tag = "6")]
    time_source: u32,
    #[prost(bool, tag = "7")]
    has_event_id: bool,
}

#[derive(Clone, PartialEq, Message)]
struct PaneProto {
    #[prost(sint64, tag = "1")]
    start: i64,
    #[prost(uint32, tag = "2")]
    kind: u32,
    #[prost(message, optional, tag = "3")]
    value: Option<PaneValue>,
    #[prost(uint32, tag = "4")]
    revision: u32,
}

#[derive(Clone, PartialEq, Message)]
struct TrackProto {
    #[prost(string, tag = "1")]
    traveler: String,
    #[prost(uint32, tag = "2")]
    kind: u32,
    /// Samples of 40 bytes: time, key, x, y.
    #[prost(bytes = "vec", tag = "3")]
    samples: Vec<u8>,
    #[prost(message, optional, tag = "4")]
    sealed: Option<VisitProto>,
    #[prost(message, repeated, tag = "5")]
    visits: Vec<VisitProto>,
    #[prost(sint64, tag = "6")]
    expires_at: i64,
}

#[derive(Clone, PartialEq, Message)]
struct VisitProto {
    #[prost(sint64, tag = "1")]
    first: i64,
    #[prost(sint64, tag = "2")]
    last: i64,
    #[prost(uint32, tag = "3")]
    samples: u32,
    #[prost(int64, tag = "4")]
    distance: i64,
    #[prost(uint32, tag = "5")]
    speed_n: u32,
    #[prost(int64, tag = "6")]
    speed_sum: i64,
    #[prost(int64, tag = "7")]
    speed_min: i64,
    #[prost(int64, tag = "8")]
    speed_max: i64,
    #[prost(bool, tag = "9")]
    closed: bool,
    #[prost(uint32, tag = "10")]
    closings: u32,
    #[prost(bool, tag = "11")]
    revised: bool,
}

#[derive(Clone, PartialEq, Message)]
struct SignProto {
    #[prost(sint64, tag = "1")]
    pane: i64,
    #[prost(sint64, tag = "2")]
    first: i64,
    #[prost(sint64, tag = "3")]
    last: i64,
    #[prost(sint64, optional, tag = "4")]
    offline_at: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct HourProto {
    #[prost(sint64, tag = "1")]
    hour: i64,
    #[prost(bytes = "vec", tag = "2")]
    bits: Vec<u8>,
    #[prost(bool, tag = "3")]
    changed: bool,
}

const SAMPLE_BYTES: usize = 40;

pub(super) fn write(fold: &MovementFold) -> Vec<u8> {
    let mut sensors: Vec<_> = fold.sensors.values().map(sensor_proto).collect();
    // Equal states give equal bytes, whatever the order in which a hash map walks.
    sensors.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    StateProto {
        tick: fold.tick.0,
        sensors,
        amended_at: fold.amended_at.0,
    }
    .encode_to_vec()
}

pub(super) fn read(bytes: &[u8], config: &MovementConfig) -> Result<MovementFold, RestoreError> {
    let state = StateProto::decode(bytes).map_err(|error| broken(error.to_string()))?;
    let mut sensors = HashMap::with_capacity(state.sensors.len());
    for proto in state.sensors {
        let sensor = sensor(proto)?;
        sensors.insert(sensor.name.clone(), sensor);
    }
    Ok(MovementFold {
        config: config.clone(),
        tick: instant(state.tick)?,
        amended_at: instant(state.amended_at)?,
        late_waiting: sensors.values().map(|sensor| sensor.late.len()).sum(),
        sensors,
        rows: MovementRows::default(),
    })
}

/// An instant of the calendar, or the one that stands for none: anything else would overflow.
fn instant(micros: i64) -> Result<Micros, RestoreError> {
    if (Micros::MIN..=Micros::LAST).contains(&Micros(micros)) {
        return Ok(Micros(micros));
    }
    Err(broken(format!("the instant {micros}")))
}

fn broken(detail: impl Into<String>) -> RestoreError {
    RestoreError {
        fold: MovementFold::NAME,
        detail: detail.into(),
    }
}

fn sensor_proto(sensor: &Sensor) -> SensorProto {
    let coverage = &sensor.coverage;
    let mut tracks: Vec<_> = sensor.tracks.iter().flatten().map(track_proto).collect();
    tracks.sort_unstable_by(|a, b| (a.kind, &a.traveler).cmp(&(b.kind, &b.traveler)));
    SensorProto {
        name: sensor.name.0.clone(),
        instants: vec![
            sensor.last_event.0,
            sensor.last_received.0,
            sensor.clock.0,
            sensor.watermark.0,
            sensor.spoke_at_tick.0,
            sensor.panes.settled_until.0,
        ],
        declared: sensor
            .declared
            .map_or(String::new(), |state| state.as_str().to_owned()),
        types: sensor.types.iter().map(|name| name.0.clone()).collect(),
        panes: sensor
            .panes
            .by_slot
            .iter()
            .map(|(slot, open)| pane_proto(slot.0, slot.1, open))
            .collect(),
        tracks,
        last_known: sensor.last_known.clone(),
        signs: coverage
            .signs
            .iter()
            .map(|(pane, sign)| sign_proto(*pane, sign))
            .collect(),
        hours: coverage
            .hours
            .iter()
            .map(|(hour, bits)| HourProto {
                hour: hour.0,
                bits: bits.to_vec(),
                changed: coverage.changed.contains(hour),
            })
            .collect(),
        leaving: leaving_protos(&sensor.leaving),
        leaving_signs: sensor
            .leaving
            .signs
            .iter()
            .map(|(at, online)| LateSignProto {
                at: at.0,
                online: *online,
            })
            .collect(),
        late: sensor.late.iter().map(late_proto).collect(),
    }
}

fn leaving_protos(leaving: &Leaving) -> Vec<TrackProto> {
    let of_track = |((kind, traveler), samples): (&(u16, TravelerId), &Vec<Sample>)| TrackProto {
        traveler: traveler.0.clone(),
        kind: u32::from(*kind),
        samples: sample_bytes(samples),
        ..TrackProto::default()
    };
    leaving.samples.iter().map(of_track).collect()
}

fn late_proto(event: &LateEvent) -> LateProto {
    let (online, position) = match &event.fact {
        LateFact::Sign(online) => (*online, None),
        LateFact::Position(position, identity) => {
            let position = LatePositionProto {
                traveler: position.traveler.0.clone(),
                traveler_type: position.traveler_type.0.clone(),
                x: position.x,
                y: position.y,
                key: identity.key.0.to_vec(),
                time_source: match identity.time_source {
                    TimeSource::Device => 0,
                    TimeSource::Received => 1,
                    TimeSource::Suspect => 2,
                },
                has_event_id: identity.has_event_id,
            };
            (true, Some(position))
        }
    };
    LateProto {
        event_time: event.event_time.0,
        received_at: event.received_at.0,
        online,
        position,
    }
}

fn pane_proto(start: Micros, kind: u16, open: &OpenPane) -> PaneProto {
    PaneProto {
        start: start.0,
        kind: u32::from(kind),
        value: Some(PaneValue::new(&open.pane, open.changed_offset, false)),
        revision: open.revision,
    }
}

fn sample_bytes(samples: &[Sample]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(samples.len() * SAMPLE_BYTES);
    for sample in samples {
        bytes.extend_from_slice(&sample.at.0.to_le_bytes());
        bytes.extend_from_slice(&sample.key.0);
        bytes.extend_from_slice(&sample.x.to_le_bytes());
        bytes.extend_from_slice(&sample.y.to_le_bytes());
    }
    bytes
}

fn track_proto(track: &Track) -> TrackProto {
    TrackProto {
        traveler: track.traveler.0.clone(),
        kind: u32::from(track.traveler_type),
        samples: sample_bytes(&track.samples),
        sealed: track.sealed.as_deref().map(visit_proto),
        visits: track.visits.iter().map(visit_proto).collect(),
        expires_at: track.expires_at.0,
    }
}

fn visit_proto(visit: &Visit) -> VisitProto {
    VisitProto {
        first: visit.first.0,
        last: visit.last.0,
        samples: visit.samples,
        distance: visit.way.distance.0,
        speed_n: visit.way.speed_n,
        speed_sum: visit.way.speed_sum.0,
        speed_min: visit.way.speed_min.0,
        speed_max: visit.way.speed_max.0,
        closed: visit.phase == Phase::Closed,
        closings: visit.closings,
        revised: visit.revised,
    }
}

fn sign_proto(pane: Micros, sign: &Sign) -> SignProto {
    SignProto {
        pane: pane.0,
        first: sign.first.0,
        last: sign.last.0,
        offline_at: sign.offline_at.map(|at| at.0),
    }
}

fn sensor(proto: SensorProto) -> Result<Sensor, RestoreError> {
    let mut sensor = Sensor::new(proto.name.into());
    let &[
        last_event,
        last_received,
        clock,
        watermark,
        spoke_at_tick,
        settled_until,
    ] = proto.instants.as_slice()
    else {
        return Err(broken("a sensor without its six instants"));
    };
    sensor.last_event = instant(last_event)?;
    sensor.last_received = instant(last_received)?;
    sensor.clock = instant(clock)?;
    sensor.watermark = instant(watermark)?;
    sensor.spoke_at_tick = instant(spoke_at_tick)?;
    sensor.declared = DeviceState::from_name(&proto.declared);
    sensor.last_known = proto.last_known;
    for name in proto.types {
        sensor.type_index(&name.into());
    }
    sensor.panes = panes(proto.panes, instant(settled_until)?)?;
    let kinds = sensor.types.len();
    if sensor
        .panes
        .by_slot
        .keys()
        .any(|slot| usize::from(slot.1) >= kinds)
    {
        return Err(broken("a pane of an unknown type"));
    }
    sensor.coverage = coverage(&proto.signs, &proto.hours)?;
    sensor.leaving = leaving(proto.leaving, &proto.leaving_signs)?;
    sensor.late = proto
        .late
        .into_iter()
        .map(late_event)
        .collect::<Result<_, _>>()?;
    for track in proto.tracks {
        let track = self::track(track)?;
        let kind = usize::from(track.traveler_type);
        let count = sensor
            .open
            .get_mut(kind)
            .ok_or_else(|| broken("a track of an unknown type"))?;
        let open = track
            .visits
            .iter()
            .filter(|visit| visit.phase == Phase::Open)
            .count();
        *count += u32::try_from(open).map_err(|_| broken("too many visits"))?;
        sensor.place(track);
    }
    Ok(sensor)
}

fn leaving(protos: Vec<TrackProto>, signs: &[LateSignProto]) -> Result<Leaving, RestoreError> {
    let mut leaving = Leaving::default();
    for proto in protos {
        let track = track(proto)?;
        leaving.add(track.traveler_type, &track.traveler, &track.samples);
    }
    for sign in signs {
        leaving.signs.push((instant(sign.at)?, sign.online));
    }
    Ok(leaving)
}

fn late_event(proto: LateProto) -> Result<LateEvent, RestoreError> {
    let fact = match proto.position {
        None => LateFact::Sign(proto.online),
        Some(proto) => {
            let identity = Identity {
                key: EventKey::from_bytes(&proto.key),
                time_source: match proto.time_source {
                    0 => TimeSource::Device,
                    1 => TimeSource::Received,
                    2 => TimeSource::Suspect,
                    _ => return Err(broken("an unknown source of time")),
                },
                has_event_id: proto.has_event_id,
            };
            let position = Position {
                traveler: proto.traveler.into(),
                traveler_type: proto.traveler_type.into(),
                x: proto.x,
                y: proto.y,
            };
            LateFact::Position(position, identity)
        }
    };
    Ok(LateEvent {
        event_time: instant(proto.event_time)?,
        received_at: instant(proto.received_at)?,
        fact,
    })
}

fn panes(protos: Vec<PaneProto>, settled_until: Micros) -> Result<Panes, RestoreError> {
    let mut by_slot = BTreeMap::new();
    for proto in protos {
        let kind = u16::try_from(proto.kind).map_err(|_| broken("a type index above 65,535"))?;
        let value = proto.value.unwrap_or_default();
        let open = OpenPane {
            pane: value.pane().ok_or_else(|| broken("a sketch"))?,
            changed_offset: value.changed_offset,
            revision: proto.revision,
            extremes_stale: false,
            in_live_changed: false,
            in_rows_due: false,
        };
        by_slot.insert((instant(proto.start)?, kind), open);
    }
    Ok(Panes {
        by_slot,
        settled_until,
        ..Panes::new()
    })
}

fn coverage(signs: &[SignProto], hours: &[HourProto]) -> Result<Coverage, RestoreError> {
    let mut coverage = Coverage::default();
    for sign in signs {
        let offline_at = sign.offline_at.map(Micros);
        let value = Sign {
            first: instant(sign.first)?,
            last: instant(sign.last)?,
            offline_at,
        };
        let pane = Micros(sign.pane);
        if value.first.floor(PANE) != pane || value.last.floor(PANE) != pane {
            return Err(broken("a sign of life outside of its pane"));
        }
        coverage.signs.insert(pane, value);
    }
    for hour in hours {
        let bits: [u8; HOUR_BYTES] = hour
            .bits
            .as_slice()
            .try_into()
            .map_err(|_| broken("an hour that has not 45 bytes"))?;
        let start = instant(hour.hour)?;
        coverage.hours.insert(start, bits);
        if hour.changed {
            coverage.changed.insert(start);
        }
    }
    Ok(coverage)
}

fn track(proto: TrackProto) -> Result<Track, RestoreError> {
    let kind = u16::try_from(proto.kind).map_err(|_| broken("a type index above 65,535"))?;
    let (samples, rest) = proto.samples.as_chunks::<SAMPLE_BYTES>();
    if !rest.is_empty() {
        return Err(broken("samples that are not a multiple of 40 bytes"));
    }
    let mut track = Track::new(proto.traveler.into(), kind, instant(proto.expires_at)?);
    track.samples = samples.iter().map(sample).collect();
    track.sealed = proto.sealed.as_ref().map(|sealed| Box::new(visit(sealed)));
    track.visits = proto.visits.iter().map(visit).collect();
    Ok(track)
}

fn sample(bytes: &[u8; SAMPLE_BYTES]) -> Sample {
    let part = |from: usize| -> [u8; 8] {
        bytes[from..from + 8]
            .try_into()
            .expect("eight bytes of forty")
    };
    Sample {
        at: Micros(i64::from_le_bytes(part(0))),
        key: EventKey::from_bytes(&bytes[8..24]),
        x: f64::from_le_bytes(part(24)),
        y: f64::from_le_bytes(part(32)),
    }
}

fn visit(proto: &VisitProto) -> Visit {
    Visit {
        first: Micros(proto.first),
        last: Micros(proto.last),
        samples: proto.samples,
        way: Way {
            distance: Distance(proto.distance),
            speed_n: proto.speed_n,
            speed_sum: Speed(proto.speed_sum),
            speed_min: Speed(proto.speed_min),
            speed_max: Speed(proto.speed_max),
        },
        phase: if proto.closed {
            Phase::Closed
        } else {
            Phase::Open
        },
        closings: proto.closings,
        revised: proto.revised,
    }
}
