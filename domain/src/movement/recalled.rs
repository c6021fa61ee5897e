//! What one sensor is told of its own past, unpacked: see [`super::recall`].

use std::collections::{BTreeMap, HashMap, HashSet};

use super::MovementConfig;
use super::archive::Block;
use super::late::{index_at, late_of};
use super::rows::{BlockRow, PaneRow, Past, Stretch, VisitKey, VisitRow};
use super::sensor::Sensor;
use super::track::Sample;
use crate::coverage::HourBits;
use crate::id::{DeviceId, TravelerId, TravelerType};
use crate::pane::PaneKey;
use crate::time::Micros;

type Name = (TravelerType, TravelerId);

/// The past of one sensor, as far as it was asked for.
#[derive(Debug, Default)]
pub(super) struct Recalled {
    /// What was asked for.
    pub(super) stretches: Vec<Stretch>,
    /// What lies around the late events, in any case.
    pub(super) near: Vec<Stretch>,
    blocks: Vec<BlockRow>,
    pub(super) samples: HashMap<Name, Vec<Sample>>,
    pub(super) signs: Vec<(Micros, bool)>,
    pub(super) panes: Vec<(PaneKey, PaneRow)>,
    pub(super) visits: HashMap<VisitKey, VisitRow>,
    pub(super) up: BTreeMap<Micros, HourBits>,
}

impl Recalled {
    pub(super) fn samples_of(&self, (kind, traveler): (&TravelerType, &TravelerId)) -> &[Sample] {
        let name = (kind.clone(), traveler.clone());
        self.samples.get(&name).map_or(&[], Vec::as_slice)
    }

    /// What `past` says of each sensor.
    pub(super) fn of_each(past: Past) -> HashMap<DeviceId, Self> {
        let mut each: HashMap<DeviceId, Self> = HashMap::new();
        for stretch in past.want.stretches {
            let of_it = each.entry(stretch.sensor.clone()).or_default();
            of_it.stretches.push(stretch);
        }
        for block in past.blocks {
            let of_it = each.entry(block.sensor.clone()).or_default();
            of_it.blocks.push(block);
        }
        for (key, row) in past.panes {
            let of_it = each.entry(key.sensor.clone()).or_default();
            of_it.panes.push((key, row));
        }
        for (key, row) in past.visits {
            let of_it = each.entry(key.sensor.clone()).or_default();
            of_it.visits.insert(key, row);
        }
        for ((sensor, hour), row) in past.up {
            each.entry(sensor).or_default().up.insert(hour, row.bits);
        }
        each
    }

    /// Unpacks the samples around the late events, and adds what left the sensor's memory and is in no block yet.
    pub(super) fn unpack(&mut self, sensor: &Sensor, config: &MovementConfig) {
        self.panes.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        self.near = sensor.stretches(config);
        let travelers: HashSet<_> = late_of(&sensor.late).into_keys().collect();
        let (all, near) = (self.stretches.clone(), self.near.clone());
        // Of all the others only what lies around the late events is of use.
        let wanted = |kind: &TravelerType, traveler: &TravelerId, at: Micros| {
            let is_late = travelers.contains(&(kind, traveler));
            index_at(if is_late { &all } else { &near }, at).is_some()
        };
        for row in std::mem::take(&mut self.blocks) {
            // One that cannot be read was not written by this fold. Who reads rows back says so before (`BlockRow::is_readable`).
            let Some(block) = Block::from_bytes(row.hour, &row.bytes, wanted) else {
                continue;
            };
            self.signs.extend(block.signs);
            for (kind, traveler, samples) in block.tracks {
                self.samples
                    .entry((kind, traveler))
                    .or_default()
                    .extend(samples);
            }
        }
        self.signs.extend(&sensor.leaving.signs);
        for ((kind, traveler), samples) in &sensor.leaving.samples {
            let kind = &sensor.types.names[usize::from(*kind)];
            let samples = samples
                .iter()
                .filter(|sample| wanted(kind, traveler, sample.at));
            self.samples
                .entry((kind.clone(), traveler.clone()))
                .or_default()
                .extend(samples);
        }
        for samples in self.samples.values_mut() {
            samples.sort_unstable_by_key(|sample| (sample.at, sample.key));
            samples.dedup_by_key(|sample| (sample.at, sample.key));
        }
        self.signs.retain(|(at, _)| index_at(&near, *at).is_some());
        self.signs.sort_unstable();
    }
}
