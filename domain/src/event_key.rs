//! The identity of an event in sixteen bytes: enough to recognise a re-sent one and to order ties.

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// Identity of an event within its subject and instant, ordered as its `event_id` is.
///
/// A UUID becomes its sixteen bytes and an id of up to sixteen bytes becomes itself, so both keep the order of their
/// text. A longer id keeps its first eight bytes and adds a 64-bit hash of the whole: still one value per id, ordered by
/// its beginning. An event without an id gets a hash of its values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey(pub [u8; 16]);

impl EventKey {
    /// From the id that the device gave the event.
    #[must_use]
    pub fn from_event_id(id: &str) -> Self {
        if let Some(uuid) = parse_uuid(id) {
            return Self(uuid);
        }
        let bytes = id.as_bytes();
        let mut key = [0; 16];
        if bytes.len() <= 16 {
            key[..bytes.len()].copy_from_slice(bytes);
        } else {
            key[..8].copy_from_slice(&bytes[..8]);
            key[8..].copy_from_slice(&xxh3_64(bytes).to_be_bytes());
        }
        Self(key)
    }

    /// From the values of an event that carries no id.
    #[must_use]
    pub fn from_values(values: &[u8]) -> Self {
        Self(xxh3_128(values).to_be_bytes())
    }

    /// From the sixteen bytes of an envelope; anything else is hashed so that it stays one value.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        bytes
            .try_into()
            .map_or_else(|_| Self::from_values(bytes), Self)
    }
}

/// The sixteen bytes of `8-4-4-4-12` hexadecimal text.
fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 || [8, 13, 18, 23].iter().any(|&dash| bytes[dash] != b'-') {
        return None;
    }
    let mut key = [0; 16];
    let mut digits = bytes.iter().filter(|&&byte| byte != b'-');
    for slot in &mut key {
        let high = hex_digit(*digits.next()?)?;
        let low = hex_digit(*digits.next()?)?;
        *slot = high << 4 | low;
    }
    digits.next().is_none().then_some(key)
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_the_order_of_short_ids_and_of_uuids() {
        let key = EventKey::from_event_id;
        assert!(key("a") < key("b"));
        assert!(key("evt-0000000009") < key("evt-0000000010"));
        assert!(
            key("0b9f3c52-0000-0000-0000-000000000000")
                < key("d82e3a4e-2c21-4a5a-a6bb-70e8c12f66c5")
        );
    }

    #[test]
    fn long_ids_with_one_beginning_stay_apart() {
        assert_ne!(
            EventKey::from_event_id("sensor-main-entrance-000001"),
            EventKey::from_event_id("sensor-main-entrance-000002")
        );
    }

    #[test]
    fn text_that_only_looks_like_a_uuid_is_a_long_id() {
        assert!(parse_uuid("d82e3a4e-2c21-4a5a-a6bb-70e8c12f66cZ").is_none());
        assert!(parse_uuid("d82e3a4e-2c21-4a5a-a6bb-70e8c12f66c").is_none());
        assert!(parse_uuid("d82e3a4--2c21-4a5a-a6bb-70e8c12f66c5").is_none());
    }
}
