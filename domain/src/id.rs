//! Names of things: opaque strings that are never mixed up with one another.

use std::borrow::Borrow;
use std::fmt;

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
