//! The rows of the fault table that every change must survive, shortened, on one real site. `make chaos` runs all of them in
//! full; a row that fails here leaves its ledger and logs behind and prints how to run it again. None of these rows needs root, so
//! one that was skipped has failed.

use std::path::PathBuf;
use std::time::Instant;

use chaos::report::Outcome;
use chaos::row;
use chaos::scene::Length;
use chaos::suite::Suite;

#[test]
fn nothing_acknowledged_is_lost_and_nothing_counts_twice_under_faults() {
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("chaos");
    let rows = row::all().into_iter().filter(|row| row.in_subset);
    let suite = Suite {
        rows: rows.collect(),
        repeat: 1,
        seed: 1,
        length: Length::Short,
        out,
        footfall: PathBuf::from(env!("CARGO_BIN_EXE_footfall")),
        previous: None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let began = Instant::now();
    let outcomes = runtime
        .block_on(suite.run(|text| println!("{text}")))
        .unwrap();
    println!(
        "{} rows took {:.0} s",
        outcomes.len(),
        began.elapsed().as_secs_f64()
    );
    assert!(!outcomes.is_empty() && outcomes.len() == suite.rows.len());
    let has_shown = |outcome: &&Outcome| outcome.passed() && outcome.skipped.is_none();
    let others = outcomes.iter().filter(|outcome| !has_shown(outcome));
    let others: String = others.map(Outcome::text).collect();
    assert!(others.is_empty(), "{others}");
}
