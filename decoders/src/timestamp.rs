//! When it happened, from whatever a device calls a timestamp.
//!
//! RFC 3339 with any offset, or an epoch in s, ms, µs or ns, told apart by size. A stamp without a zone is read in the
//! zone of the route, and without one it says nothing. A clock that cannot be right gives way to the instant of receipt.

use std::borrow::Cow;
use std::fmt;

use domain::event::TimeSource;
use domain::rejection::{Reason, Rejection};
use domain::time::{Micros, Span};
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::TimeZone;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::text::found;

/// How far a device's clock may be ahead of ours before it is not believed.
pub const FUTURE_TOLERANCE: Span = Span::from_secs(5);

/// 2020-01-01T00:00:00Z. A clock before it was never set.
const EARLIEST: Micros = Micros(1_577_836_800_000_000);

/// What a timestamp should look like, for explanations.
pub(crate) const EXPECTED: &str = "RFC 3339 or an epoch in s, ms, µs or ns";

static PARSER: DateTimeParser = DateTimeParser::new();

/// A timestamp as the device wrote it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stamp<'t> {
    Text(Cow<'t, str>),
    Whole(i64),
    Fraction(f64),
}

/// The event time of a message received at `received_at`, and where it comes from.
pub(crate) fn resolve(
    stamp: Option<&Stamp<'_>>,
    received_at: Micros,
    timezone: Option<&TimeZone>,
) -> Result<(Micros, TimeSource), Rejection> {
    let time = match stamp {
        None => None,
        Some(Stamp::Whole(epoch)) => Some(whole_epoch(*epoch)),
        Some(Stamp::Fraction(epoch)) => Some(fractional_epoch(*epoch)?),
        Some(Stamp::Text(text)) => from_text(text, timezone)?,
    };
    Ok(match time {
        None => (received_at, TimeSource::Received),
        Some(time) if time < EARLIEST || time > received_at + FUTURE_TOLERANCE => {
            (received_at, TimeSource::Suspect)
        }
        Some(time) => (time, TimeSource::Device),
    })
}

/// `None` when the text names an hour but no zone, and the route names none either.
fn from_text(text: &str, timezone: Option<&TimeZone>) -> Result<Option<Micros>, Rejection> {
    if let Ok(timestamp) = PARSER.parse_timestamp(text) {
        return Ok(Some(Micros::from_timestamp(timestamp)));
    }
    if let Ok(epoch) = text.parse() {
        return Ok(Some(whole_epoch(epoch)));
    }
    if text.starts_with(|first: char| first.is_ascii_digit() || first == '-')
        && let Ok(epoch) = text.parse()
    {
        return fractional_epoch(epoch).map(Some);
    }
    let pieces = PARSER.parse_pieces(text).ok();
    // A date alone names no instant, so it is not completed to midnight.
    let Some((date, time, offset)) = pieces
        .filter(|pieces| pieces.time_zone_annotation().is_none())
        .and_then(|pieces| Some((pieces.date(), pieces.time()?, pieces.offset())))
    else {
        return Err(bad_timestamp(text));
    };
    if offset.is_some() {
        // Well formed, but at the very end of the calendar (9999-12-31 is some devices' "never"): no clock is right there.
        return Ok(Some(Micros::MIN));
    }
    match timezone {
        None => Ok(None),
        Some(zone) => match date.to_datetime(time).to_zoned(zone.clone()) {
            Ok(zoned) => Ok(Some(Micros::from_timestamp(zoned.timestamp()))),
            Err(_) => Err(bad_timestamp(text)),
        },
    }
}

/// Seconds below 10¹¹ (the year 5138), then milli-, micro- and nanoseconds, each a thousand times more.
fn whole_epoch(epoch: i64) -> Micros {
    Micros(match epoch.unsigned_abs() {
        0..100_000_000_000 => epoch * 1_000_000,
        100_000_000_000..100_000_000_000_000 => epoch * 1_000,
        100_000_000_000_000..100_000_000_000_000_000 => epoch,
        _ => epoch.div_euclid(1_000),
    })
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the magnitude is checked first"
)]
fn fractional_epoch(epoch: f64) -> Result<Micros, Rejection> {
    let micros = match epoch.abs() {
        size if size < 1e11 => epoch * 1e6,
        size if size < 1e14 => epoch * 1e3,
        size if size < 1e17 => epoch,
        size if size < 1e20 => epoch / 1e3,
        _ => return Err(bad_timestamp(&epoch.to_string())),
    };
    Ok(Micros(micros.round() as i64))
}

fn bad_timestamp(text: &str) -> Rejection {
    Rejection::new(
        Reason::BadTimestamp,
        format!(
            "field timestamp: expected {EXPECTED}, found {}",
            found(text)
        ),
    )
}

impl<'de: 't, 't> Deserialize<'de> for Stamp<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StampVisitor)
    }
}

struct StampVisitor;

impl<'de> Visitor<'de> for StampVisitor {
    type Value = Stamp<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Stamp::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Stamp::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E: Error>(self, epoch: i64) -> Result<Self::Value, E> {
        Ok(Stamp::Whole(epoch))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "beyond i64 only the magnitude counts: it is centuries ahead"
    )]
    fn visit_u64<E: Error>(self, epoch: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(epoch).map_or(Stamp::Fraction(epoch as f64), Stamp::Whole))
    }

    fn visit_f64<E: Error>(self, epoch: f64) -> Result<Self::Value, E> {
        Ok(Stamp::Fraction(epoch))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// 2025-03-19T09:05:13Z, a second after the instant that most cases name.
    const RECEIVED: Micros = Micros(1_742_375_113_000_000);
    const STAMPED: Micros = Micros(1_742_375_112_000_000);

    fn text(text: &str) -> Stamp<'_> {
        Stamp::Text(Cow::Borrowed(text))
    }

    #[rstest]
    #[case(text("2025-03-19T09:05:12Z"), STAMPED)]
    #[case(text("2025-03-19t09:05:12z"), STAMPED)]
    #[case(text("2025-03-19 09:05:12+00:00"), STAMPED)]
    #[case(text("2025-03-19T10:05:12+01:00"), STAMPED)]
    #[case(text("2025-03-19T10:05:12+0100"), STAMPED)]
    #[case(text("2025-03-19T09:05:12.123456789Z"), Micros(STAMPED.0 + 123_456))]
    #[case(Stamp::Whole(1_742_375_112), STAMPED)]
    #[case(Stamp::Whole(1_742_375_112_000), STAMPED)]
    #[case(Stamp::Whole(1_742_375_112_000_000), STAMPED)]
    #[case(Stamp::Whole(1_742_375_112_000_000_999), STAMPED)]
    #[case(Stamp::Fraction(1_742_375_112.25), Micros(STAMPED.0 + 250_000))]
    #[case(Stamp::Fraction(1_742_375_112_000.5), Micros(STAMPED.0 + 500))]
    #[case(text("1742375112"), STAMPED)]
    #[case(text("1742375112000"), STAMPED)]
    #[case(text("1742375112.25"), Micros(STAMPED.0 + 250_000))]
    #[case(text("2025-03-19T09:05:18Z"), Micros(RECEIVED.0 + 5_000_000))]
    fn stamps_of_every_form_name_the_same_instant(
        #[case] stamp: Stamp<'_>,
        #[case] expected: Micros,
    ) {
        assert_eq!(
            resolve(Some(&stamp), RECEIVED, None),
            Ok((expected, TimeSource::Device))
        );
    }

    #[rstest]
    #[case(text("2025-03-19T09:05:18.000001Z"))]
    #[case(text("9999-12-31T23:59:59Z"))]
    #[case(text("2019-12-31T23:59:59.999999Z"))]
    #[case(text("0001-01-01T00:00:00Z"))]
    #[case(Stamp::Whole(0))]
    #[case(Stamp::Whole(-1))]
    #[case(Stamp::Whole(i64::MAX))]
    #[case(Stamp::Whole(i64::MIN))]
    #[case(Stamp::Fraction(1.8e19))]
    fn a_clock_that_cannot_be_right_gives_way_to_receipt(#[case] stamp: Stamp<'_>) {
        assert_eq!(
            resolve(Some(&stamp), RECEIVED, None),
            Ok((RECEIVED, TimeSource::Suspect))
        );
    }

    #[test]
    fn no_stamp_is_the_time_of_receipt() {
        assert_eq!(
            resolve(None, RECEIVED, None),
            Ok((RECEIVED, TimeSource::Received))
        );
    }

    #[test]
    fn a_stamp_without_a_zone_is_read_in_the_zone_of_the_route() {
        let stamp = text("2025-03-19T10:05:12");
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(
            resolve(Some(&stamp), RECEIVED, Some(&berlin)),
            Ok((STAMPED, TimeSource::Device))
        );
        assert_eq!(
            resolve(Some(&stamp), RECEIVED, None),
            Ok((RECEIVED, TimeSource::Received)),
            "without a zone it names no instant"
        );
    }

    #[rstest]
    #[case(text(""))]
    #[case(text("yesterday"))]
    #[case(text("2025-03-19"))]
    #[case(text("2025-13-19T09:05:12Z"))]
    #[case(text("2025-02-30T09:05:12"))]
    #[case(text("19.03.2025 09:05"))]
    #[case(text("inf"))]
    #[case(text("NaN"))]
    #[case(text("1e400"))]
    #[case(Stamp::Fraction(1e20))]
    fn text_that_names_no_instant_is_refused(#[case] stamp: Stamp<'_>) {
        let rejection = resolve(Some(&stamp), RECEIVED, None).unwrap_err();
        assert_eq!(rejection.reason, Reason::BadTimestamp);
    }
}
