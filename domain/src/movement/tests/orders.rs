//! Whatever the order of arrival, with duplicates, ticks, checkpoints and restarts in between, the rows are those of the set of
//! samples.

use std::collections::HashMap;

use proptest::prelude::*;

use super::reference::{Between, check, check_with, folded_with};
use super::*;

fn between() -> impl Strategy<Value = Between> {
    prop_oneof![
        6 => Just(Between::Nothing),
        1 => Just(Between::Tick),
        1 => Just(Between::Checkpoint),
        1 => Just(Between::Restart),
        1 => Just(Between::Live),
    ]
}

fn samples() -> impl Strategy<Value = Vec<(Seen, Between)>> {
    let who = prop_oneof![8 => 0..4_u8, 1 => Just(HEARTBEAT), 1 => Just(GOODBYE)];
    let seen = (who, 0..1500_i64, 0..200_u16, -50..50_i16, -50..50_i16);
    prop::collection::vec((seen, between()), 1..80).prop_map(|mut samples| {
        // One event id stands for one position, as a device that re-sends would have it.
        let mut known: HashMap<(u8, i64, u16), (i16, i16)> = HashMap::new();
        for (seen, _) in &mut samples {
            let at = *known
                .entry((seen.0, seen.1, seen.2))
                .or_insert((seen.3, seen.4));
            (seen.3, seen.4) = at;
        }
        let copies: Vec<_> = samples.iter().step_by(7).copied().collect();
        samples.extend(copies);
        samples
    })
}

/// Of two broken sensors' travelers: jumps over any distance within a moment, at any speed that a sample can have.
fn wild() -> impl Strategy<Value = Vec<(Seen, Between)>> {
    let seen = (
        WILD + 1..=WILD + 2,
        0..2_i64,
        0..300_u16,
        any::<i16>(),
        any::<i16>(),
    );
    prop::collection::vec((seen, between()), 1..80).prop_map(|mut samples| {
        let mut known: HashMap<(u8, i64, u16), (i16, i16)> = HashMap::new();
        for (seen, _) in &mut samples {
            let at = known.entry((seen.0, seen.1, seen.2));
            (seen.3, seen.4) = *at.or_insert((seen.3, seen.4));
        }
        samples
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn sums_of_impossible_speeds_do_not_depend_on_the_order_either(samples in wild(), is_late in any::<bool>()) {
        let mut samples = samples;
        if is_late {
            samples.insert(0, ((WILD + 1, 30_000, 1, 0, 0), Between::Nothing));
        }
        check(&samples);
    }

    #[test]
    fn any_order_of_arrival_gives_the_answer_of_the_set(samples in samples(), idle_gap in 1..40_i64) {
        let idle_gap = Span::from_secs(idle_gap);
        check_with(&MovementConfig { idle_gap, ..MovementConfig::default() }, &samples);
    }

    /// Over hours, roughly in order: samples are sealed, tracks and panes expire, and nothing is lost by that.
    #[test]
    fn forgetting_what_is_final_changes_no_answer(samples in samples(), stretch in 1..20_i64, jitter in 0..2_000_i64) {
        let mut long: Vec<(Seen, Between)> = samples
            .into_iter()
            .enumerate()
            .map(|(n, ((traveler, tenths, id, x, y), between))| {
                let n = i64::try_from(n).unwrap();
                ((traveler, n * stretch * 10 + tenths * jitter / 1500, id, x, y), between)
            })
            .collect();
        let mut newest = 0;
        long.retain(|(seen, _)| {
            newest = newest.max(seen.1);
            seen.1 >= newest - 1_200
        });
        let lateness = Span::from_secs(120);
        check_with(&MovementConfig { lateness, ..MovementConfig::default() }, &long);
    }

    /// In any order over hours, so that most events are late, some by almost two days: whatever was final is amended.
    #[test]
    fn late_events_amend_what_was_final(
        samples in samples(),
        stretch in 1..2_000_i64,
        jitter in 0..20_000_i64,
        backwards in 0..1_000_i64,
        reach in prop_oneof![Just(20_i64), Just(200), Just(1_500)],
    ) {
        let long: Vec<(Seen, Between)> = samples
            .into_iter()
            .enumerate()
            .map(|(n, ((traveler, tenths, id, x, y), between))| {
                let n = i64::try_from(n).unwrap();
                // The latest of all: within 48 h of what is newest by then, or nothing is amended.
                let late = if n % 5 == 4 { backwards * reach } else { 0 };
                let at = n * stretch + tenths * jitter / 1500 - late;
                ((traveler, at, id, x, y), between)
            })
            .collect();
        let config = MovementConfig { lateness: Span::from_secs(120), ..MovementConfig::default() };
        check_with(&config, &long);
        // What is written down of the past is a function of the log too, whoever folded it and however often it changed hands.
        let of_one: Vec<_> = long
            .iter()
            .map(|(seen, between)| match between {
                Between::Restart => (*seen, Between::Checkpoint),
                other => (*seen, *other),
            })
            .collect();
        prop_assert_eq!(folded_with(&config, &long).rows.blocks, folded_with(&config, &of_one).rows.blocks);
    }

    #[test]
    fn equal_logs_give_equal_snapshots(samples in samples()) {
        let state = |restart: bool| {
            let config = MovementConfig::default();
            let mut fold = MovementFold::new(&config);
            for (offset, (seen, _)) in (0..).zip(&samples) {
                fold.apply(event_of(*seen), offset);
                if restart {
                    drop(fold.drain_rows());
                    fold = MovementFold::restore(&fold.snapshot(), &config).unwrap();
                }
            }
            drop(fold.drain_rows());
            fold.snapshot()
        };
        prop_assert_eq!(state(false), state(true));
    }
}
