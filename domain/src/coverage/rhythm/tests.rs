use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::{Coverage, HourBits, stored};
use super::*;

const SILENT_AFTER: Span = Span::from_secs(60);

fn at(seconds: i64) -> Micros {
    Micros(seconds * 1_000_000)
}

/// The hours of a sensor that gave these signs; `false` is a goodbye.
fn hours(signs: &[(i64, bool)]) -> BTreeMap<Micros, HourBits> {
    let mut coverage = Coverage::default();
    for (seconds, online) in signs {
        coverage.sign(at(*seconds), *online, SILENT_AFTER);
    }
    coverage.hours
}

fn runs_of(signs: &[(i64, bool)]) -> Vec<Run> {
    let hours = hours(signs);
    runs(hours.iter().map(|(hour, bits)| (*hour, stored(bits))))
}

/// Heartbeats `every` so many seconds, `count` of them.
fn beats(from: i64, every: i64, count: i64) -> Vec<(i64, bool)> {
    (0..count).map(|n| (from + n * every, true)).collect()
}

#[test]
fn a_slow_heartbeat_is_believed_after_three_silences() {
    let runs = runs_of(&beats(0, 300, 12));
    let covered: Vec<_> = covered(&runs).collect();
    let expected: Vec<_> = (3..11).map(|n| (n * 30, n * 30 + 30)).collect();
    assert_eq!(covered, expected);
    assert_eq!(usual_after(&runs, at(3300)), PANE * 58);
}

#[test]
fn twice_the_usual_silence_is_covered_and_a_longer_one_is_not() {
    for (missed, is_covered) in [(58, true), (59, false)] {
        let mut signs = beats(0, 300, 12);
        signs.push((3300 + 10 * (missed + 1), true));
        let runs = runs_of(&signs);
        assert_eq!(
            covered(&runs).last(),
            is_covered
                .then_some((330, 331 + missed))
                .or(Some((300, 330)))
        );
    }
}

#[test]
fn outages_of_a_sensor_that_speaks_all_the_time_are_no_rhythm() {
    // Three outages of five minutes within three hours, at a sensor that speaks every ten seconds.
    let mut signs: Vec<(i64, bool)> = beats(0, 10, 1080);
    signs.retain(|(second, _)| second % 3000 < 2700);
    assert_eq!(covered(&runs_of(&signs)).count(), 0);
    assert_eq!(usual_after(&runs_of(&signs), at(10_790)), Span(0));
}

#[test]
fn a_goodbye_and_more_than_half_an_hour_are_not_covered() {
    let mut signs = beats(0, 900, 12);
    signs.push((10_000, false));
    signs.extend(beats(10_800, 900, 3));
    signs.extend(beats(10_800 + 1800 + 1830, 900, 2));
    let covered: Vec<_> = covered(&runs_of(&signs)).collect();
    assert!(
        !covered.iter().any(|(from, _)| *from == 1000),
        "{covered:?}"
    );
    assert!(
        !covered.iter().any(|(from, _)| *from == 1260),
        "{covered:?}"
    );
    assert!(covered.contains(&(1080, 1170)), "{covered:?}");
    assert_eq!(usual_after(&runs_of(&signs[..13]), at(10_000)), Span(0));
}

/// The definition, pane by pane.
fn brute_force(hours: &BTreeMap<Micros, HourBits>) -> BTreeSet<i64> {
    let mut up = BTreeMap::new();
    for (hour, bits) in hours {
        for index in 0..360_usize {
            let is_set = |from: usize| bits[from + index / 8] & 1 << (index % 8) != 0;
            if is_set(0) {
                up.insert(
                    hour.0 / PANE.0 + i64::try_from(index).unwrap(),
                    is_set(UP_BYTES),
                );
            }
        }
    }
    let silence_after = |pane: i64| {
        let next = *up.range(pane + 1..).next()?.0;
        (!up[&pane] && next - pane - 1 <= 180).then_some(next - pane - 1)
    };
    let mut covered = BTreeSet::new();
    for &pane in up.keys() {
        let Some(silence) = silence_after(pane).filter(|silence| *silence > 0) else {
            continue;
        };
        let recent: Vec<i64> = up
            .range(pane - 1079..=pane)
            .map(|(pane, _)| *pane)
            .collect();
        let before: Vec<i64> = recent
            .iter()
            .filter(|recent| **recent < pane)
            .filter_map(|pane| silence_after(*pane))
            .collect();
        let time = i64::try_from(recent.len()).unwrap() + before.iter().sum::<i64>();
        let is_usual = |usual: i64| {
            let long: Vec<i64> = before
                .iter()
                .copied()
                .filter(|silence| *silence >= usual)
                .collect();
            long.len() >= 3 && 2 * long.iter().sum::<i64>() >= time
        };
        if (1..=180).any(|usual| silence <= 2 * usual && is_usual(usual)) {
            covered.extend(pane + 1..=pane + silence);
        }
    }
    covered
}

proptest! {
    #[test]
    fn what_is_covered_is_what_the_definition_says(
        rhythms in prop::collection::vec((10..1_200_i64, 1..12_i64, 0..120_i64, prop::bool::weighted(0.9)), 1..12)
    ) {
        let mut signs = Vec::new();
        let mut second = 0;
        for (every, count, jitter, stays) in rhythms {
            for n in 0..count {
                second += every + (n * 37) % (jitter + 1);
                signs.push((second, stays || n + 1 < count));
            }
        }
        let hours = hours(&signs);
        let runs = runs(hours.iter().map(|(hour, bits)| (*hour, stored(bits))));
        let found: BTreeSet<i64> = covered(&runs).flat_map(|(from, to)| from + 1..to).collect();
        prop_assert_eq!(found, brute_force(&hours));
        // What is said at the time is what is said in hindsight.
        for pair in runs.windows(2) {
            let usual = usual_after(&runs, Micros(pair[0].last * PANE.0));
            let silence = pair[1].first - pair[0].last - 1;
            let is_covered = covered(&runs).any(|(from, _)| from == pair[0].last);
            prop_assert_eq!(PANE * silence <= usual, is_covered);
        }
    }
}
