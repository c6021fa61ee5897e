//! A state as bytes. Equal states give equal bytes.

use prost::Message;

use super::super::MovementFold;
use super::super::archive::Leaving;
use super::super::late::{LateEvent, LateFact};
use super::super::panes::OpenPane;
use super::super::sensor::Sensor;
use super::super::track::{Phase, Sample, Track, Visit};
use super::form::{
    HourProto, LatePositionProto, LateProto, LateSignProto, PaneProto, SAMPLE_BYTES, SensorProto,
    SignProto, StateProto, TrackProto, VisitProto,
};
use crate::coverage::{Sign, stored};
use crate::event::TimeSource;
use crate::id::TravelerId;
use crate::live::PaneValue;
use crate::time::Micros;

/// The state as bytes.
pub(in crate::movement) fn write(fold: &MovementFold) -> Vec<u8> {
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
        types: sensor
            .types
            .names
            .iter()
            .map(|name| name.0.clone())
            .collect(),
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
                bits: stored(bits).to_vec(),
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
