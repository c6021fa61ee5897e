//! Instants as they are asked: RFC 3339, a date, or a word such as `today`, `week`, `now` and `now-24h`.

use domain::time::{Micros, Span};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::span;
use crate::problem::{Answer, Problem};

/// From 1970 to 2200, in µs: beyond it no sensor reports and no arithmetic of windows overflows.
const RANGE: std::ops::Range<i64> = 0..7_258_118_400_000_000;

/// An instant as it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum When {
    /// The present.
    Now,
    /// So long before the present.
    Ago(Span),
    /// So many days before the present, at the same time of day.
    DaysAgo(i32),
    /// The beginning of the present day.
    Today,
    /// The beginning of the present week, on Monday.
    Week,
    /// The beginning of that day.
    Day(Date),
    /// That instant.
    At(Micros),
}

impl When {
    /// Reads the words of `parameter`.
    ///
    /// # Errors
    /// A 400 that names it and says what would do.
    pub fn parse(parameter: &str, given: &str) -> Answer<Self> {
        let when = match given {
            "now" => Some(Self::Now),
            "today" => Some(Self::Today),
            "week" => Some(Self::Week),
            _ => match given.strip_prefix("now-") {
                Some(ago) => ago_of(ago),
                None => absolute(given),
            },
        };
        when.ok_or_else(|| {
            Problem::parameter(
                parameter,
                "not_an_instant",
                format!(
                    "{given:?} is not an instant such as 2026-11-24T09:00:00Z, 2026-11-24, today, week, now or now-24h, \
                     between 1970 and 2200"
                ),
            )
        })
    }

    /// The instant, in a day of `tz`.
    #[must_use]
    pub fn resolve(&self, now: Micros, tz: &TimeZone) -> Micros {
        let local = || {
            now.to_timestamp()
                .expect("the present is a calendar instant")
                .to_zoned(tz.clone())
        };
        match self {
            Self::Now => now,
            Self::Ago(span) => now - *span,
            Self::DaysAgo(days) => local()
                .checked_sub(days.days())
                .map_or(now, |zoned| Micros::from_timestamp(zoned.timestamp())),
            Self::Today => day_start(local().date(), tz),
            Self::Week => {
                let date = local().date();
                let since_monday = date.weekday().to_monday_zero_offset();
                day_start(date.saturating_sub(i32::from(since_monday).days()), tz)
            }
            Self::Day(date) => day_start(*date, tz),
            Self::At(at) => *at,
        }
    }

    /// Whether it moves with the present.
    #[must_use]
    pub fn slides(&self) -> bool {
        !matches!(self, Self::Day(_) | Self::At(_))
    }
}

/// The first instant of `date` in `tz`; where midnight does not exist, the first that does.
fn day_start(date: Date, tz: &TimeZone) -> Micros {
    date.to_zoned(tz.clone())
        .and_then(|noon| noon.start_of_day())
        .map_or(Micros(RANGE.end), |zoned| {
            Micros::from_timestamp(zoned.timestamp())
        })
}

fn ago_of(ago: &str) -> Option<When> {
    let days_max = 3_660;
    let days = |digits: &str, each: i32| {
        let count: i32 = digits.parse().ok().filter(|&count| count >= 0)?;
        count
            .checked_mul(each)
            .filter(|&days| days <= days_max)
            .map(When::DaysAgo)
    };
    if let Some(digits) = ago.strip_suffix('d') {
        return days(digits, 1);
    }
    if let Some(digits) = ago.strip_suffix('w') {
        return days(digits, 7);
    }
    span::parse(ago)
        .filter(|&span| span <= Span::from_secs(i64::from(days_max) * 86_400))
        .map(When::Ago)
}

fn absolute(given: &str) -> Option<When> {
    if !given.contains(['T', 't', ' ']) {
        let date: Date = given.parse().ok()?;
        return (1970..2200)
            .contains(&date.year())
            .then_some(When::Day(date));
    }
    // A plus sign that was not escaped in a query arrives as a space.
    let timestamp: Timestamp = given.replace(' ', "+").parse().ok()?;
    let at = Micros::from_timestamp(timestamp);
    RANGE.contains(&at.0).then_some(When::At(at))
}

/// The zone of that IANA name, or `default` when none was given.
///
/// # Errors
/// A 400 that names `tz`.
pub fn zone(given: Option<&str>, default: &TimeZone) -> Answer<TimeZone> {
    let Some(name) = given else {
        return Ok(default.clone());
    };
    TimeZone::get(name).map_err(|_| {
        Problem::parameter(
            "tz",
            "unknown_zone",
            format!("{name:?} is not an IANA time zone such as Europe/London"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-29 is the day on which London's clocks go forward.
    const NOW: &str = "2026-03-29T11:20:14Z";

    fn check(given: &str, expected: &str) {
        let tz = TimeZone::get("Europe/London").unwrap();
        let now = Micros::from_timestamp(NOW.parse().unwrap());
        let when = When::parse("start", given).unwrap();
        assert_eq!(when.resolve(now, &tz).to_string(), expected, "{given}");
    }

    #[test]
    fn words_are_resolved_in_the_zone() {
        check("now", NOW);
        check("today", "2026-03-29T00:00:00Z");
        check("week", "2026-03-23T00:00:00Z");
        check("now-24h", "2026-03-28T11:20:14Z");
        // The day before had another offset: the same time of day is an hour later in UTC.
        check("now-1d", "2026-03-28T12:20:14Z");
        check("now-2w", "2026-03-15T12:20:14Z");
        check("2026-03-30", "2026-03-29T23:00:00Z");
        check("2026-03-29T09:00:00+02:00", "2026-03-29T07:00:00Z");
        check("2026-03-29T09:00:00 02:00", "2026-03-29T07:00:00Z");
        check("2026-03-29T09:00:00.5Z", "2026-03-29T09:00:00.5Z");
    }

    #[test]
    fn anything_else_names_the_parameter() {
        for given in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-03-29T09:00:00",
            "now-",
            "now-1",
            "now--1h",
            "now-99999w",
            "1969-12-31",
            "2300-01-01",
            "1969-12-31T23:59:59Z",
            "12:00",
            "now-9999999999h",
        ] {
            let problem = When::parse("end", given).unwrap_err();
            assert_eq!(problem.body().errors[0].parameter, "end", "{given}");
        }
    }

    #[test]
    fn an_unknown_zone_is_named() {
        assert!(zone(Some("Europe/London"), &TimeZone::UTC).is_ok());
        assert_eq!(
            zone(Some("Mars/Base"), &TimeZone::UTC)
                .unwrap_err()
                .body()
                .errors[0]
                .parameter,
            "tz"
        );
    }
}
