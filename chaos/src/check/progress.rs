//! How long a partition stood still: from samples of how far the live view has come.

use std::time::{Duration, Instant};

/// How far each partition had come at a moment; `None` where nothing could be read.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When it was looked at.
    pub at: Instant,
    /// The next offset of each partition.
    pub offsets: Vec<Option<i64>>,
}

/// The longest time within `from..to` for which `partition` did not move on.
#[must_use]
pub fn gap(samples: &[Sample], partition: usize, from: Instant, to: Instant) -> Duration {
    let mut moved = from;
    let mut newest = None;
    let mut longest = Duration::ZERO;
    for sample in samples.iter().filter(|sample| sample.at <= to) {
        let Some(&Some(offset)) = sample.offsets.get(partition) else {
            continue;
        };
        if newest.is_some_and(|newest| offset <= newest) {
            continue;
        }
        newest = Some(offset);
        if sample.at > from {
            longest = longest.max(sample.at - moved);
            moved = sample.at;
        }
    }
    longest.max(to.saturating_duration_since(moved))
}

/// The longest of all partitions.
#[must_use]
pub fn worst_gap(samples: &[Sample], from: Instant, to: Instant) -> Duration {
    let partitions = samples.first().map_or(0, |sample| sample.offsets.len());
    (0..partitions)
        .map(|partition| gap(samples, partition, from, to))
        .max()
        .unwrap_or_default()
}

/// How many records were taken in since `from`, all partitions together.
#[must_use]
pub fn shown(samples: &[Sample], from: Instant) -> u64 {
    let partitions = samples.first().map_or(0, |sample| sample.offsets.len());
    let of = |partition: usize| {
        let known = |sample: &Sample| sample.offsets.get(partition).copied().flatten();
        let before = samples.iter().filter(|sample| sample.at <= from);
        let before = before.filter_map(known).max()?;
        let newest = samples.iter().filter_map(known).max()?;
        u64::try_from(newest - before).ok()
    };
    (0..partitions).filter_map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_stand_still_counts_also_when_nothing_can_be_read() {
        let base = Instant::now();
        let at = |seconds| base + Duration::from_secs(seconds);
        let sample = |seconds, offset| Sample {
            at: at(seconds),
            offsets: vec![offset],
        };
        let samples = [
            sample(0, Some(1)),
            sample(1, Some(2)),
            sample(2, None),
            // A view that was wiped begins behind; that is no progress.
            sample(3, Some(1)),
            sample(5, Some(3)),
            sample(6, Some(4)),
        ];
        let longest = |from, to| gap(&samples, 0, at(from), at(to)).as_secs();
        assert_eq!(longest(0, 6), 4);
        assert_eq!(longest(5, 6), 1);
        assert_eq!(longest(5, 16), 10, "nothing came after the last sample");
        assert_eq!(worst_gap(&samples, at(0), at(6)).as_secs(), 4);
        assert_eq!(shown(&samples, at(1)), 2);
    }
}
