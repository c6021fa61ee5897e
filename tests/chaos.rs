//! The rows of the fault table that every change must survive, shortened, on one real site. `make chaos` runs all of them in
//! full; a row that fails here leaves its ledger and logs behind and prints how to run it again.

use std::path::PathBuf;

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
    let outcomes = runtime
        .block_on(suite.run(|text| println!("{text}")))
        .unwrap();
    let failed = outcomes.iter().filter(|outcome| !outcome.passed());
    let failed: String = failed.map(Outcome::text).collect();
    assert!(failed.is_empty(), "{failed}");
}
