//! Names of things: opaque strings that are never mixed up with one another.

use std::borrow::Borrow;
use std::fmt;

/// The longest name of a device, a traveler or an event, in bytes.
pub const NAME_BYTES_MAX: usize = 256;

/// Whether `text` can name something.
///
/// A name is neither empty nor endless (an index of Postgres takes no more than 2,704 bytes), and free of characters that a
/// database refuses (NUL) or that make two names look alike (control and bidirectional ones).
#[must_use]
pub fn is_name(text: &str) -> bool {
    let is_plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    (is_plain || text.chars().all(is_printable)) && (1..=NAME_BYTES_MAX).contains(&text.len())
}

fn is_printable(character: char) -> bool {
    let is_bidirectional_control = matches!(character,
        '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !character.is_control() && !is_bidirectional_control
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// A reader or a sensor. Unique within a deployment; the key of movement and presence records.
    DeviceId
}
id! {
    /// One process of a gateway, from its start to its end. See [`crate::canary`].
    GatewayId
}
id! {
    /// Whoever walks past a movement sensor, as that sensor names them.
    TravelerId
}
id! {
    /// What kind of traveler: `person`, `student`, `bicycle`, …
    TravelerType
}
