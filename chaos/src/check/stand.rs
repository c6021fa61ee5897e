//! S1: nothing falls over: no process ends that nobody ended, and no log tells of a panic.

use std::process::ExitStatus;

use super::{Checker, Finding};

/// A process that ended although nobody asked it to.
#[must_use]
pub fn ended(name: &str, status: ExitStatus) -> String {
    format!("{name} ended by itself with {status}")
}

/// The first panic in what a role has logged, and everybody who ended by themselves.
#[must_use]
pub fn check<'a>(
    deaths: Vec<String>,
    logs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<Finding> {
    let mut logs = logs.into_iter();
    let panic = logs.find_map(|(name, text)| {
        let line = text.lines().find(|line| line.contains("panicked at"))?;
        Some(format!("{name}: {line}"))
    });
    let found = deaths.into_iter().chain(panic);
    found
        .map(|sentence| Finding::new(Checker::S1, sentence))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn a_death_and_a_panic_are_noticed() {
        let calm = [("gateway-0", "ready\n"), ("consumer-0", "rebuilding\n")];
        assert!(check(Vec::new(), calm).is_empty());
        let dead = ended("api-0", ExitStatus::from_raw(9));
        let panic = "started\nthread 'main' panicked at src/lib.rs:1:1:\nboom\n";
        let found = check(vec![dead], [calm[0], ("consumer-0", panic)]);
        let sentences: Vec<&str> = found
            .iter()
            .map(|finding| finding.sentence.as_str())
            .collect();
        assert_eq!(
            sentences,
            [
                "api-0 ended by itself with signal: 9 (SIGKILL)",
                "consumer-0: thread 'main' panicked at src/lib.rs:1:1:"
            ]
        );
        assert!(found.iter().all(|finding| finding.checker == Checker::S1));
    }
}
