//! Runs a fuzz target over everything that is kept for it, without the fuzzer: the corpus, and what was found.
//!
//! The crates that are fuzzed take this file into their tests by its path, so that `cargo test` alone is enough.

use std::fs;
use std::path::Path;

/// Calls `target` with every file of `fuzz/corpus/<name>` and `fuzz/findings/<name>`.
pub(crate) fn replay(name: &str, target: impl Fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let corpus = run_all(&fuzz.join("corpus").join(name), &target);
    assert!(corpus > 0, "fuzz/corpus/{name} is empty");
    run_all(&fuzz.join("findings").join(name), &target);
}

/// Runs the files of a folder, which need not exist, and counts them. The file that fails is named by the panic before.
fn run_all(folder: &Path, target: impl Fn(&[u8])) -> usize {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let mut count = 0;
    for entry in entries {
        let file = entry.expect("a folder that was opened is listed").path();
        let data = fs::read(&file).expect("a listed file is readable");
        let name = file.display();
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| target(&data))).is_err() {
            panic!("{name} breaks its target: the reason stands above");
        }
        count += 1;
    }
    count
}
