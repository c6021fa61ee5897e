//! The shape of a JSON text, found without building a tree: how deep it nests and where its elements are.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// How deep a message may nest, the array around its elements included.
pub const DEPTH_MAX: usize = 16;

/// Whether `text` may nest deeper than [`DEPTH_MAX`]: cheap, and never wrong when it says no.
pub(crate) fn may_be_too_deep(text: &str) -> bool {
    // Both brackets are 0x7b once the bit between them is set. Sums of bytes over short chunks become vector instructions.
    let in_chunk = |chunk: &[u8]| -> u8 {
        let is_opener = |&byte: &u8| u8::from(byte | 0x20 == b'{');
        chunk.iter().map(is_opener).sum()
    };
    let openers = text
        .as_bytes()
        .chunks(128)
        .map(|chunk| usize::from(in_chunk(chunk)));
    openers.sum::<usize>() > DEPTH_MAX
}

/// How deep `text` nests, brackets inside strings not counted.
pub(crate) fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for_each_outside_strings(text, |_, byte| match byte {
        b'{' | b'[' => {
            depth += 1;
            deepest = deepest.max(depth);
        }
        b'}' | b']' => depth = depth.saturating_sub(1),
        _ => {}
    });
    deepest
}

/// `text` with the tokens `NaN`, `Infinity` and `-Infinity`, which are not JSON but which several languages write,
/// replaced by numbers of the same length. So offsets keep their meaning and the field that holds one can be named.
pub(crate) fn without_nonfinite(text: &str) -> Cow<'_, str> {
    const TOKENS: [(&str, &str); 2] = [("NaN", "9e9"), ("Infinity", "9e9     ")];
    let mut places = Vec::new();
    for_each_outside_strings(text, |at, byte| {
        if let Some((token, number)) = TOKENS
            .into_iter()
            .find(|(token, _)| token.starts_with(char::from(byte)) && text[at..].starts_with(token))
        {
            places.push((at..at + token.len(), number));
        }
    });
    if places.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut finite = text.to_owned();
    for (place, number) in places {
        finite.replace_range(place, number);
    }
    Cow::Owned(finite)
}

fn for_each_outside_strings(text: &str, mut each: impl FnMut(usize, u8)) {
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        if byte != b'"' {
            each(at, byte);
            continue;
        }
        while let Some((_, byte)) = bytes.next() {
            match byte {
                b'"' => break,
                b'\\' => {
                    bytes.next();
                }
                _ => {}
            }
        }
    }
}

/// Where the elements of the array `text` are.
pub(crate) fn array_elements(text: &str) -> Result<Vec<Range<usize>>, serde_json::Error> {
    let elements: Vec<&RawValue> = serde_json::from_str(text)?;
    Ok(elements
        .into_iter()
        .map(|element| place_in(text, element))
        .collect())
}

/// The fields of the object `text` in their order, with the place of each value.
pub(crate) fn object_fields(text: &str) -> Result<Vec<(String, Range<usize>)>, serde_json::Error> {
    let fields: Fields<'_> = serde_json::from_str(text)?;
    Ok(fields
        .0
        .into_iter()
        .map(|(name, value)| (name, place_in(text, value)))
        .collect())
}

/// A raw value borrows from the text it was read from, so its address tells where it stands.
fn place_in(text: &str, value: &RawValue) -> Range<usize> {
    let start = value.get().as_ptr().addr() - text.as_ptr().addr();
    start..start + value.get().len()
}

/// The fields of an object, repeated names included.
struct Fields<'t>(Vec<(String, &'t RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(name) = map.next_key()? {
            fields.push((name, map.next_value()?));
        }
        Ok(Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_strings() {
        assert_eq!(depth("7"), 0);
        assert_eq!(depth(r#"{"a":[{"b":1}]}"#), 3);
        assert_eq!(depth(r#"{"a[[[{{{":"]]\"[[["}"#), 1);
        assert_eq!(depth(&"[".repeat(10_000)), 10_000);
        assert!(!may_be_too_deep(&"[".repeat(DEPTH_MAX)));
        assert!(may_be_too_deep(&"[".repeat(DEPTH_MAX + 1)));
    }

    #[test]
    fn numbers_that_json_does_not_know_keep_their_place() {
        let text = r#"[{"x":NaN,"y":-Infinity},{"name":"NaN \" Infinity"}]"#;
        let finite = without_nonfinite(text);
        assert_eq!(
            finite,
            r#"[{"x":9e9,"y":-9e9     },{"name":"NaN \" Infinity"}]"#
        );
        let places = array_elements(&finite).unwrap();
        let elements: Vec<&str> = places.into_iter().map(|place| &text[place]).collect();
        assert_eq!(elements[0], r#"{"x":NaN,"y":-Infinity}"#);
    }

    #[test]
    fn fields_are_found_with_their_places_also_twice() {
        let text = r#"{ "a" : 1, "\u0061": [2, 3] }"#;
        let fields: Vec<(String, &str)> = object_fields(text)
            .unwrap()
            .into_iter()
            .map(|(name, place)| (name, &text[place]))
            .collect();
        assert_eq!(fields, [("a".to_owned(), "1"), ("a".to_owned(), "[2, 3]")]);
    }
}
