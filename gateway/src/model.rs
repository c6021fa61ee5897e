//! I4 as a model: a device that sends again what was not acknowledged, connections that break, and a Kafka that takes
//! records in any order, against the real [`Session`], [`Window`] and [`Slot`].
//!
//! *PUBACK sent → every record of the publish is in Kafka.* Broken variants must be caught by the check that is named in
//! `docs/reliability.md`.

mod world;

use std::fmt;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use world::{Step, World};

/// Schedules of a test; `FOOTFALL_MODEL_SCHEDULES` sets it.
const SCHEDULES: u32 = 20_000;
/// A mutant that survives so many is not caught.
const MUTANT_SCHEDULES: u32 = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    I4,
    InOrder,
    EndResult,
}

impl fmt::Display for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::I4 => "I4",
            Self::InOrder => "order of receipt",
            Self::EndResult => "end result",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    BeforeDelivery,
    FirstRecordIsEnough,
    RefusedIsDelivered,
    OutOfTurn,
    Forgotten,
}

const MUTANTS: [(Mutant, &str, Check); 5] = [
    (Mutant::BeforeDelivery, "PUBACK before delivery", Check::I4),
    (
        Mutant::FirstRecordIsEnough,
        "PUBACK at the first of several records",
        Check::I4,
    ),
    (
        Mutant::RefusedIsDelivered,
        "a refused record counts as delivered",
        Check::I4,
    ),
    (Mutant::OutOfTurn, "PUBACK out of turn", Check::InOrder),
    (Mutant::Forgotten, "a publish forgotten", Check::EndResult),
];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let publish =
        (any::<u8>(), any::<bool>()).prop_map(|(records, is_exactly_once)| Step::Publish {
            records,
            is_exactly_once,
        });
    let step = prop_oneof![
        4 => publish,
        8 => any::<u8>().prop_map(|which| Step::Deliver { which }),
        1 => any::<u8>().prop_map(|which| Step::Refuse { which }),
        3 => Just(Step::Acknowledge),
        1 => Just(Step::Reconnect),
    ];
    prop::collection::vec(step, 1..40)
}

/// How many schedules a test runs.
fn schedules() -> u32 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the size of a test, not a setting of the product"
    )]
    let wanted = std::env::var("FOOTFALL_MODEL_SCHEDULES");
    wanted.map_or(SCHEDULES, |n| {
        n.parse().expect("FOOTFALL_MODEL_SCHEDULES is a number")
    })
}

proptest! {
    #![proptest_config(Config::with_cases(schedules()))]

    #[test]
    fn what_is_acknowledged_is_in_kafka(steps in steps()) {
        prop_assert_eq!(World::run(&steps, None, None), Ok(()));
    }
}

/// After how many schedules the check catches the mutant.
fn caught(mutant: Mutant, by: Check) -> Option<u32> {
    let tried = std::cell::Cell::new(0);
    let run = |steps: Vec<Step>| {
        tried.set(tried.get() + 1);
        World::run(&steps, Some(mutant), Some(by))
            .map_err(|check| TestCaseError::fail(check.to_string()))
    };
    let config = Config {
        cases: MUTANT_SCHEDULES,
        max_shrink_iters: 0,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    match TestRunner::new_with_rng(config, rng).run(&steps(), run) {
        Err(TestError::Fail(..)) => Some(tried.get()),
        _ => None,
    }
}

/// The table of this crate in the page that operators read.
fn documented() -> Vec<&'static str> {
    let page = include_str!("../../docs/reliability.md");
    let (_, table) = page.split_once("<!-- mutants of the gateway -->").unwrap();
    let (table, _) = table.split_once("<!-- end -->").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| "));
    rows.skip(1).collect()
}

#[test]
fn every_mutant_is_caught_by_its_check() {
    let mut found = Vec::new();
    for (mutant, what, by) in MUTANTS {
        let schedules = caught(mutant, by).unwrap_or_else(|| panic!("{what} is not caught"));
        let row = format!("| {what} | {by} |");
        println!("{row} {schedules} |");
        found.push(row);
    }
    assert_eq!(found, documented(), "docs/reliability.md holds this table");
}
