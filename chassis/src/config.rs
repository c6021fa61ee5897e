//! What the configurations of all roles have in common: how a wrong value is reported.

use std::time::Duration;

use thiserror::Error;

/// A setting that cannot be used. Found before the first connection is made; the process then exits with status 2.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{flag} is {value:?}, expected {expected}")]
pub struct ConfigError {
    /// The flag, as it is written on the command line.
    pub flag: &'static str,
    /// What was given.
    pub value: String,
    /// What would do.
    pub expected: &'static str,
}

impl ConfigError {
    /// An error for `flag` with `value`.
    #[expect(clippy::needless_pass_by_value, reason = "callers pass what they have")]
    pub fn new(flag: &'static str, value: impl ToString, expected: &'static str) -> Self {
        Self {
            flag,
            value: value.to_string(),
            expected,
        }
    }
}

/// Reads a duration such as `250ms`, `10s` or `1h 30m`; for clap's `value_parser`.
///
/// # Errors
/// A sentence that says what was expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("expected a duration such as 250ms, 10s or 5m: {error}"))
}

/// Checks that `value` lies in `range`.
///
/// # Errors
/// [`ConfigError`] with the flag and what was expected.
pub fn within<T>(
    flag: &'static str,
    value: T,
    range: std::ops::RangeInclusive<T>,
    expected: &'static str,
) -> Result<(), ConfigError>
where
    T: PartialOrd + std::fmt::Debug + Copy,
{
    if range.contains(&value) {
        Ok(())
    } else {
        Err(ConfigError {
            flag,
            value: format!("{value:?}"),
            expected,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_flag_value_and_expectation() {
        let error = within("--workers", 0, 1..=64, "1 to 64 worker threads").unwrap_err();
        assert_eq!(
            error.to_string(),
            "--workers is \"0\", expected 1 to 64 worker threads"
        );
        assert!(duration("250ms").is_ok());
        assert!(duration("fast").unwrap_err().contains("250ms"));
    }
}
