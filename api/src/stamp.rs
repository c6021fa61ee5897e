//! Instants as they are answered: RFC 3339 with the offset of the zone that was asked for.

use domain::time::Micros;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An instant in a zone, as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, format = DateTime, example = "2026-11-24T11:20:14.25+00:00")]
pub struct Stamp(String);

impl Stamp {
    /// `at` with the offset that `tz` has then. Instants that no calendar can name become the nearest that it can.
    #[must_use]
    pub fn new(at: Micros, tz: &TimeZone) -> Self {
        let nearest = if at.0 < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        };
        let zoned = at.to_timestamp().unwrap_or(nearest).to_zoned(tz.clone());
        Self(zoned.strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_carries_the_offset_of_its_day() {
        let london = TimeZone::get("Europe/London").unwrap();
        let winter = Micros(1_763_683_200_000_000);
        assert_eq!(
            Stamp::new(winter, &london).as_str(),
            "2025-11-21T00:00:00+00:00"
        );
        let summer = Micros(1_751_328_000_250_000);
        assert_eq!(
            Stamp::new(summer, &london).as_str(),
            "2025-07-01T01:00:00.25+01:00"
        );
    }
}
