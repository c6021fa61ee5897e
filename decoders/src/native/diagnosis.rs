//! What is wrong with an element, said so that the person who mounts the reader can repair it.

use domain::rejection::{Reason, Rejection};
use serde_json::value::RawValue;

use super::leaf::Name;
use crate::json::{self, DEPTH_MAX};
use crate::text::found;
use crate::timestamp::Stamp;

/// A field of an element.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) is_required: bool,
    pub(super) leaf: Leaf,
    /// What it should hold, in words.
    pub(super) expected: &'static str,
}

/// What a field holds.
#[derive(Clone, Copy)]
pub(super) enum Leaf {
    Name,
    Number,
    Stamp,
}

impl Field {
    pub(super) const fn required(name: &'static str, leaf: Leaf, expected: &'static str) -> Self {
        Self {
            name,
            is_required: true,
            leaf,
            expected,
        }
    }

    pub(super) const fn optional(name: &'static str, leaf: Leaf, expected: &'static str) -> Self {
        Self {
            name,
            is_required: false,
            leaf,
            expected,
        }
    }

    fn rejection(&self, reason: Reason, found: &str) -> Rejection {
        let Self { name, expected, .. } = self;
        Rejection::new(
            reason,
            format!("field {name}: expected {expected}, found {found}"),
        )
    }
}

/// The first field of `fields` that is wrong in the object `original`; `None` when all are right.
///
/// `finite` is the same text, at the same offsets, without numbers that JSON does not know.
pub(super) fn explain(fields: &[Field], original: &str, finite: &str) -> Option<Rejection> {
    let present = match json::object_fields(finite) {
        Ok(present) => present,
        Err(error) => return Some(not_an_object(finite, &error)),
    };
    fields.iter().find_map(|field| {
        let mut places = present
            .iter()
            .filter(|(name, _)| name == field.name)
            .map(|(_, place)| place.clone());
        let Some(place) = places.next() else {
            let missing = || field.rejection(Reason::MissingField, "no such field");
            return field.is_required.then(missing);
        };
        if places.next().is_some() {
            return Some(field.rejection(Reason::BadField, "it more than once"));
        }
        let value = &original[place.clone()];
        if value == "null" {
            let missing = || field.rejection(Reason::MissingField, "null");
            return field.is_required.then(missing);
        }
        let reason = broken_rule(field.leaf, value, &finite[place])?;
        Some(field.rejection(reason, &shown(value)))
    })
}

/// The rule that `value` breaks as a value of `leaf`.
fn broken_rule(leaf: Leaf, value: &str, finite: &str) -> Option<Reason> {
    let is_number = finite.starts_with(|first: char| first.is_ascii_digit() || first == '-');
    match leaf {
        Leaf::Name if value != finite || serde_json::from_str::<Name<'_>>(value).is_err() => {
            Some(Reason::BadField)
        }
        Leaf::Stamp if value != finite || serde_json::from_str::<Stamp<'_>>(value).is_err() => {
            Some(Reason::BadTimestamp)
        }
        // A number that is no double: NaN, Infinity, 1e999.
        Leaf::Number if value != finite => Some(Reason::OutOfRange),
        Leaf::Number if serde_json::from_str::<f64>(value).is_err() => Some(if is_number {
            Reason::OutOfRange
        } else {
            Reason::BadField
        }),
        Leaf::Name | Leaf::Stamp | Leaf::Number => None,
    }
}

/// JSON that is no object, or no JSON at all.
fn not_an_object(finite: &str, error: &serde_json::Error) -> Rejection {
    if serde_json::from_str::<&RawValue>(finite).is_err() {
        return Rejection::new(Reason::BadJson, bad_json(error));
    }
    let value = finite.trim_ascii();
    Rejection::new(
        Reason::UnknownShape,
        format!("expected a JSON object, found {}", shown(value)),
    )
}

/// Text shows its own quotes, everything else is shown as it stands, and all of it is short.
fn shown(value: &str) -> String {
    match serde_json::from_str::<String>(value) {
        Ok(text) => found(&text),
        Err(_) => found(value).trim_matches('"').to_owned(),
    }
}

pub(super) fn bad_json(error: &serde_json::Error) -> String {
    if error.is_eof() && error.column() == 0 {
        return "expected a JSON object or an array of them, found nothing".to_owned();
    }
    format!("expected a JSON object or an array of them, found other text: {error}")
}

pub(super) fn too_deep() -> String {
    format!("expected at most {DEPTH_MAX} brackets inside one another, found more")
}
