//! Lengths of time: `10s`, `5m`, `1h`. Windows and steps are made of panes, so they are multiples of ten seconds.

use domain::pane::PANE;
use domain::time::Span;

use crate::problem::{Answer, Problem};

const UNITS: [(char, i64); 3] = [('s', 1), ('m', 60), ('h', 3600)];
/// The longest window or step: 31 days.
const SPAN_MAX: Span = Span::from_secs(31 * 86_400);

/// Reads `given` as a positive multiple of ten seconds.
///
/// # Errors
/// A 400 that names `parameter` and what would do.
pub fn pane_multiple(parameter: &str, given: &str) -> Answer<Span> {
    if given.ends_with(['d', 'w']) || given.ends_with("mo") {
        return Err(Problem::parameter(
            parameter,
            "calendar_step",
            format!(
                "{given:?} is a calendar step, which is not answered yet; a fixed length such as 24h is, and does not follow the clocks"
            ),
        ));
    }
    let Some(span) = parse(given) else {
        return Err(Problem::parameter(
            parameter,
            "not_a_duration",
            format!("{given:?} is not a duration such as 10s, 5m or 1h"),
        ));
    };
    if span.0 % PANE.0 != 0 || span.0 <= 0 {
        let nearest = Span(((span.0 + PANE.0 / 2) / PANE.0 * PANE.0).max(PANE.0));
        return Err(Problem::parameter(
            parameter,
            "not_a_multiple",
            format!(
                "{given:?} is not a multiple of 10s above zero; the nearest is {}",
                label(nearest)
            ),
        ));
    }
    if span > SPAN_MAX {
        return Err(Problem::parameter(
            parameter,
            "too_long",
            format!("{given:?} is longer than {}", label(SPAN_MAX)),
        ));
    }
    Ok(span)
}

/// Seconds, minutes or hours, whole numbers only.
pub(super) fn parse(given: &str) -> Option<Span> {
    let unit = given.chars().last()?;
    let (_, seconds) = UNITS.into_iter().find(|&(name, _)| name == unit)?;
    let digits = given.strip_suffix(unit)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: i64 = digits.parse().ok()?;
    count.checked_mul(seconds)?.checked_mul(1_000_000).map(Span)
}

/// The shortest way to write a whole number of seconds: `90s`, `5m`, `1h`.
#[must_use]
pub fn label(span: Span) -> String {
    let seconds = span.0 / 1_000_000;
    let (unit, size) = UNITS
        .into_iter()
        .rev()
        .find(|&(_, size)| seconds % size == 0)
        .expect("every number of seconds is a multiple of one");
    format!("{}{unit}", seconds / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &str, expected: Result<i64, &str>) {
        match (pane_multiple("step", given), expected) {
            (Ok(span), Ok(seconds)) => assert_eq!(span, Span::from_secs(seconds), "{given}"),
            (Err(problem), Err(part)) => {
                assert_eq!(problem.body().errors[0].parameter, "step");
                assert!(problem.to_string().contains(part), "{given}: {problem}");
            }
            (found, _) => panic!("{given}: {found:?}"),
        }
    }

    #[test]
    fn multiples_of_ten_seconds_are_read() {
        check("10s", Ok(10));
        check("60s", Ok(60));
        check("5m", Ok(300));
        check("1h", Ok(3600));
    }

    #[test]
    fn anything_else_is_told_what_would_do() {
        check("0s", Err("the nearest is 10s"));
        check("7s", Err("the nearest is 10s"));
        check("64s", Err("the nearest is 1m"));
        check("66s", Err("the nearest is 70s"));
        check("1d", Err("a fixed length such as 24h"));
        check("1mo", Err("does not follow the clocks"));
        check("60", Err("10s, 5m or 1h"));
        check("-10s", Err("10s, 5m or 1h"));
        check("1.5m", Err("10s, 5m or 1h"));
        check("99999999999999999999s", Err("10s, 5m or 1h"));
        check("9223372036854h", Err("10s, 5m or 1h"));
        check("800h", Err("longer than"));
    }
}
