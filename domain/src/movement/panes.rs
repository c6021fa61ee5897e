//! The panes of one sensor that may still change, kept up by differences.
//!
//! Counts, sums and sketches can be taken back exactly because they are integers. A minimum or maximum cannot: when an
//! extreme is taken back the pane is marked, and whoever reads it next computes its extremes again from the samples.

use std::collections::{BTreeMap, BTreeSet};

use crate::pane::{PANE, Pane};
use crate::quantity::Speed;
use crate::time::Micros;

/// Index into the sensor's list of traveler types.
pub(super) type TypeIndex = u16;

/// Start and type: the key of a pane within its sensor.
pub(super) type Slot = (Micros, TypeIndex);

/// The open horizon of a sensor's panes.
#[derive(Debug, Default)]
pub(super) struct Panes {
    pub(super) by_slot: BTreeMap<Slot, OpenPane>,
    /// Slots that changed since the live view was drained; each at most once.
    pub(super) live_changed: Vec<Slot>,
    /// Slots that left the horizon since the live view was drained.
    pub(super) live_gone: Vec<Slot>,
    /// Slots whose rows are due; each at most once.
    pub(super) rows_due: Vec<Slot>,
    /// Panes that end at or before this have settled.
    pub(super) settled_until: Micros,
    /// Slots of which an extreme was taken back: theirs must be computed again.
    pub(super) stale: BTreeSet<Slot>,
    /// Final panes that late events changed since the live view was drained.
    pub(super) revised: BTreeSet<Slot>,
}

/// A pane that may still change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OpenPane {
    pub(super) pane: Pane,
    pub(super) changed_offset: i64,
    /// Changes after it settled.
    pub(super) revision: u32,
    pub(super) in_live_changed: bool,
    pub(super) in_rows_due: bool,
}

/// Changes the panes of one traveler type on behalf of one record.
#[derive(Debug)]
pub(super) struct PaneEdit<'a> {
    pub(super) panes: &'a mut Panes,
    pub(super) traveler_type: TypeIndex,
    pub(super) offset: i64,
    /// For a late event: panes that end at or before this are final, and are revised by a change.
    pub(super) final_before: Option<Micros>,
}

impl Panes {
    pub(super) fn new() -> Self {
        Self {
            settled_until: Micros::MIN,
            ..Self::default()
        }
    }

    /// Moves the settling line to `until`; the rows of the panes that it passed are due.
    pub(super) fn settle(&mut self, until: Micros) {
        if until <= self.settled_until {
            return;
        }
        let from = (self.settled_until - PANE + crate::time::Span(1), 0);
        let to = (until - PANE, TypeIndex::MAX);
        if from <= to {
            for (&slot, open) in self.by_slot.range_mut(from..=to) {
                if !open.in_rows_due {
                    open.in_rows_due = true;
                    self.rows_due.push(slot);
                }
                // Settling is shown in the live view.
                if !open.in_live_changed {
                    open.in_live_changed = true;
                    self.live_changed.push(slot);
                }
            }
        }
        self.settled_until = until;
    }

    /// Whether the pane that starts at `start` has settled.
    pub(super) fn is_settled(&self, start: Micros) -> bool {
        start + PANE <= self.settled_until
    }
}

impl PaneEdit<'_> {
    /// A visit began (`+1`) or no longer begins (`-1`) at `at`.
    pub(super) fn entered(&mut self, at: Micros, difference: i32) {
        let pane = &mut self.at(at.floor(PANE)).pane;
        pane.entered = pane.entered.saturating_add_signed(difference);
    }

    /// A visit now touches (`+1`) or no longer touches (`-1`) the panes that start in `from..=to`.
    pub(super) fn present(&mut self, from: Micros, to: Micros, difference: i32) {
        let mut start = from;
        while start <= to {
            let pane = &mut self.at(start).pane;
            pane.present = pane.present.saturating_add_signed(difference);
            start = start + PANE;
        }
    }

    /// A speed sample whose later end is `at`.
    pub(super) fn add_speed(&mut self, at: Micros, speed: Speed) {
        self.at(at.floor(PANE)).pane.speed.add(speed);
    }

    /// Takes back a speed sample whose later end is `at`.
    pub(super) fn remove_speed(&mut self, at: Micros, speed: Speed) {
        let open = self.at(at.floor(PANE));
        let stats = &mut open.pane.speed;
        stats.n = stats.n.saturating_sub(1);
        stats.sum = Speed(stats.sum.0 - speed.0);
        stats.sketch.remove(speed.as_m_s());
        if speed == stats.min || speed == stats.max {
            self.panes
                .stale
                .insert((at.floor(PANE), self.traveler_type));
        }
    }

    /// The pane that starts at `start`, marked as changed.
    fn at(&mut self, start: Micros) -> &mut OpenPane {
        let slot = (start, self.traveler_type);
        let settled = self.panes.is_settled(start);
        let open = self.panes.by_slot.entry(slot).or_default();
        if !open.in_live_changed {
            open.in_live_changed = true;
            self.panes.live_changed.push(slot);
        }
        if settled {
            if !open.in_rows_due {
                open.in_rows_due = true;
                self.panes.rows_due.push(slot);
            }
            if open.changed_offset != self.offset {
                open.revision += 1;
            }
        }
        if self
            .final_before
            .is_some_and(|watermark| start + PANE <= watermark)
        {
            open.pane.revised = 1;
        }
        open.changed_offset = self.offset;
        open
    }
}
