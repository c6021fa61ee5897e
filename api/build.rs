//! Makes sure that the folder of the built dashboard exists, so that a build of it is noticed: cargo watches folders, and one
//! that is missing would make it build this crate every time.

use std::path::Path;

fn main() {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/dist");
    // Where it cannot be made (a read-only checkout) the dashboard is built before or not at all.
    drop(std::fs::create_dir_all(&dist));
    println!("cargo::rerun-if-changed=../web/dist");
}
