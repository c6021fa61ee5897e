//! Why an element of a message was refused. A refusal is a value, never an error: it goes to `dead-letters`.

use std::fmt;

/// The closed list of reasons; the text of each is part of the contract with operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Not JSON, or not UTF-8.
    BadJson,
    /// A required field is absent.
    MissingField,
    /// A field has the wrong type or a value outside its closed list.
    BadField,
    /// A timestamp that is neither RFC 3339 nor an epoch.
    BadTimestamp,
    /// NaN, infinite, or a coordinate beyond 10⁶ m.
    OutOfRange,
    /// A tag id that is neither hexadecimal nor printable text.
    BadTagId,
    /// JSON, but not a shape that this decoder knows.
    UnknownShape,
    /// No route matches the topic.
    Unrouted,
    /// The message is longer than the limit.
    TooLarge,
    /// The JSON nests deeper than the limit.
    TooDeep,
    /// The payload names another device than the one that was authenticated.
    IdentityMismatch,
    /// A record in Kafka that no version of the envelope can read.
    Undecodable,
    /// A record that made a fold panic, or a message that made its decoder panic.
    Poison,
}

impl Reason {
    /// Every reason, for metrics and for tests that must cover all.
    pub const ALL: [Self; 13] = [
        Self::BadJson,
        Self::MissingField,
        Self::BadField,
        Self::BadTimestamp,
        Self::OutOfRange,
        Self::BadTagId,
        Self::UnknownShape,
        Self::Unrouted,
        Self::TooLarge,
        Self::TooDeep,
        Self::IdentityMismatch,
        Self::Undecodable,
        Self::Poison,
    ];

    /// The name that operators, metrics and dead letters use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadJson => "bad_json",
            Self::MissingField => "missing_field",
            Self::BadField => "bad_field",
            Self::BadTimestamp => "bad_timestamp",
            Self::OutOfRange => "out_of_range",
            Self::BadTagId => "bad_tag_id",
            Self::UnknownShape => "unknown_shape",
            Self::Unrouted => "unrouted",
            Self::TooLarge => "too_large",
            Self::TooDeep => "too_deep",
            Self::IdentityMismatch => "identity_mismatch",
            Self::Undecodable => "undecodable",
            Self::Poison => "poison",
        }
    }

    /// The reason of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refused element: which rule it broke, and what was expected where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The rule.
    pub reason: Reason,
    /// What was expected and what was found, for the person who mounts readers. At most [`DETAIL_BYTES_MAX`] long.
    pub detail: String,
}

/// A detail quotes what it found, which may be as long as a message: then its middle is left out.
pub const DETAIL_BYTES_MAX: usize = 512;
/// What is kept of the end, where the place in the message stands.
const END_BYTES: usize = 128;
const LEFT_OUT: &str = " … ";

impl Rejection {
    /// A rejection with its explanation.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: within_bounds(detail.into()),
        }
    }
}

fn within_bounds(detail: String) -> String {
    if detail.len() <= DETAIL_BYTES_MAX {
        return detail;
    }
    let head = detail.floor_char_boundary(DETAIL_BYTES_MAX - END_BYTES - LEFT_OUT.len());
    let tail = detail.ceil_char_boundary(detail.len() - END_BYTES);
    [&detail[..head], LEFT_OUT, &detail[tail..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_that_quotes_a_whole_message_keeps_its_beginning_and_its_end() {
        for quoted in ["x", "\u{2026}"] {
            let detail = format!("found {} at line 1", quoted.repeat(1_000_000));
            let cut = Rejection::new(Reason::BadJson, detail).detail;
            assert!(cut.len() <= DETAIL_BYTES_MAX, "{}", cut.len());
            assert!(cut.len() > DETAIL_BYTES_MAX - 8, "{}", cut.len());
            assert!(
                cut.starts_with("found ") && cut.ends_with(" at line 1"),
                "{cut}"
            );
        }
        let whole = "y".repeat(DETAIL_BYTES_MAX);
        assert_eq!(Rejection::new(Reason::BadJson, whole.clone()).detail, whole);
    }
}
