//! The protocol as a model: random schedules of owners, faults and servers against the code that the engine runs.
//!
//! Up to three owners acquire, fold, flush, checkpoint, commit and hand back two partitions, one atom at a time. Between any
//! two atoms an owner may crash, stand still and go on as a zombie; requests are refused, arrive late, or lose their
//! reply; Redis is wiped, goes back to an older copy, or loses single keys; Postgres is restored from a backup; a quarter of
//! the events come twice, and some too late. What must hold is checked at every step ([`servers`]) and after everything has
//! healed ([`world`]).
//!
//! - [`subject`], [`tally`], [`movement`]: the folds that are driven: a tiny one, and the real one;
//! - [`log`], [`postgres`], [`redis`], [`servers`]: the world around the engine, the checks among it;
//! - [`tasks`], [`owner`], [`world`]: the engine's decisions, step by step;
//! - [`mutant`]: broken variants, each of which a named check has to catch; [`schedule`]: how schedules are drawn.

mod log;
mod movement;
mod mutant;
mod owner;
mod postgres;
mod redis;
mod schedule;
mod servers;
mod subject;
mod tally;
mod tasks;
mod world;

use domain::movement::MovementFold;
use proptest::test_runner::{TestCaseError, TestError};

use mutant::{Check, MUTANTS, Mutant};
use schedule::{Step, runner, schedules, steps};
use subject::Subject;
use tally::Tally;
use world::World;

/// Schedules of a test; `FOOTFALL_MODEL_SCHEDULES` sets it.
const SCHEDULES: u32 = 20_000;
/// A mutant that survives so many is not caught.
const MUTANT_SCHEDULES: u32 = 20_000;

/// Runs schedules until a check fails, or all are done.
fn check<S: Subject>(schedules: u32) {
    let run = |steps: Vec<Step>| {
        World::<S>::run(&steps, None, None)
            .map_err(|failed| TestCaseError::fail(format!("{}: {}", failed.check, failed.detail)))
    };
    match runner(schedules, true).run(&steps(), run) {
        Ok(()) => {}
        Err(TestError::Fail(why, steps)) => {
            let steps: Vec<_> = steps.iter().map(|step| format!("    {step:?}")).collect();
            panic!("{why}\nafter\n{}", steps.join("\n"));
        }
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

#[test]
fn every_schedule_keeps_every_promise() {
    check::<Tally>(schedules(SCHEDULES));
}

#[test]
fn every_schedule_keeps_every_promise_about_visits() {
    check::<MovementFold>(schedules(SCHEDULES) / 10);
}

/// After how many schedules the check catches the mutant.
fn caught(mutant: Mutant, by: Check) -> Option<u32> {
    let tried = std::cell::Cell::new(0);
    let run = |steps: Vec<Step>| {
        tried.set(tried.get() + 1);
        World::<Tally>::run(&steps, Some(mutant), Some(by))
            .map_err(|failed| TestCaseError::fail(failed.detail))
    };
    match runner(MUTANT_SCHEDULES, false).run(&steps(), run) {
        Err(TestError::Fail(..)) => Some(tried.get()),
        _ => None,
    }
}

/// The table of this crate in the page that operators read; the counts may differ.
fn documented() -> Vec<String> {
    let page = include_str!("../../../../docs/reliability.md");
    let (_, table) = page.split_once("<!-- mutants of the consumer -->").unwrap();
    let (table, _) = table.split_once("<!-- end -->").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|row| row.rsplitn(3, '|').last().unwrap().trim().to_owned())
        .collect()
}

#[test]
fn every_mutant_is_caught_by_its_check() {
    let mut found = Vec::new();
    for (mutant, what, by) in MUTANTS {
        let schedules = caught(mutant, by).unwrap_or_else(|| panic!("{what} is not caught"));
        println!("| {what} | {by} | {schedules} |");
        found.push(format!("| {what} | {by}"));
    }
    assert_eq!(found, documented(), "docs/reliability.md holds this table");
}
