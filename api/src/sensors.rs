//! What is known about each sensor: the registry, the ledger's database and the live view, put together.
//!
//! One rule says whether a sensor speaks ([`Rhythm`]), and everything that is answered follows it: its state, which zones
//! are counted, who is named as silent. It is the rule of coverage, so that a chart does not say otherwise. What a sensor
//! counts is what it measured when it spoke last: ticks close visits, but nobody saw these people leave.

mod clocks;

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::coverage::{GOODBYES, HOUR, has_bit};
use domain::id::DeviceId;
use domain::live::SensorValue;
use domain::pane::PANE;
use domain::time::{Micros, Span};

pub use clocks::{Clocks, clocks, clocks_of_all, newest_of};

use crate::catalog::Catalog;
use crate::routes::sensor::SensorState;

/// A sensor that gave no sign for longer than this does not hold up the others.
///
/// What they measured is called final without it. If nobody registered it, it is not missed any more either. An hour is three times the lateness, so a radio hole is
/// waited for, and a stray publish is forgotten before anybody comes to look for it.
pub const WAITED_FOR: Span = Span::from_secs(3600);

/// When a sensor is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// After its last sign of life it speaks for so long, as its coverage has it; longer when longer silences are usual for it.
    pub silent_after: Span,
    /// It is late for so long, and offline then.
    pub offline_after: Span,
}

/// A sensor that is registered or was heard of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KnownSensor {
    /// Its zone, if it is registered in one.
    pub zone: Option<String>,
    /// Whether somebody registered it, and so expects it to speak.
    pub is_registered: bool,
    /// What it said, if it ever spoke.
    pub heard: Option<Heard>,
}

/// What is known about a sensor that spoke.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// Its latest event.
    pub last_event: Micros,
    /// Receipt of its newest record.
    pub last_received: Micros,
    /// How far its time has come.
    pub clock: Micros,
    /// No event before this changes an answer any more.
    pub watermark: Micros,
    /// Whether its last word was that it goes away.
    pub said_goodbye: bool,
    /// The live view of it, which also knows who is there.
    pub live: Option<Arc<SensorValue>>,
}

/// Every known sensor, by id.
pub type Sensors = BTreeMap<DeviceId, KnownSensor>;

/// Puts together what the stores know.
#[must_use]
pub fn known(catalog: &Catalog, live: BTreeMap<DeviceId, Arc<SensorValue>>) -> Sensors {
    let mut sensors = Sensors::new();
    for (id, device) in &catalog.devices {
        if device.kind == "movement" {
            sensors
                .entry(id.clone())
                .or_default()
                .zone
                .clone_from(&device.zone);
        }
    }
    for (id, row) in &catalog.sensors {
        sensors.entry(id.clone()).or_default().heard = Some(Heard {
            last_event: row.last_event,
            last_received: row.last_received,
            clock: row.clock,
            watermark: row.watermark,
            said_goodbye: false,
            live: None,
        });
    }
    for (id, value) in live {
        let sensor = sensors.entry(id).or_default();
        sensor.heard = Some(Heard::from_live(value, sensor.heard.as_ref()));
    }
    for (id, sensor) in &mut sensors {
        sensor.is_registered = catalog.devices.contains_key(id);
    }
    sensors
}

/// When the newest record of any sensor was received.
#[must_use]
pub fn newest_sign(sensors: &Sensors) -> Micros {
    let heard = sensors.values().filter_map(|sensor| sensor.heard.as_ref());
    let received = heard.map(|heard| heard.last_received);
    received.max().unwrap_or(Micros::MIN)
}

impl Heard {
    /// The live view, unless the row is newer because the live view is away.
    pub(crate) fn from_live(value: Arc<SensorValue>, row: Option<&Self>) -> Self {
        let newer = |live: i64, stored: fn(&Self) -> Micros| {
            row.map_or(Micros(live), |row| Micros(live).max(stored(row)))
        };
        Self {
            last_event: newer(value.last_event_us, |row| row.last_event),
            last_received: newer(value.last_received_us, |row| row.last_received),
            clock: newer(value.clock_us, |row| row.clock),
            watermark: newer(value.watermark_us, |row| row.watermark),
            said_goodbye: said_goodbye(&value),
            live: Some(value),
        }
    }

    /// The live view of it, unless the rows are newer because the live view is away.
    #[must_use]
    pub fn newest_live(&self) -> Option<&SensorValue> {
        self.live
            .as_deref()
            .filter(|live| live.clock_us >= self.clock.0)
    }

    /// Its own rhythm, when that is slower than `rhythm`: twice its usual silence, and five times.
    #[must_use]
    pub fn rhythm(&self, rhythm: Rhythm) -> Rhythm {
        let usual = self.live.as_ref().map_or(0, |live| live.usual_silence_us);
        Rhythm {
            silent_after: rhythm.silent_after.max(Span(usual)),
            offline_after: rhythm.offline_after.max(Span(usual / 2 * 5)),
        }
    }

    /// Whether it gave a sign lately enough to be waited for, when the newest sign of any is from `newest`.
    #[must_use]
    pub fn is_waited_for(&self, newest: Micros) -> bool {
        newest - self.last_received <= WAITED_FOR
    }

    /// Visits that went on when the sensor spoke last, of the traveler types that `wanted` takes.
    #[must_use]
    pub fn present(&self, wanted: impl Fn(&str) -> bool) -> u64 {
        let measured = self.live.iter().flat_map(|live| &live.last_known);
        measured
            .filter(|open| wanted(&open.traveler_type))
            .map(|open| u64::from(open.n))
            .sum()
    }
}

/// Whether its last word was a goodbye: so says the pane in which it gave it. What it declared says less, because positions
/// after it are signs of life as well.
fn said_goodbye(value: &SensorValue) -> bool {
    let last = Micros(value.last_event_us);
    let hour = last.floor(HOUR);
    let index = usize::try_from((last - hour).0 / PANE.0).expect("a pane lies inside its hour");
    let mut hours = value.up.iter();
    hours.any(|known| known.hour_us == hour.0 && has_bit(&known.bits, GOODBYES, index))
}

impl KnownSensor {
    /// Whether it speaks, at `now`.
    #[must_use]
    pub fn state(&self, now: Micros, rhythm: Rhythm) -> SensorState {
        let Some(heard) = &self.heard else {
            return SensorState::Unknown;
        };
        let silence = now - heard.last_received;
        let rhythm = heard.rhythm(rhythm);
        if heard.said_goodbye {
            SensorState::Offline
        } else if silence <= rhythm.silent_after {
            SensorState::Online
        } else if silence <= rhythm.offline_after {
            SensorState::Late
        } else {
            SensorState::Offline
        }
    }

    /// Whether it was never registered and has not spoken for so long that nobody waits for it, when the newest sign of any
    /// sensor is from `newest`: while all are silent, none is forgotten.
    #[must_use]
    pub fn is_forgotten(&self, newest: Micros) -> bool {
        let is_waited_for = |heard: &Heard| heard.is_waited_for(newest);
        !self.is_registered && !self.heard.as_ref().is_some_and(is_waited_for)
    }

    /// For how many seconds it has been silent, when it is at `now`.
    #[must_use]
    pub fn silent_s(&self, now: Micros) -> Option<i64> {
        let heard = self.heard.as_ref()?;
        Some((now - heard.last_received).0.max(0) / 1_000_000)
    }
}

#[cfg(test)]
mod tests;
