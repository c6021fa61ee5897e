//! A mergeable sketch of a distribution: counts in logarithmic bins, so every quantile is within 1 % of a true value.
//!
//! The rule is that of `DDSketch` (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch", VLDB 2019)
//! with relative accuracy α = 0.01 and no collapsing: γ = (1+α)/(1−α), and a value v > 0 falls into bin ⌈log v / log γ⌉. Bins
//! are integers and counts are integers, so merging, adding and taking back are exact and commute; t-digests are not.

use std::collections::BTreeMap;

use crate::varint::{put_varint, take_varint, unzigzag, zigzag};

/// The relative accuracy α.
pub const RELATIVE_ACCURACY: f64 = 0.01;

/// ln γ, with γ = 1.01/0.99.
const LN_GAMMA: f64 = 0.020_000_666_706_669_435;

/// Bin of everything that is zero.
const ZERO_BIN: i32 = i32::MIN;

/// A distribution of non-negative values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch {
    bins: BTreeMap<i32, u32>,
}

impl Sketch {
    /// Adds one value; negative or NaN counts as zero.
    pub fn add(&mut self, value: f64) {
        let count = self.bins.entry(bin_of(value)).or_default();
        *count = count.saturating_add(1);
    }

    /// Takes back one value that was added before.
    pub fn remove(&mut self, value: f64) {
        let bin = bin_of(value);
        if let Some(count) = self.bins.get_mut(&bin) {
            *count -= 1;
            if *count == 0 {
                self.bins.remove(&bin);
            }
        }
    }

    /// Adds everything that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        for (&bin, &added) in &other.bins {
            let count = self.bins.entry(bin).or_default();
            *count = count.saturating_add(added);
        }
    }

    /// Takes back everything that `other` holds and that was merged before.
    pub fn take_back(&mut self, other: &Self) {
        for (&bin, &taken) in &other.bins {
            if let Some(count) = self.bins.get_mut(&bin) {
                *count = count.saturating_sub(taken);
                if *count == 0 {
                    self.bins.remove(&bin);
                }
            }
        }
    }

    /// How many values it holds.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.bins.values().map(|&count| u64::from(count)).sum()
    }

    /// The value below which a share `q` (0 to 1) of the values lies, within 1 %; `None` when empty.
    ///
    /// The rank is `⌊q · (n − 1)⌋`, counted from 0, as in the paper.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rank is between 0 and the count, which is far below 2^53"
    )]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let total = self.count();
        if total == 0 {
            return None;
        }
        let rank = (q.clamp(0.0, 1.0) * (total - 1) as f64).floor() as u64;
        let mut below = 0;
        for (&bin, &count) in &self.bins {
            below += u64::from(count);
            if below > rank {
                return Some(value_of(bin));
            }
        }
        None
    }

    /// The bins in ascending order.
    pub fn bins(&self) -> impl Iterator<Item = (i32, u32)> + '_ {
        self.bins.iter().map(|(&bin, &count)| (bin, count))
    }

    /// Compact bytes: pairs of (difference to the previous bin, count) as varints.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bins.len() * 2 + 5);
        let mut previous = 0_i64;
        for (&bin, &count) in &self.bins {
            put_varint(&mut bytes, zigzag(i64::from(bin) - previous));
            put_varint(&mut bytes, u64::from(count));
            previous = i64::from(bin);
        }
        bytes
    }

    /// Reads [`Sketch::to_bytes`]; `None` when the bytes are not of that form.
    #[must_use]
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let mut bins = BTreeMap::new();
        let mut previous = 0_i64;
        while !bytes.is_empty() {
            previous = previous.checked_add(unzigzag(take_varint(&mut bytes)?))?;
            let count = u32::try_from(take_varint(&mut bytes)?)
                .ok()
                .filter(|&count| count > 0)?;
            bins.insert(i32::try_from(previous).ok()?, count);
        }
        Some(Self { bins })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "log_γ of any finite f64 is within ±40,000"
)]
fn bin_of(value: f64) -> i32 {
    if value > 0.0 {
        (value.ln() / LN_GAMMA).ceil() as i32
    } else {
        ZERO_BIN
    }
}

/// The value in the middle of a bin: within α of every value that falls into it.
fn value_of(bin: i32) -> f64 {
    if bin == ZERO_BIN {
        return 0.0;
    }
    let gamma = LN_GAMMA.exp();
    2.0 * (f64::from(bin) * LN_GAMMA).exp() / (gamma + 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sketch_of(values: &[f64]) -> Sketch {
        let mut sketch = Sketch::default();
        for &value in values {
            sketch.add(value);
        }
        sketch
    }

    #[test]
    fn gamma_is_that_of_one_percent() {
        assert!(
            (LN_GAMMA - ((1.0 + RELATIVE_ACCURACY) / (1.0 - RELATIVE_ACCURACY)).ln()).abs() < 1e-15
        );
    }

    proptest! {
        #[test]
        fn every_quantile_is_within_one_percent(mut values in prop::collection::vec(0.0..50.0_f64, 1..200), q in 0.0..=1.0_f64) {
            let answer = sketch_of(&values).quantile(q).unwrap();
            values.sort_by(f64::total_cmp);
            let below = |rank: usize| (rank as f64) <= q * (values.len() - 1) as f64;
            let truth = values[(0..values.len()).rev().find(|&rank| below(rank)).unwrap()];
            prop_assert!((answer - truth).abs() <= truth * RELATIVE_ACCURACY * 1.000_001, "{answer} for {truth}");
        }

        #[test]
        fn merging_and_taking_back_are_exact(
            left in prop::collection::vec(0.0..50.0_f64, 0..50),
            right in prop::collection::vec(0.0..50.0_f64, 0..50),
        ) {
            let mut merged = sketch_of(&left);
            merged.merge(&sketch_of(&right));
            let both: Vec<f64> = right.iter().chain(&left).copied().collect();
            prop_assert_eq!(&merged, &sketch_of(&both));
            for &value in &right {
                merged.remove(value);
            }
            prop_assert_eq!(merged, sketch_of(&left));
        }

        #[test]
        fn bytes_give_the_sketch_back(values in prop::collection::vec(0.0..1e9_f64, 0..100)) {
            let sketch = sketch_of(&values);
            prop_assert_eq!(Sketch::from_bytes(&sketch.to_bytes()), Some(sketch));
        }

        #[test]
        fn bytes_that_are_no_sketch_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            drop(Sketch::from_bytes(&bytes));
        }
    }
}
