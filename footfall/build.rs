//! Builds again when a migration is added: the compiler notices changed files by itself, new ones it does not.

fn main() {
    println!("cargo::rerun-if-changed=../migrations");
}
