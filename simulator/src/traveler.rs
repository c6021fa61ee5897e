//! Kinds of travelers and how fast each goes.

/// Who walks past a sensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Traveler {
    /// Studies here; most of the people on a campus.
    Student,
    /// Works here.
    Staff,
    /// Looks round and walks slowly.
    Visitor,
    /// Someone in a street.
    Person,
    /// Someone on a bicycle.
    Bicycle,
}

impl Traveler {
    /// The `traveler_type` of its events.
    #[must_use]
    pub const fn traveler_type(self) -> &'static str {
        match self {
            Self::Student => "student",
            Self::Staff => "staff",
            Self::Visitor => "visitor",
            Self::Person => "person",
            Self::Bicycle => "bicycle",
        }
    }

    /// The range of its usual speeds in m/s.
    #[must_use]
    pub const fn pace_m_s(self) -> (f64, f64) {
        match self {
            Self::Student => (1.1, 1.65),
            Self::Staff => (1.2, 1.6),
            Self::Visitor => (0.8, 1.3),
            Self::Person => (1.0, 1.7),
            Self::Bicycle => (3.4, 5.4),
        }
    }
}
