//! When visits close: the sensor's clock passes their last sample by more than the idle gap, or a sample that came late
//! changes one that was closed.

use std::cmp::Reverse;

use super::MovementConfig;
use super::rows::{MovementRows, VisitRow};
use super::sensor::{Sensor, Step, visit_key};
use super::track::{Phase, Visit};
use crate::time::{Micros, Span};

impl Sensor {
    pub(super) fn advance_clock(
        &mut self,
        to: Micros,
        config: &MovementConfig,
        rows: &mut MovementRows,
    ) {
        if to <= self.clock {
            return;
        }
        self.clock = to;
        while let Some(&Reverse((deadline, index))) = self.closing.peek()
            && deadline < to
        {
            self.closing.pop();
            self.close_if_due(index, config.idle_gap, rows);
        }
        self.panes.settle(to - config.settle);
        self.live_changed = true;
        // Visits that are over leave the live view after a while, also when nothing else happens.
        self.visits_changed |= self.has_shown_enough();
    }

    /// Closes the visits of a track that are due, and queues it again while one is open.
    fn close_if_due(&mut self, index: u32, idle_gap: Span, rows: &mut MovementRows) {
        let track = self.tracks[index as usize]
            .as_mut()
            .expect("a queued track exists");
        track.in_closing = false;
        for at in 0..track.visits.len() {
            let visit = &mut track.visits[at];
            if visit.phase != Phase::Open {
                continue;
            }
            if visit.last + idle_gap >= self.clock {
                track.in_closing = true;
                self.closing.push(Reverse((visit.last + idle_gap, index)));
                return;
            }
            visit.phase = Phase::Closed;
            visit.closings += 1;
            self.open[usize::from(track.traveler_type)] -= 1;
            self.recently_closed.push_back((self.clock, index));
            let (first, row) = (visit.first, VisitRow::from(&*visit));
            rows.visits.insert(
                visit_key(&self.name, &self.types.names, track, first),
                Some(row),
            );
        }
        self.visits_changed = true;
    }

    /// Brings the row and the count of a visit up to a change of it.
    pub(super) fn reconsider(&mut self, index: u32, visit: usize, step: &mut Step<'_>) {
        let idle_gap = step.config.idle_gap;
        let clock = self.clock.max(step.event_time);
        let track = self.tracks[index as usize]
            .as_mut()
            .expect("the index was just looked up");
        let changed = &mut track.visits[visit];
        let phase = if changed.last + idle_gap < clock {
            Phase::Closed
        } else {
            Phase::Open
        };
        let before = std::mem::replace(&mut changed.phase, phase);
        changed.revised |= step.is_late;
        let open = &mut self.open[usize::from(track.traveler_type)];
        *open = *open + u32::from(phase == Phase::Open) - u32::from(before == Phase::Open);
        let row = (phase == Phase::Closed).then(|| {
            changed.closings += 1;
            VisitRow::from(&*changed)
        });
        let (first, last) = (changed.first, changed.last);
        if row.is_some() || before == Phase::Closed {
            // A visit that was closed and is open again has no row until it closes anew.
            step.rows
                .visits
                .insert(visit_key(&self.name, &self.types.names, track, first), row);
        }
        if phase == Phase::Open && !track.in_closing {
            track.in_closing = true;
            self.closing.push(Reverse((last + idle_gap, index)));
        }
        if phase == Phase::Closed {
            self.recently_closed.push_back((clock, index));
        }
        self.visits_changed = true;
    }

    /// Takes back what was said of a visit that is now part of another one.
    pub(super) fn retract(&mut self, index: u32, gone: &Visit, rows: &mut MovementRows) {
        let track = self.tracks[index as usize]
            .as_ref()
            .expect("the index was just looked up");
        match gone.phase {
            Phase::New => {}
            Phase::Open => self.open[usize::from(track.traveler_type)] -= 1,
            Phase::Closed => {
                rows.visits.insert(
                    visit_key(&self.name, &self.types.names, track, gone.first),
                    None,
                );
            }
        }
    }
}
