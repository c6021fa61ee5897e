//! Physical quantities as integers. Sums of integers do not depend on the order of arrival; sums of floats do.

/// A speed in nanometres per second, 0 to 10⁹ m/s.
///
/// The resolution of 10⁻⁹ m/s is far below what any sensor resolves; a sample above the ceiling (three times the speed of
/// light) is a broken sensor and counts as the ceiling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Speed(pub i64);

/// A length in nanometres.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Distance(pub i64);

const NANO: f64 = 1e9;
const SPEED_MAX_M_S: f64 = 1e9;

impl Speed {
    /// From metres per second, rounded to the nearest nanometre per second.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "clamped to 10^18, which an i64 holds"
    )]
    pub fn from_m_s(metres_per_second: f64) -> Self {
        Self((metres_per_second.clamp(0.0, SPEED_MAX_M_S) * NANO).round() as i64)
    }

    /// In metres per second.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "the unit of the answer is a float"
    )]
    pub fn as_m_s(self) -> f64 {
        self.0 as f64 / NANO
    }
}

impl Distance {
    /// From metres, rounded to the nearest nanometre.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "coordinates are at most 10^6 m, so lengths fit 10^16 nm; `as` saturates"
    )]
    pub fn from_m(metres: f64) -> Self {
        Self((metres * NANO).round() as i64)
    }

    /// In metres.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "the unit of the answer is a float"
    )]
    pub fn as_m(self) -> f64 {
        self.0 as f64 / NANO
    }
}
