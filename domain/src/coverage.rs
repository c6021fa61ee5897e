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

/// Bytes of an hour: the panes that are covered, and those that ended with a goodbye.
pub const HOUR_BYTES: usize = 2 * UP_BYTES;

/// Bit i (least significant first) is the pane `hour + i × 10 s`: whether it is covered. Bit 360 + i: whether the sensor's last
/// word in it was that it goes away.
pub type HourBits = [u8; HOUR_BYTES];

/// An hour as it is stored: without the goodbyes when there is none.
#[must_use]
pub fn stored(bits: &HourBits) -> &[u8] {
    let (up, goodbyes) = bits.split_at(UP_BYTES);
    if goodbyes.iter().all(|byte| *byte == 0) {
        up
    } else {
        bits
    }
}

/// The hour that [`stored`] gave; `None` when the bytes are none.
#[must_use]
pub fn from_stored(bytes: &[u8]) -> Option<HourBits> {
    if bytes.len() != UP_BYTES && bytes.len() != HOUR_BYTES {
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
            self.set(pane, UP_BYTES, !online);
            self.refill_around(pane, silent_after);
            return;
        };
        let before = (known.first, known.last, known.ends_online());
        known.take_in(at, online);
        let after = (known.first, known.last, known.ends_online());
        // Within a pane the edges only move closer to their neighbours, so nothing is refilled unless one of them moved.
        if before != after {
            self.set(pane, UP_BYTES, !after.2);
            self.refill_around(pane, silent_after);
        }
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

    /// The bitmaps as of `clock`: the silence after the last sign counts as up while it is shorter than `silent_after`.
    #[must_use]
    pub fn live(&self, clock: Micros, silent_after: Span) -> BTreeMap<Micros, HourBits> {
        let mut hours = self.hours.clone();
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SILENT_AFTER: Span = Span::from_secs(60);

    fn at(seconds: i64) -> Micros {
        Micros(seconds * 1_000_000)
    }

    /// The covered panes, as their start in seconds.
    fn covered(hours: &BTreeMap<Micros, HourBits>) -> Vec<i64> {
        let mut panes = Vec::new();
        for (hour, bits) in hours {
            for index in 0..360_usize {
                if bits[index / 8] & 1 << (index % 8) != 0 {
                    panes.push(hour.0 / 1_000_000 + i64::try_from(index).unwrap() * 10);
                }
            }
        }
        panes
    }

    fn coverage_of(signs: &[(i64, bool)]) -> Coverage {
        let mut coverage = Coverage::default();
        for &(seconds, online) in signs {
            coverage.sign(at(seconds), online, SILENT_AFTER);
        }
        coverage
    }

    #[test]
    fn the_gap_between_two_signs_is_covered_when_it_is_short() {
        assert_eq!(
            covered(&coverage_of(&[(5, true), (35, true)]).hours),
            [0, 10, 20, 30]
        );
        assert_eq!(
            covered(&coverage_of(&[(5, true), (66, true)]).hours),
            [0, 60]
        );
        assert_eq!(
            covered(&coverage_of(&[(5, true), (66, true), (40, true)]).hours),
            [0, 10, 20, 30, 40, 50, 60]
        );
    }

    #[test]
    fn a_sensor_that_said_goodbye_is_not_covered_until_it_is_back() {
        assert_eq!(
            covered(&coverage_of(&[(5, true), (15, false), (45, true)]).hours),
            [0, 10, 40]
        );
        assert_eq!(
            covered(&coverage_of(&[(12, false), (15, true), (35, true)]).hours),
            [10, 20, 30]
        );
    }

    #[test]
    fn silence_counts_as_up_only_while_it_is_short() {
        let coverage = coverage_of(&[(5, true)]);
        assert_eq!(
            covered(&coverage.live(at(40), SILENT_AFTER)),
            [0, 10, 20, 30, 40, 50, 60]
        );
        assert_eq!(covered(&coverage.live(at(66), SILENT_AFTER)), [0]);
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_does_not_matter(
            signs in prop::collection::vec((0..900_i64, prop::bool::weighted(0.9)), 1..60)
                .prop_flat_map(|signs| (Just(signs.clone()), Just(signs).prop_shuffle()))
        ) {
            // A sensor cannot be up and gone at the same instant.
            let mut unique = BTreeMap::new();
            for (second, online) in &signs.0 {
                unique.entry(*second).or_insert(*online);
            }
            let shuffled: Vec<_> = signs.1.iter().map(|(second, _)| (*second, unique[second])).collect();
            let sorted: Vec<_> = unique.iter().map(|(&second, &online)| (second, online)).collect();
            prop_assert_eq!(coverage_of(&shuffled).hours, coverage_of(&sorted).hours);
            // Brute force over the sorted signs.
            let mut expected: BTreeSet<i64> = sorted.iter().map(|(second, _)| second / 10 * 10).collect();
            for pair in sorted.windows(2) {
                if pair[0].1 && pair[1].0 - pair[0].0 <= 60 {
                    expected.extend((pair[0].0 / 10..=pair[1].0 / 10).map(|pane| pane * 10));
                }
            }
            prop_assert_eq!(covered(&coverage_of(&sorted).hours), expected.into_iter().collect::<Vec<_>>());
        }
    }
}
