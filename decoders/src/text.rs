//! Which text may name a thing.

use domain::id::is_name;
use domain::rejection::{Reason, Rejection};

pub use domain::id::NAME_BYTES_MAX;

/// Checks that `name`, found in `field`, can name something: see [`is_name`].
///
/// # Errors
/// A [`Reason::BadField`] that says what was expected.
pub fn check_name(field: &str, name: &str) -> Result<(), Rejection> {
    if is_name(name) {
        return Ok(());
    }
    Err(Rejection::new(
        Reason::BadField,
        format!(
            "field {field}: expected 1 to {NAME_BYTES_MAX} bytes of printable text, found {}",
            found(name)
        ),
    ))
}

/// `text` for an explanation: quoted, escaped and short.
pub(crate) fn found(text: &str) -> String {
    const CHARACTERS_MAX: usize = 40;
    let shown: String = text.chars().take(CHARACTERS_MAX).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("{shown:?}{more}")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("t-1")]
    #[case("Zoë 你好")]
    #[case("a b")]
    fn names_of_any_script_are_fine(#[case] name: &str) {
        assert_eq!(check_name("traveler_id", name), Ok(()));
    }

    #[rstest]
    #[case("")]
    #[case("a\0b")]
    #[case("line\nbreak")]
    #[case("\u{202e}gnihtemos")]
    #[case(&"x".repeat(257))]
    fn names_that_break_or_deceive_are_refused(#[case] name: &str) {
        let rejection = check_name("traveler_id", name).unwrap_err();
        assert_eq!(rejection.reason, Reason::BadField);
        assert!(
            rejection.detail.starts_with("field traveler_id: expected"),
            "{}",
            rejection.detail
        );
        assert!(rejection.detail.len() < 400, "the explanation stays short");
    }
}
