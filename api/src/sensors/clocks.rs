//! How far the time of several sensors has come, and what is final of what they measured.

use domain::time::{Micros, Span};

use super::{Heard, KnownSensor};

/// A sensor whose clock is further behind the newest than this takes no part in any watermark.
const ACTIVE_WITHIN: Span = Span::from_secs(48 * 3600);

/// The clock and the watermark of some sensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// How far their time has come.
    pub clock: Micros,
    /// No event before this changes an answer any more.
    pub watermark: Micros,
}

impl Clocks {
    /// The watermark, unless no event is final yet.
    #[must_use]
    pub fn known_watermark(&self) -> Option<Micros> {
        (self.watermark.0 > 0).then_some(self.watermark)
    }
}

/// The clocks of `sensors`, as they are shown; `None` while none of them is active at `now`.
///
/// The least over those that spoke within an hour of the newest sign, so that one that is gone does not keep a whole site
/// provisional.
pub fn clocks<'a>(sensors: impl Iterator<Item = &'a KnownSensor>, now: Micros) -> Option<Clocks> {
    let active: Vec<&Heard> = active(sensors, now).collect();
    let newest = newest(active.iter().copied())?;
    least(
        active
            .into_iter()
            .filter(|heard| heard.is_waited_for(newest)),
    )
}

/// When the newest record of those `sensors` was received that are active at `now`.
pub fn newest_of<'a>(
    sensors: impl Iterator<Item = &'a KnownSensor>,
    now: Micros,
) -> Option<Micros> {
    newest(active(sensors, now))
}

fn newest<'a>(heard: impl Iterator<Item = &'a Heard>) -> Option<Micros> {
    heard.map(|heard| heard.last_received).max()
}

/// The clocks of all `sensors` that are active at `now`.
///
/// Before their watermark nothing changes, even when one that is not waited for returns with what it saw.
pub fn clocks_of_all<'a>(
    sensors: impl Iterator<Item = &'a KnownSensor>,
    now: Micros,
) -> Option<Clocks> {
    least(active(sensors, now))
}

fn active<'a>(
    sensors: impl Iterator<Item = &'a KnownSensor>,
    now: Micros,
) -> impl Iterator<Item = &'a Heard> {
    let heard = sensors.filter_map(|sensor| sensor.heard.as_ref());
    heard.filter(move |heard| now - heard.clock <= ACTIVE_WITHIN)
}

fn least<'a>(heard: impl Iterator<Item = &'a Heard>) -> Option<Clocks> {
    heard
        .map(|heard| Clocks {
            clock: heard.clock,
            watermark: heard.watermark,
        })
        .reduce(|a, b| Clocks {
            clock: a.clock.min(b.clock),
            watermark: a.watermark.min(b.watermark),
        })
}
