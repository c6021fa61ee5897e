//! What a log without its beginning says for certain.
//!
//! The state with which it begins knows what may still change, and no longer what was final then. An event that comes late changes
//! that all the same, with rows and samples that stand in Postgres only, as they are today and not as they were. So when a late
//! event reaches back that far, all that its sensor saw up to then is in doubt, and is not compared. What came later is: the state
//! has every sample that a visit or a gap of that time can lean on.

use std::collections::{BTreeMap, HashMap};

use domain::coverage::HOUR;
use domain::live::{LiveMap, LiveWrite, SensorValue, parse_pane_field};
use domain::movement::Stretch;
use domain::time::Micros;
use prost::Message;

use crate::store::checkpoint::without_nul;

/// Sensors in doubt, and from when on they are not.
pub(super) type Doubted = BTreeMap<String, Micros>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// From when on the log says everything about a sensor.
    since: HashMap<String, Micros>,
    /// The same for a sensor that the state has forgotten, or not met yet.
    since_of_others: Micros,
    doubted: Doubted,
}

impl Known {
    /// What is known with a state that shows this.
    pub(super) fn of(shown: &[LiveWrite]) -> Self {
        let mut known = Self {
            since_of_others: Micros(0),
            ..Self::default()
        };
        for write in shown.iter().filter(|write| write.map == LiveMap::Sensors) {
            let value = write.value.as_deref().map(SensorValue::decode);
            let (Ok(name), Some(Ok(value))) = (std::str::from_utf8(&write.field), value) else {
                continue;
            };
            // What was open at its clock is written later. Coverage is written by the hour, so the hour must be later as well.
            let clock = value.clock_us.max(value.last_event_us).max(0);
            let since = Micros(clock).ceil(HOUR);
            known.since_of_others = known.since_of_others.max(since);
            known.since.insert(without_nul(name), since);
        }
        known
    }

    /// Late events want to see this.
    pub(super) fn judge(&mut self, stretches: &[Stretch]) {
        for stretch in stretches {
            let name = without_nul(&stretch.sensor.0);
            let since = self.since.get(&name).copied();
            let since = since.unwrap_or(self.since_of_others);
            if stretch.from < since {
                self.doubted.insert(name, since);
            }
        }
    }

    /// What cannot be compared any more.
    pub(super) fn doubted(&self) -> &Doubted {
        &self.doubted
    }

    /// Whether that holds for a live value.
    pub(super) fn is_doubted(&self, map: LiveMap, field: &[u8]) -> bool {
        let since = |sensor: &str| self.doubted.get(&without_nul(sensor));
        match map {
            LiveMap::Panes => parse_pane_field(field)
                .is_some_and(|key| since(&key.sensor.0).is_some_and(|since| key.start < *since)),
            // What it shows of the last hours lies on both sides.
            LiveMap::Sensors => std::str::from_utf8(field).is_ok_and(|name| since(name).is_some()),
            LiveMap::Visits | LiveMap::Revised => false,
        }
    }

    /// What there is to say about it.
    pub(super) fn remark(&self) -> Option<String> {
        let count = self.doubted.len();
        let (first, since) = self.doubted.first_key_value()?;
        Some(format!(
            "what {count} sensors saw at first is not compared, {first} until {since} among them: late events changed what was \
             final before the first offset that was folded"
        ))
    }
}

#[cfg(test)]
mod tests {
    use domain::live::pane_field;
    use domain::pane::PaneKey;

    use super::*;

    fn sensor(name: &str, clock: Micros) -> LiveWrite {
        let value = SensorValue {
            clock_us: clock.0,
            ..SensorValue::default()
        };
        LiveWrite {
            map: LiveMap::Sensors,
            field: name.as_bytes().to_vec(),
            value: Some(value.encode_to_vec()),
        }
    }

    /// Whether a stretch that begins so many seconds after the hour casts doubt on its sensor.
    fn check(name: &str, seconds: i64) -> bool {
        let hour = Micros(0) + HOUR * 500_000;
        let after = |seconds: i64| Micros(hour.0 + seconds * 1_000_000);
        let shown = [sensor("a", after(-7_000)), sensor("b", after(-10))];
        let mut known = Known::of(&shown);
        let sensor = name.into();
        let (from, to) = (after(seconds), after(seconds + 60));
        known.judge(&[Stretch { sensor, from, to }]);
        let is_doubted = known.doubted().contains_key(name);
        assert_eq!(known.remark().is_some(), is_doubted);
        assert_eq!(
            known.is_doubted(LiveMap::Sensors, name.as_bytes()),
            is_doubted
        );
        let pane = |start| {
            let sensor = name.into();
            let traveler_type = "person".into();
            let key = PaneKey {
                sensor,
                traveler_type,
                start,
            };
            known.is_doubted(LiveMap::Panes, &pane_field(&key))
        };
        assert_eq!((pane(from), pane(hour)), (is_doubted, false));
        is_doubted
    }

    #[test]
    fn a_late_event_that_reaches_back_to_before_the_state_casts_doubt() {
        // Of sensor a the hours are known that began after its clock, and of one that is not known those after every clock.
        for (name, seconds, is_doubted) in [
            ("a", -3_601, true),
            ("a", -3_600, false),
            ("b", -1, true),
            ("b", 0, false),
            ("c", -1, true),
            ("c", 0, false),
        ] {
            assert_eq!(check(name, seconds), is_doubted, "{name} {seconds}");
        }
    }
}
