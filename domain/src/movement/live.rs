//! What the movement fold shows live: panes that may still change, sensors, open visits.

use prost::Message;

use super::MovementConfig;
use super::panes::Slot;
use super::sensor::Sensor;
use super::track::{Phase, Track, Visit};
use crate::coverage::stored;
use crate::id::TravelerType;
use crate::live::{
    LiveMap, LiveWrite, OpenCount, PaneValue, SensorValue, UpHour, VisitValue, VisitsValue,
    pane_field,
};
use crate::pane::PaneKey;
use crate::time::Span;

/// How long a closed visit stays in the live view: far longer than its row needs to reach Postgres.
const CLOSED_SHOWN: Span = Span::from_secs(120);

impl Sensor {
    /// Moves what changed into `writes`.
    pub(super) fn drain_live(
        &mut self,
        config: &MovementConfig,
        with_visits: bool,
        writes: &mut Vec<LiveWrite>,
    ) {
        for slot in std::mem::take(&mut self.panes.live_changed) {
            if let Some(open) = self.panes.by_slot.get_mut(&slot) {
                open.in_live_changed = false;
                writes.push(self.pane_write(slot, config.idle_gap));
            }
        }
        for slot in std::mem::take(&mut self.panes.revised) {
            writes.push(LiveWrite {
                map: LiveMap::Revised,
                field: pane_field(&self.pane_key(slot)),
                value: Some(Vec::new()),
            });
        }
        for start in self.coverage.drain_revised() {
            let hour = PaneKey {
                sensor: self.name.clone(),
                // Coverage is of the sensor, whoever it sees.
                traveler_type: TravelerType::from(""),
                start,
            };
            writes.push(LiveWrite {
                map: LiveMap::Revised,
                field: pane_field(&hour),
                value: Some(Vec::new()),
            });
        }
        for slot in std::mem::take(&mut self.panes.live_gone) {
            writes.push(LiveWrite {
                map: LiveMap::Panes,
                field: pane_field(&self.pane_key(slot)),
                value: None,
            });
        }
        if std::mem::take(&mut self.live_changed) {
            writes.push(self.sensor_write(config));
        }
        if with_visits && std::mem::take(&mut self.visits_changed) {
            writes.push(self.visits_write());
        }
    }

    /// Writes everything, as if all had changed.
    pub(super) fn all_live(&mut self, config: &MovementConfig, writes: &mut Vec<LiveWrite>) {
        let gone = std::mem::take(&mut self.panes.live_gone);
        self.panes.revised.clear();
        drop(self.coverage.drain_revised());
        self.panes.live_changed = self.panes.by_slot.keys().copied().collect();
        self.live_changed = true;
        self.visits_changed = true;
        self.drain_live(config, true, writes);
        // A field that is gone is not in a new generation; readers of the old one start anew.
        drop(gone);
    }

    fn pane_write(&mut self, slot: Slot, idle_gap: Span) -> LiveWrite {
        self.refresh_extremes(slot, idle_gap);
        let settled = self.panes.is_settled(slot.0);
        let open = &self.panes.by_slot[&slot];
        let value = PaneValue::new(&open.pane, open.changed_offset, settled);
        LiveWrite {
            map: LiveMap::Panes,
            field: pane_field(&self.pane_key(slot)),
            value: Some(value.encode_to_vec()),
        }
    }

    fn sensor_write(&mut self, config: &MovementConfig) -> LiveWrite {
        let up = self.coverage.live(self.clock, config.silent_after);
        let usual = self.coverage.usual_silence(config.silent_after);
        let value = SensorValue {
            last_event_us: self.last_event.0,
            last_received_us: self.last_received.0,
            clock_us: self.clock.0,
            watermark_us: self.watermark.0,
            open: self.counts(&self.open),
            up: up
                .into_iter()
                .map(|(hour, bits)| UpHour {
                    hour_us: hour.0,
                    bits: stored(&bits).to_vec(),
                })
                .collect(),
            declared: self
                .declared
                .map_or(String::new(), |state| state.as_str().to_owned()),
            last_known: self.counts(if self.last_known.is_empty() {
                &self.open
            } else {
                &self.last_known
            }),
            usual_silence_us: usual.map_or(0, |usual| usual.0),
        };
        LiveWrite {
            map: LiveMap::Sensors,
            field: self.name.0.as_bytes().to_vec(),
            value: Some(value.encode_to_vec()),
        }
    }

    /// The counts that are not zero, by type.
    fn counts(&self, counts: &[u32]) -> Vec<OpenCount> {
        let named = self.types.names.iter().zip(counts);
        named
            .filter(|(_, n)| **n > 0)
            .map(|(name, n)| OpenCount {
                traveler_type: name.0.clone(),
                n: *n,
            })
            .collect()
    }

    /// Whether a visit has been over for so long that it is not shown any more.
    pub(super) fn has_shown_enough(&self) -> bool {
        let shown_from = self.clock - CLOSED_SHOWN;
        self.recently_closed
            .front()
            .is_some_and(|(closed_at, _)| *closed_at < shown_from)
    }

    fn visits_write(&mut self) -> LiveWrite {
        let shown_from = self.clock - CLOSED_SHOWN;
        while self.has_shown_enough() {
            self.recently_closed.pop_front();
        }
        let mut indices: Vec<u32> = self.closing.iter().map(|entry| entry.0.1).collect();
        indices.extend(self.recently_closed.iter().map(|(_, index)| *index));
        indices.sort_unstable();
        indices.dedup();
        let tracks = indices
            .iter()
            .filter_map(|&index| self.tracks[index as usize].as_ref());
        let visits = tracks.flat_map(|track| {
            let shown = |visit: &&Visit| visit.phase == Phase::Open || visit.last >= shown_from;
            track
                .visits
                .iter()
                .filter(shown)
                .map(|visit| self.visit_value(track, visit))
        });
        let value = VisitsValue {
            visits: visits.collect(),
        };
        LiveWrite {
            map: LiveMap::Visits,
            field: self.name.0.as_bytes().to_vec(),
            value: Some(value.encode_to_vec()),
        }
    }

    fn visit_value(&self, track: &Track, visit: &Visit) -> VisitValue {
        VisitValue {
            traveler: track.traveler.0.clone(),
            traveler_type: self.types.names[usize::from(track.traveler_type)].0.clone(),
            entered_us: visit.first.0,
            left_us: visit.last.0,
            samples: visit.samples,
            distance: visit.way.distance.0,
            speed_n: visit.way.speed_n,
            speed_sum: visit.way.speed_sum.0,
            speed_min: visit.way.speed_min.0,
            speed_max: visit.way.speed_max.0,
            closed: visit.phase == Phase::Closed,
        }
    }
}
