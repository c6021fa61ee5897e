//! Physical quantities as integers. Sums of integers do not depend on the order of arrival; sums of floats do.

/// A speed in nanometres per second, 0 to [`SPEED_CEILING_M_S`].
///
/// The resolution of 10⁻⁹ m/s is far below what any sensor resolves; a sample above the ceiling is a broken sensor and counts
/// as the ceiling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Speed(pub i64);

/// A length in nanometres.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Distance(pub i64);

const NANO: f64 = 1e9;

/// The fastest that a sample can be, far above anything that moves through a building or past it.
///
/// It is so low that a sum holds 92,233 samples at the ceiling, which is more than a pane of one sensor has. A sum that reached
/// the end of its range would depend on the order in which samples come and are taken back.
pub const SPEED_CEILING_M_S: f64 = 1e5;

impl Speed {
    /// From metres per second, rounded to the nearest nanometre per second.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "clamped to 10^14, which an i64 holds"
    )]
    pub fn from_m_s(metres_per_second: f64) -> Self {
        Self((metres_per_second.clamp(0.0, SPEED_CEILING_M_S) * NANO).round() as i64)
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
