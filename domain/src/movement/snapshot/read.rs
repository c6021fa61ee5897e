//! A state from bytes, which may be anybody's: whatever would make the fold fail later is refused here.

use std::collections::{BTreeMap, HashMap};

use prost::Message;

use super::super::archive::Leaving;
use super::super::late::{LateEvent, LateFact};
use super::super::panes::{OpenPane, Panes};
use super::super::rows::MovementRows;
use super::super::sensor::Sensor;
use super::super::track::{Identity, Phase, Sample, Track, Visit, Way};
use super::super::{MovementConfig, MovementFold};
use super::form::{
    HourProto, LateProto, LateSignProto, PaneProto, SAMPLE_BYTES, SensorProto, SignProto,
    StateProto, TrackProto, VisitProto,
};
use crate::coverage::{Coverage, Sign, from_stored};
use crate::event::{DeviceState, Position, TimeSource};
use crate::event_key::EventKey;
use crate::fold::{Fold, RestoreError};
use crate::pane::PANE;
use crate::quantity::{Distance, Speed};
use crate::time::Micros;

/// The state that the bytes stand for.
pub(in crate::movement) fn read(
    bytes: &[u8],
    config: &MovementConfig,
) -> Result<MovementFold, RestoreError> {
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
    let kinds = sensor.types.names.len();
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
        let bits = from_stored(&hour.bits).ok_or_else(|| broken("an hour of another length"))?;
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
