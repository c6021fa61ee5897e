//! What becomes final: behind the watermark nothing changes any more, so samples, tracks and panes are let go; and the
//! extremes of a pane, which must be known before it goes.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::MovementConfig;
use super::panes::{Slot, TypeIndex};
use super::rows::{BlockRow, MovementRows, PaneRow};
use super::sensor::{REPORT, Sensor, traveler_hash};
use super::track::{Sample, speed_between};
use crate::id::TravelerId;
use crate::pane::PANE;
use crate::quantity::Speed;
use crate::time::{Micros, Span};

impl Sensor {
    /// Moves the line behind which everything is final, on behalf of the record at `offset`.
    pub(super) fn advance_watermark(
        &mut self,
        to: Micros,
        offset: i64,
        config: &MovementConfig,
        rows: &mut MovementRows,
    ) {
        if to.floor(PANE) <= self.watermark.floor(PANE) {
            self.watermark = self.watermark.max(to);
            return;
        }
        let is_new_minute = to.floor(REPORT) > self.watermark.floor(REPORT);
        // What becomes final is over, and has its row before it goes: also at a sensor that tells what it kept for days.
        self.advance_clock(to, config, rows);
        self.watermark = to;
        let horizon = self.horizon(config);
        self.expire_panes(horizon, config.idle_gap, rows);
        while let Some(&Reverse((deadline, index))) = self.expiring.peek()
            && deadline < horizon
        {
            self.expiring.pop();
            self.expire_track(index, horizon);
        }
        self.coverage.forget_before(to, config.silent_after);
        if is_new_minute {
            self.archive(offset, rows);
        }
    }

    /// What lies before it is not in memory: an event at the watermark can still reach back over the idle gap, into the pane
    /// where its visit stood.
    pub(super) fn horizon(&self, config: &MovementConfig) -> Micros {
        (self.watermark - config.idle_gap).floor(PANE) - PANE
    }

    /// Writes down what left memory.
    fn archive(&mut self, part: i64, rows: &mut MovementRows) {
        for (hour, bytes) in self.leaving.pack(&self.types.names) {
            rows.blocks.push(BlockRow {
                sensor: self.name.clone(),
                hour,
                part,
                bytes,
            });
        }
    }

    /// Drops the panes that are final; what is due of them is written first.
    pub(super) fn expire_panes(
        &mut self,
        horizon: Micros,
        idle_gap: Span,
        rows: &mut MovementRows,
    ) {
        let final_before = horizon;
        while let Some((&slot, _)) = self.panes.by_slot.first_key_value()
            && slot.0 + PANE <= final_before
        {
            self.refresh_extremes(slot, idle_gap);
            let open = self
                .panes
                .by_slot
                .remove(&slot)
                .expect("the first key is there");
            if open.in_rows_due || !self.panes.is_settled(slot.0) {
                if open.pane.revised > 0 {
                    self.panes.revised.insert(slot);
                }
                let row = PaneRow {
                    pane: open.pane,
                    changed_offset: open.changed_offset,
                    revision: open.revision,
                };
                rows.panes.insert(self.pane_key(slot), row);
            }
            self.panes.live_gone.push(slot);
        }
    }

    fn expire_track(&mut self, index: u32, horizon: Micros) {
        let track = self.tracks[index as usize]
            .as_mut()
            .expect("a queued track exists");
        let (kind, leaving) = (track.traveler_type, &mut self.leaving);
        let archive = |traveler: &TravelerId, samples: &[Sample]| {
            leaving.add(kind, traveler, samples);
        };
        if track.forget_before(horizon, archive) {
            // Look again when the next minute of samples, or the whole visit, may go.
            let last = track.visits.last().map_or(horizon, |visit| visit.last);
            track.expires_at = last.min(horizon + REPORT).max(horizon);
            self.expiring.push(Reverse((track.expires_at, index)));
            return;
        }
        let hash = traveler_hash(&track.traveler, track.traveler_type);
        if let Ok(entry) = self.by_traveler.find_entry(hash, |&other| other == index) {
            entry.remove();
        }
        self.tracks[index as usize] = None;
        self.free.push(index);
    }

    /// Computes the extremes of a pane again from the samples, when one of them was taken back: together with those of all
    /// panes of which that is so, because it is the way through the tracks that takes time.
    pub(super) fn refresh_extremes(&mut self, slot: Slot, idle_gap: Span) {
        if self.panes.stale.contains(&slot) {
            self.refresh_all_extremes(idle_gap);
        }
    }

    /// See [`Sensor::refresh_extremes`], for every pane.
    pub(super) fn refresh_all_extremes(&mut self, idle_gap: Span) {
        let stale = std::mem::take(&mut self.panes.stale);
        let mut starts: HashMap<TypeIndex, Vec<Micros>> = HashMap::new();
        for (start, kind) in &stale {
            starts.entry(*kind).or_default().push(*start);
        }
        let mut extremes: HashMap<Slot, (Speed, Speed)> = HashMap::new();
        if !stale.is_empty() {
            let tracks = self.tracks.iter().flatten();
            let runs = tracks
                .map(|track| (track.traveler_type, &track.samples))
                .chain(self.recalled.iter().map(|(kind, run)| (*kind, run)));
            for (kind, samples) in runs {
                let Some(starts) = starts.get(&kind) else {
                    continue;
                };
                for_each_speed(samples, starts, idle_gap, |start, speed| {
                    let (min, max) = extremes.entry((start, kind)).or_insert((speed, speed));
                    (*min, *max) = ((*min).min(speed), (*max).max(speed));
                });
            }
        }
        for slot in stale {
            if let Some(open) = self.panes.by_slot.get_mut(&slot) {
                let of_it = extremes.get(&slot).copied();
                (open.pane.speed.min, open.pane.speed.max) = of_it.unwrap_or_default();
            }
        }
    }
}

/// Gives every speed whose later end lies in one of the panes that begin at `starts`, which are in order. What lies between
/// them is passed over.
fn for_each_speed(
    samples: &[Sample],
    starts: &[Micros],
    idle_gap: Span,
    mut give: impl FnMut(Micros, Speed),
) {
    let (mut at, mut next) = (1, 0);
    while let Some(sample) = samples.get(at) {
        next += starts[next..].partition_point(|start| *start + PANE <= sample.at);
        let Some(&start) = starts.get(next) else {
            return;
        };
        if sample.at < start {
            at += samples[at..].partition_point(|sample| sample.at < start);
            continue;
        }
        let before = &samples[at - 1];
        if sample.at - before.at <= idle_gap
            && let Some(speed) = speed_between(before, sample)
        {
            give(start, speed);
        }
        at += 1;
    }
}
