//! The protocol as a model: random schedules of owners, faults and servers against the code that the engine runs.
//!
//! Up to three owners acquire, fold, flush, checkpoint, commit and hand back two partitions, one atom at a time. Between any
//! two atoms an owner may crash, stand still and go on as a zombie; requests are refused, arrive late, or lose their
//! reply, those that take a partition over and commits to Kafka among them; Redis is wiped, goes back to an older copy, or
//! loses single keys; Postgres is away for a while, or restored from a backup; a quarter of the events come twice, and some
//! too late. What must hold is checked at every step ([`servers`]) and after everything has healed ([`world`]).
//!
//! - [`subject`], [`tally`], [`movement`], [`broken`]: the folds that are driven: a tiny one, the real one, and its mutants;
//! - [`log`], [`postgres`], [`redis`], [`wire`], [`servers`]: the world around the engine, the checks among it;
//! - [`tasks`], [`loading`], [`owner`], [`world`]: the engine's decisions, step by step;
//! - [`mutant`]: broken variants, each of which a named check has to catch; [`schedule`]: how schedules are drawn.

mod broken;
mod loading;
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
mod wire;
mod world;

use domain::movement::MovementFold;
use proptest::test_runner::{TestCaseError, TestError};

use broken::Broken;
use mutant::{Check, MOVEMENT_MUTANTS, MUTANTS, Mutant};
use schedule::{Produced, Step, runner, schedules, steps};
use subject::Subject;
use tally::Tally;
use world::World;

/// Schedules of a test; `FOOTFALL_MODEL_SCHEDULES` sets it.
const SCHEDULES: u32 = 20_000;
/// A mutant that survives so many is not caught.
const MUTANT_SCHEDULES: u32 = 100_000;

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
    check::<MovementFold>(schedules(SCHEDULES));
}

/// What was once found, step by step: the seeds of old schedules give others as soon as the model draws something new.
#[test]
fn a_visit_that_is_over_leaves_the_live_view_while_nothing_else_happens() {
    let produce = |fact| Step::Produce { partition: 0, fact };
    let seen = |ago| produce(Produced::New { device: 0, ago });
    let tick = |after| produce(Produced::Tick { after });
    let work = Step::Work { owner: 0 };
    let steps = [
        tick(6),
        tick(6),
        seen(0),
        seen(9),
        work,
        tick(6),
        tick(2),
        tick(2),
        seen(0),
        work,
        seen(0),
    ];
    for run in [World::<MovementFold>::run, World::<Tally>::run] {
        run(&steps, None, None).unwrap();
    }
}

/// After how many schedules the check catches the mutant.
fn caught<S: Subject>(mutant: Mutant, by: Check) -> Option<u32> {
    let tried = std::cell::Cell::new(0);
    let run = |steps: Vec<Step>| {
        tried.set(tried.get() + 1);
        World::<S>::run(&steps, Some(mutant), Some(by))
            .map_err(|failed| TestCaseError::fail(failed.detail))
    };
    match runner(MUTANT_SCHEDULES, false).run(&steps(), run) {
        Err(TestError::Fail(..)) => Some(tried.get()),
        _ => None,
    }
}

/// Prints the table of who catches whom, and gives it as it is documented: without the schedules that it took, which
/// change with every line of the engine.
fn table<S: Subject>(fold: &str, mutants: &[(Mutant, &str, Check)]) -> Vec<String> {
    let row = |(mutant, what, by): &(Mutant, &str, Check)| {
        let schedules = caught::<S>(*mutant, *by);
        let schedules = schedules.unwrap_or_else(|| panic!("{what} ({fold}) is not caught"));
        let row = format!("| {what} | {fold} | {by} |");
        println!("{row} {schedules} |");
        row
    };
    mutants.iter().map(row).collect()
}

/// The table of this crate in the page that operators read.
fn documented() -> Vec<&'static str> {
    let page = include_str!("../../../../docs/reliability.md");
    let (_, table) = page.split_once("<!-- mutants of the consumer -->").unwrap();
    let (table, _) = table.split_once("<!-- end -->").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| "));
    rows.skip(1).collect()
}

#[test]
fn every_mutant_is_caught_by_its_check() {
    let mut found = table::<Tally>("counting", &MUTANTS);
    found.extend(table::<Broken>("movement", &MOVEMENT_MUTANTS));
    assert_eq!(found, documented(), "docs/reliability.md holds this table");
}
