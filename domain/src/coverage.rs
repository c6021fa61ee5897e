//! When a sensor is known to have been up.
//!
//! Every message of a sensor is a sign of life. A pane of ten seconds is *covered* when a sign lies in it, or when it lies
//! between two signs that are at most `silent_after` apart and the earlier one did not say `offline`. What follows the
//! last sign is covered only as long as the silence is shorter than that: a sensor that died is not called alive in
//! hindsight. The answer depends on the set of signs, not on the order of their arrival.
//!
//! That is what is written down. A sensor that speaks every five minutes by nature is not down in between: [`rhythm`] says
//! which longer silences are usual for a sensor, from what is written down, whenever somebody looks.

pub mod rhythm;

use std::collections::{BTreeMap, BTreeSet};

use crate::pane::PANE;
use crate::time::{Micros, Span};

/// One hour, the slot of a bitmap.
pub const HOUR: Span = Span::from_secs(3600);

/// Bytes of an hour's 360 panes.
pub const UP_BYTES: usize = 45;

/// Where the goodbyes begin.
pub const GOODBYES: usize = UP_BYTES;

/// Where the revisions begin.
pub const REVISED: usize = 2 * UP_BYTES;

/// Bytes of an hour: the panes that are covered, those that ended with a goodbye, and those that were revised.
pub const HOUR_BYTES: usize = 3 * UP_BYTES;

/// What is known of an hour, bit by bit, least significant first.
///
/// Bit i is the pane `hour + i × 10 s`: whether it is covered. Bit 360 + i: whether the sensor's last
/// word in it was that it goes away. Bit 720 + i: whether one of the two changed after it was final.
pub type HourBits = [u8; HOUR_BYTES];

/// An hour as it is stored: without the revisions when there is none, and without the goodbyes when there is neither.
#[must_use]
pub fn stored(bits: &HourBits) -> &[u8] {
    let is_needed = |from: usize| bits[from..].iter().any(|byte| *byte != 0);
    match (is_needed(REVISED), is_needed(GOODBYES)) {
        (true, _) => bits,
        (false, true) => &bits[..REVISED],
        (false, false) => &bits[..GOODBYES],
    }
}

/// Whether the bit of a pane is set among those that begin `from` bytes into its hour, as [`stored`] gives it.
#[must_use]
pub fn has_bit(stored: &[u8], from: usize, index: usize) -> bool {
    let byte = stored.get(from + index / 8);
    byte.is_some_and(|byte| byte & 1 << (index % 8) != 0)
}

/// The hour that [`stored`] gave; `None` when the bytes are none.
#[must_use]
pub fn from_stored(bytes: &[u8]) -> Option<HourBits> {
    if ![GOODBYES, REVISED, HOUR_BYTES].contains(&bytes.len()) {
        return None;
    }
    let mut bits = [0; HOUR_BYTES];
    bits[..bytes.len()].copy_from_slice(bytes);
    Some(bits)
}

/// The signs of life of one sensor within the horizon, and the bitmaps of the hours that they touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Signs by the start of their pane.
    pub(crate) signs: BTreeMap<Micros, Sign>,
    /// Bitmaps by the start of their hour.
    pub(crate) hours: BTreeMap<Micros, HourBits>,
    /// Hours that changed since [`Coverage::drain`].
    pub(crate) changed: BTreeSet<Micros>,
    /// Hours in which something final changed since [`Coverage::drain_revised`].
    revised: BTreeSet<Micros>,
    /// While a late sign is taken in: panes that end at or before this are final.
    final_before: Option<Micros>,
    /// What [`Coverage::usual_silence`] found, while no bit has changed.
    usual: Option<Span>,
}

/// The signs of life in one pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sign {
    pub(crate) first: Micros,
    pub(crate) last: Micros,
    pub(crate) offline_at: Option<Micros>,
}

impl Sign {
    fn take_in(&mut self, at: Micros, online: bool) {
        self.first = self.first.min(at);
        self.last = self.last.max(at);
        self.offline_at = self.offline_at.max((!online).then_some(at));
    }

    /// Whether the sensor was still up when the pane's last sign was given.
    fn ends_online(&self) -> bool {
        self.offline_at.is_none_or(|offline| offline < self.last)
    }
}

impl Coverage {
    /// Takes in a sign of life at `at`. `online` is false when the sensor said that it goes away.
    pub fn sign(&mut self, at: Micros, online: bool, silent_after: Span) {
        let pane = at.floor(PANE);
        let Some(known) = self.signs.get_mut(&pane) else {
            self.signs.insert(
                pane,
                Sign {
                    first: at,
                    last: at,
                    offline_at: (!online).then_some(at),
                },
            );
            self.set(pane, 0, true);
            self.set(pane, GOODBYES, !online);
            self.refill_around(pane, silent_after);
            return;
        };
        let before = (known.first, known.last, known.ends_online());
        known.take_in(at, online);
        let after = (known.first, known.last, known.ends_online());
        // Within a pane the edges only move closer to their neighbours, so nothing is refilled unless one of them moved.
        if before != after {
            self.set(pane, GOODBYES, !after.2);
            self.refill_around(pane, silent_after);
        }
    }

    /// Takes in a sign of life that comes when everything before `watermark` is final: what it changes of that is revised.
    pub fn late_sign(
        &mut self,
        (at, online): (Micros, bool),
        watermark: Micros,
        silent_after: Span,
    ) {
        self.final_before = Some(watermark);
        self.sign(at, online, silent_after);
        self.final_before = None;
    }

    /// Puts signs and bitmaps back that were forgotten, so that [`Coverage::sign`] can be told of a late sign. Right for
    /// those whose neighbours are among `signs`.
    pub(crate) fn recall(
        &mut self,
        signs: impl Iterator<Item = (Micros, bool)>,
        hours: &BTreeMap<Micros, HourBits>,
    ) {
        let known: BTreeSet<Micros> = self.signs.keys().copied().collect();
        for (at, online) in signs {
            let pane = at.floor(PANE);
            if known.contains(&pane) {
                continue;
            }
            let sign = self.signs.entry(pane).or_insert(Sign {
                first: at,
                last: at,
                offline_at: None,
            });
            sign.take_in(at, online);
        }
        for (hour, bits) in hours {
            self.hours.entry(*hour).or_insert(*bits);
        }
    }

    /// Fills or clears the panes between `pane` and its neighbours on both sides.
    fn refill_around(&mut self, pane: Micros, silent_after: Span) {
        let sign = self.signs[&pane];
        if let Some((_, &earlier)) = self.signs.range(..pane).next_back() {
            self.refill(earlier, sign, silent_after);
        }
        if let Some((_, &later)) = self.signs.range(pane + Span(1)..).next() {
            self.refill(sign, later, silent_after);
        }
    }

    /// Fills or clears the panes between those of two neighbouring signs.
    fn refill(&mut self, a: Sign, b: Sign, silent_after: Span) {
        let (from, to) = (a.first.floor(PANE), b.first.floor(PANE));
        let covered = a.ends_online() && b.first - a.last <= silent_after;
        // Further apart than that nothing was ever filled, so there is nothing to clear either.
        if to - from > Span(silent_after.0 + 2 * PANE.0) {
            return;
        }
        let mut pane = from + PANE;
        while pane < to {
            self.set(pane, 0, covered);
            pane = pane + PANE;
        }
    }

    /// Sets the bit of `pane` among those that begin `from` bytes into its hour.
    fn set(&mut self, pane: Micros, from: usize, is_set: bool) {
        let hour = pane.floor(HOUR);
        let bits = self.hours.entry(hour).or_insert([0; HOUR_BYTES]);
        if set_bit(&mut bits[from..], pane - hour, is_set) {
            let is_final = |watermark| pane + PANE <= watermark;
            if self.final_before.is_some_and(is_final) {
                set_bit(&mut bits[REVISED..], pane - hour, true);
                self.revised.insert(hour);
            }
            self.changed.insert(hour);
            self.usual = None;
        }
    }

    /// The bitmaps of the hours that changed since the last call.
    pub fn drain(&mut self) -> Vec<(Micros, HourBits)> {
        std::mem::take(&mut self.changed)
            .into_iter()
            .map(|hour| (hour, self.hours[&hour]))
            .collect()
    }

    /// The hours in which something final changed since the last call.
    pub fn drain_revised(&mut self) -> BTreeSet<Micros> {
        std::mem::take(&mut self.revised)
    }

    /// The bitmaps of the hours that may still change or are not written down, as of `clock`: the silence after the last sign counts as up while it is shorter than `silent_after`.
    #[must_use]
    pub fn live(&self, clock: Micros, silent_after: Span) -> BTreeMap<Micros, HourBits> {
        let first = self.signs.keys().next().copied();
        let from = first.map_or(Micros::MIN, |first| (first - PANE).floor(HOUR));
        // What was not written down yet is known from here only.
        let from = self.changed.first().map_or(from, |hour| from.min(*hour));
        let recent = self.hours.range(from..);
        let mut hours: BTreeMap<_, _> = recent.map(|(hour, bits)| (*hour, *bits)).collect();
        if let Some((&pane, sign)) = self.signs.last_key_value()
            && sign.ends_online()
            && clock - sign.last <= silent_after
        {
            let mut pane = pane + PANE;
            while pane < sign.last + silent_after {
                let hour = pane.floor(HOUR);
                set_bit(
                    hours.entry(hour).or_insert([0; HOUR_BYTES]),
                    pane - hour,
                    true,
                );
                pane = pane + PANE;
            }
        }
        hours
    }

    /// The last sign of life.
    #[must_use]
    pub fn last_sign(&self) -> Option<Micros> {
        self.signs.last_key_value().map(|(_, sign)| sign.last)
    }

    /// The longest silence after the last sign that is usual ([`rhythm::usual_after`]), when it is longer than `silent_after`.
    pub fn usual_silence(&mut self, silent_after: Span) -> Option<Span> {
        let usual = self.usual.unwrap_or_else(|| {
            let hours = self.hours.iter().map(|(hour, bits)| (*hour, &bits[..]));
            let runs = rhythm::runs(hours);
            let last = self.last_sign();
            last.map_or(Span(0), |last| rhythm::usual_after(&runs, last))
        });
        self.usual = Some(usual);
        (usual > silent_after).then_some(usual)
    }

    /// Forgets what no sign at or after `watermark` can change, and what [`Coverage::usual_silence`] does not look at.
    pub fn forget_before(&mut self, watermark: Micros, silent_after: Span) {
        let keep_from = (watermark - silent_after).floor(PANE);
        if let Some((&last, _)) = self.signs.last_key_value() {
            let keep_from = keep_from.min(last);
            self.signs = self.signs.split_off(&keep_from);
        }
        let oldest = (keep_from - PANE - rhythm::LOOK_BACK).floor(HOUR);
        let (changed, kept) = (&self.changed, self.hours.len());
        self.hours
            .retain(|hour, _| *hour >= oldest || changed.contains(hour));
        if self.hours.len() < kept {
            // What is usual is told from the hours that a restored state has too.
            self.usual = None;
        }
    }
}

/// Sets the bit of the pane that starts `into` the hour; says whether it changed.
fn set_bit(bits: &mut [u8], into: Span, up: bool) -> bool {
    let index = usize::try_from(into.0 / PANE.0).expect("a pane lies inside its hour");
    let (byte, mask) = (index / 8, 1 << (index % 8));
    let before = bits[byte];
    bits[byte] = if up { before | mask } else { before & !mask };
    bits[byte] != before
}

#[cfg(test)]
mod tests;
