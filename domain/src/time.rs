//! Instants and spans as integers, so that every comparison and every sum is exact.

use std::fmt;
use std::ops::{Add, Mul, Sub};

use jiff::Timestamp;

/// An instant: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub i64);

/// A length of time in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub i64);

impl Micros {
    /// The earliest instant there is; compares below every event.
    pub const MIN: Self = Self(i64::MIN / 4);

    /// The first instant that is kept: 0001-01-01T00:00:00Z. A row of Postgres holds it and everything after it.
    pub const FIRST: Self = Self(-62_135_596_800_000_000);

    /// The last instant that is kept: 9999-12-30T22:00:00Z, the end of the calendar.
    pub const LAST: Self = Self(253_402_207_200_000_000);

    /// From a calendar instant; sub-microsecond digits are cut off.
    #[must_use]
    pub fn from_timestamp(timestamp: Timestamp) -> Self {
        Self(timestamp.as_microsecond())
    }

    /// As a calendar instant, or `None` outside the years −9999 to 9999.
    #[must_use]
    pub fn to_timestamp(self) -> Option<Timestamp> {
        Timestamp::from_microsecond(self.0).ok()
    }

    /// The start of the `step`-long slot that holds this instant, slots counted from the epoch.
    #[must_use]
    pub const fn floor(self, step: Span) -> Self {
        Self(self.0.div_euclid(step.0) * step.0)
    }

    /// The end of the slot that holds this instant, or the instant itself when it is a boundary.
    #[must_use]
    pub const fn ceil(self, step: Span) -> Self {
        let floor = self.floor(step);
        if floor.0 == self.0 {
            self
        } else {
            Self(floor.0 + step.0)
        }
    }
}

impl Span {
    /// `n` seconds.
    #[must_use]
    pub const fn from_secs(n: i64) -> Self {
        Self(n * 1_000_000)
    }

    /// In seconds.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "spans are far below 2^53 microseconds"
    )]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Add<Span> for Micros {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0 + span.0)
    }
}

impl Mul<i64> for Span {
    type Output = Self;
    fn mul(self, times: i64) -> Self {
        Self(self.0 * times)
    }
}

impl Sub<Span> for Micros {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self(self.0 - span.0)
    }
}

impl Sub for Micros {
    type Output = Span;
    fn sub(self, earlier: Self) -> Span {
        Span(self.0 - earlier.0)
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_timestamp() {
            Some(timestamp) => timestamp.fmt(f),
            None => write!(f, "{} µs", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_counted_from_the_epoch_also_before_it() {
        let step = Span::from_secs(10);
        assert_eq!(Micros(12_000_000).floor(step), Micros(10_000_000));
        assert_eq!(Micros(-1).floor(step), Micros(-10_000_000));
        assert_eq!(Micros(10_000_000).ceil(step), Micros(10_000_000));
        assert_eq!(Micros(10_000_001).ceil(step), Micros(20_000_000));
    }
}
