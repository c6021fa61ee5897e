//! Units of length that devices use for coordinates.

/// A unit of length; the domain knows metres only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Unit {
    /// m
    #[default]
    Metre,
    /// cm
    Centimetre,
    /// mm
    Millimetre,
    /// ft, the international foot
    Foot,
}

impl Unit {
    /// Every unit.
    pub const ALL: [Self; 4] = [Self::Metre, Self::Centimetre, Self::Millimetre, Self::Foot];

    /// The name that route tables use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Metre => "m",
            Self::Centimetre => "cm",
            Self::Millimetre => "mm",
            Self::Foot => "ft",
        }
    }

    /// The unit of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.as_str() == name)
    }

    /// `length` of this unit in metres.
    #[must_use]
    pub fn to_metres(self, length: f64) -> f64 {
        match self {
            Self::Metre => length,
            // Divided, not multiplied by 0.01: the quotient is the double nearest to the decimal that was meant.
            Self::Centimetre => length / 100.0,
            Self::Millimetre => length / 1000.0,
            Self::Foot => length * 0.3048,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(
        clippy::float_cmp,
        reason = "the results are the nearest doubles, on purpose"
    )]
    fn every_unit_becomes_metres() {
        let metres = ["m", "cm", "mm", "ft"].map(|name| {
            Unit::from_name(name)
                .expect("a known unit")
                .to_metres(1230.0)
        });
        assert_eq!(metres, [1230.0, 12.3, 1.23, 374.904]);
        assert_eq!(Unit::from_name("inch"), None);
    }
}
