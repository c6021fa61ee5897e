//! What is known about each sensor: the registry, the ledger's database and the live view, put together.
//!
//! One rule says whether a sensor speaks ([`Rhythm`]), and everything that is answered follows it: its state, which zones
//! are counted, who is named as silent. It is the rule of coverage, so that a chart does not say otherwise. What a sensor
//! counts is what it measured when it spoke last: ticks close visits, but nobody saw these people leave.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::coverage::HOUR;
use domain::event::DeviceState;
use domain::id::DeviceId;
use domain::live::SensorValue;
use domain::pane::PANE;
use domain::time::{Micros, Span};

use crate::catalog::Catalog;
use crate::routes::sensor::SensorState;

/// A sensor whose clock is further behind the newest than this takes no part in a site's watermark.
const ACTIVE_WITHIN: Span = Span::from_secs(48 * 3600);

/// When a sensor is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// After its last sign of life it speaks for so long, as its coverage has it.
    pub silent_after: Span,
    /// It is late for so long, and offline then.
    pub offline_after: Span,
}

/// A sensor that is registered or was heard of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KnownSensor {
    /// Its zone, if it is registered in one.
    pub zone: Option<String>,
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
    sensors
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

/// Whether it declared itself offline and has not spoken since. A sign of life covers the panes after it for a while; a
/// goodbye covers none.
fn said_goodbye(value: &SensorValue) -> bool {
    if value.declared != DeviceState::Offline.as_str() {
        return false;
    }
    let next = Micros(value.last_event_us).floor(PANE) + PANE;
    !value.up.iter().any(|hour| {
        let into = next - Micros(hour.hour_us);
        let pane = usize::try_from(into.0 / PANE.0).unwrap_or(usize::MAX);
        (0..HOUR.0).contains(&into.0)
            && hour
                .bits
                .get(pane / 8)
                .is_some_and(|byte| byte & 1 << (pane % 8) != 0)
    })
}

impl KnownSensor {
    /// Whether it speaks, at `now`.
    #[must_use]
    pub fn state(&self, now: Micros, rhythm: Rhythm) -> SensorState {
        let Some(heard) = &self.heard else {
            return SensorState::Unknown;
        };
        let silence = now - heard.last_received;
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

    /// For how many seconds it has been silent, when it is at `now`.
    #[must_use]
    pub fn silent_s(&self, now: Micros) -> Option<i64> {
        let heard = self.heard.as_ref()?;
        Some((now - heard.last_received).0.max(0) / 1_000_000)
    }
}

/// The clock and the watermark of some sensors: the least over those that are active.
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

/// The clocks of `sensors`; `None` while none of them is active at `now`.
pub fn clocks<'a>(sensors: impl Iterator<Item = &'a KnownSensor>, now: Micros) -> Option<Clocks> {
    let heard = sensors.filter_map(|sensor| sensor.heard.as_ref());
    let active = heard.filter(|heard| now - heard.clock <= ACTIVE_WITHIN);
    active
        .map(|heard| Clocks {
            clock: heard.clock,
            watermark: heard.watermark,
        })
        .reduce(|a, b| Clocks {
            clock: a.clock.min(b.clock),
            watermark: a.watermark.min(b.watermark),
        })
}

#[cfg(test)]
mod tests {
    use domain::live::{OpenCount, UpHour};

    use super::*;

    const RHYTHM: Rhythm = Rhythm {
        silent_after: Span::from_secs(60),
        offline_after: Span::from_secs(150),
    };

    fn at(seconds: i64) -> Micros {
        Micros(seconds * 1_000_000)
    }

    fn heard(last_received: i64, clock: i64, watermark: i64) -> KnownSensor {
        KnownSensor {
            zone: None,
            heard: Some(Heard {
                last_event: at(last_received),
                last_received: at(last_received),
                clock: at(clock),
                watermark: at(watermark),
                said_goodbye: false,
                live: None,
            }),
        }
    }

    fn live(last_event: i64, declared: &str, up_panes: &[usize]) -> Heard {
        let mut bits = vec![0; 45];
        for pane in up_panes {
            bits[pane / 8] |= 1 << (pane % 8);
        }
        let value = SensorValue {
            last_event_us: at(last_event).0,
            last_received_us: at(last_event).0,
            clock_us: at(last_event).0,
            watermark_us: at(last_event - 1200).0,
            // Ticks have closed the other visits.
            open: vec![OpenCount {
                traveler_type: "student".into(),
                n: 1,
            }],
            last_known: vec![
                OpenCount {
                    traveler_type: "student".into(),
                    n: 3,
                },
                OpenCount {
                    traveler_type: "staff".into(),
                    n: 2,
                },
            ],
            up: vec![UpHour { hour_us: 0, bits }],
            declared: declared.into(),
        };
        Heard::from_live(Arc::new(value), None)
    }

    #[test]
    fn a_sensor_is_online_as_long_as_it_is_covered_and_late_for_five_heartbeats() {
        let sensor = heard(1000, 1000, 0);
        let state = |seconds| sensor.state(at(seconds), RHYTHM);
        assert_eq!(state(1060), SensorState::Online);
        assert_eq!(state(1061), SensorState::Late);
        assert_eq!(state(1150), SensorState::Late);
        assert_eq!(state(1151), SensorState::Offline);
        assert_eq!(
            KnownSensor::default().state(at(0), RHYTHM),
            SensorState::Unknown
        );
        assert_eq!(sensor.silent_s(at(1061)), Some(61));
    }

    #[test]
    fn a_goodbye_counts_until_the_sensor_speaks_again() {
        assert!(live(25, "offline", &[0, 1, 2]).said_goodbye);
        assert!(
            !live(25, "offline", &[0, 1, 2, 3]).said_goodbye,
            "it spoke after its goodbye"
        );
        assert!(!live(25, "heartbeat", &[0, 1, 2]).said_goodbye);
    }

    #[test]
    fn people_are_counted_by_type_as_they_were_measured() {
        let heard = live(25, "online", &[]);
        assert_eq!(heard.present(|_| true), 5);
        assert_eq!(heard.present(|name| name == "staff"), 2);
    }

    #[test]
    fn the_clock_of_a_site_is_that_of_its_slowest_active_sensor() {
        let now = 200_000;
        let sensors = [
            heard(now, now, now - 1200),
            heard(now - 9, now - 5, now - 1209),
            heard(0, 10, 0),
        ];
        let found = clocks(sensors.iter(), at(now)).unwrap();
        assert_eq!(
            found,
            Clocks {
                clock: at(now - 5),
                watermark: at(now - 1209)
            }
        );
        assert_eq!(clocks([KnownSensor::default()].iter(), at(now)), None);
    }

    #[test]
    fn the_newer_of_row_and_live_view_counts() {
        let row = heard(1000, 1000, 0).heard.unwrap();
        let value = SensorValue {
            last_event_us: at(900).0,
            clock_us: at(1010).0,
            ..SensorValue::default()
        };
        let both = Heard::from_live(Arc::new(value), Some(&row));
        assert_eq!((both.last_event, both.clock), (at(1000), at(1010)));
    }
}
