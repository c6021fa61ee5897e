//! What signs of life cover, in any order, and what a late one revises.

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
fn a_late_sign_revises_what_was_final_and_nothing_else() {
    let mut coverage = coverage_of(&[(5, true), (95, true)]);
    assert_eq!(stored(&coverage.hours[&at(0)]).len(), UP_BYTES);
    coverage.late_sign((at(40), true), at(70), SILENT_AFTER);
    let bits = coverage.hours[&at(0)];
    let revised = (0..360).filter(|index| has_bit(&bits, REVISED, *index));
    // It covers 10 to 80; what begins at 70 or later was not final yet.
    assert_eq!(revised.collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(
        covered(&coverage.hours),
        [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]
    );
    assert_eq!(coverage.drain_revised(), BTreeSet::from([at(0)]));
    assert_eq!(from_stored(stored(&bits)), Some(bits));
    // A copy changes nothing.
    coverage.late_sign((at(40), true), at(70), SILENT_AFTER);
    assert_eq!(coverage.drain_revised(), BTreeSet::new());
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
