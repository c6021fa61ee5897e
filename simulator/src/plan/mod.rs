//! What is where: zones, the sensors in them, and what people do there. Also the registry rows that describe it, so that
//! whoever starts a stack can show names and capacities.

mod campus;
mod crossing;

use clap::ValueEnum;

/// The places that can be simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// A university campus: an entrance, a library, a café, laboratories, a sports hall
    #[default]
    Campus,
    /// A dense street crossing: many short crossings, for load
    Crossing,
}

/// A place with its sensors.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the place is called.
    pub site_name: &'static str,
    /// Its zones; the first one is where people come in and go out.
    pub zones: Vec<Zone>,
    /// Its sensors; each zone has at least one.
    pub sensors: Vec<Sensor>,
}

/// A part of the place.
#[derive(Clone, Debug)]
pub struct Zone {
    /// Its id in the registry.
    pub id: &'static str,
    /// What people call it.
    pub name: &'static str,
    /// How many people it is made for.
    pub capacity: Option<u32>,
    /// Indices of its sensors in [`Plan::sensors`].
    pub sensors: Vec<u16>,
    /// What people do in it.
    pub habit: Habit,
}

/// What people do in the fields of a zone's sensors: they rest at a spot, walk to another one, and so on until they leave.
#[derive(Clone, Copy, Debug)]
pub struct Habit {
    /// Its part of the people who are on site at a usual moment, 0 to 1.
    pub share: f64,
    /// How long a person stays, on average, s. 0: everybody walks straight through.
    pub stay_s: f64,
    /// Share of the people who walk straight through, 0 to 1.
    pub pass_share: f64,
    /// How long a person rests at one spot, s.
    pub rest_s: (f64, f64),
    /// Time between two samples of a person who rests, s. Below the idle gap of 30 s, so that resting is not leaving.
    pub rest_sample_s: (f64, f64),
    /// Multiplies a person's own pace: people run in a sports hall.
    pub pace: f64,
}

/// A movement sensor and its field: positions are metres in its own plane, `0..width_m` by `0..depth_m`.
#[derive(Clone, Debug)]
pub struct Sensor {
    /// Its id, as in its MQTT topics.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Index of its zone in [`Plan::zones`].
    pub zone: usize,
    /// Extent along the way in, m.
    pub width_m: f64,
    /// Extent across it, m.
    pub depth_m: f64,
    /// Whether it falls silent now and then, so that a screen has a gap to show.
    pub falls_silent: bool,
}

/// Registry rows of a plan, as plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    /// The site.
    pub site: SiteEntry,
    /// Its zones, in the order in which to show them.
    pub zones: Vec<ZoneEntry>,
    /// Its sensors.
    pub devices: Vec<DeviceEntry>,
}

/// A row of `site`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteEntry {
    /// Its id, as in MQTT topics.
    pub id: String,
    /// What people call it.
    pub name: &'static str,
    /// Its IANA zone.
    pub tz: &'static str,
    /// Language and country of its numbers and dates.
    pub locale: &'static str,
}

/// A row of `zone`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneEntry {
    /// Its id.
    pub id: &'static str,
    /// What people call it.
    pub name: &'static str,
    /// How many people it is made for.
    pub capacity: Option<u32>,
    /// Where it stands in lists, from 0.
    pub position: u32,
}

/// A row of `device`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceEntry {
    /// Its id, as in MQTT topics.
    pub id: String,
    /// Its zone's id.
    pub zone: &'static str,
    /// What people call it.
    pub name: String,
}

impl Scenario {
    /// Its plan with that many sensors, or with its own number of them.
    #[must_use]
    pub fn plan(self, sensors: Option<u16>) -> Plan {
        match self {
            Self::Campus => campus::plan(sensors.unwrap_or(campus::SENSORS)),
            Self::Crossing => crossing::plan(sensors.unwrap_or(crossing::SENSORS)),
        }
    }

    /// How many samples a second one person on site makes on average; measured over an hour, see the test in `world`.
    #[must_use]
    pub const fn samples_per_person_second(self) -> f64 {
        match self {
            Self::Campus => campus::SAMPLES_PER_PERSON_SECOND,
            Self::Crossing => crossing::SAMPLES_PER_PERSON_SECOND,
        }
    }

    /// How many people are on site when no rate is asked for.
    #[must_use]
    pub const fn usual_people(self) -> f64 {
        match self {
            Self::Campus => 800.0,
            Self::Crossing => 200.0,
        }
    }
}

/// The registry rows of `scenario` with its own number of sensors, under the site id `site`.
#[must_use]
pub fn registry(scenario: Scenario, site: &str) -> Registry {
    scenario.plan(None).registry(site)
}

impl Plan {
    /// Its registry rows under the site id `site`.
    #[must_use]
    pub fn registry(&self, site: &str) -> Registry {
        let zones = self
            .zones
            .iter()
            .zip(0..)
            .map(|(zone, position)| ZoneEntry {
                id: zone.id,
                name: zone.name,
                capacity: zone.capacity,
                position,
            });
        let devices = self.sensors.iter().map(|sensor| DeviceEntry {
            id: sensor.id.clone(),
            zone: self.zones[sensor.zone].id,
            name: sensor.name.clone(),
        });
        Registry {
            site: SiteEntry {
                id: site.to_owned(),
                name: self.site_name,
                tz: "Europe/London",
                locale: "en-GB",
            },
            zones: zones.collect(),
            devices: devices.collect(),
        }
    }

    /// Adds a sensor to `zone`; ids count within their zone: `lib-1`, `lib-2`.
    fn add_sensor(&mut self, zone: usize, prefix: &str, field: (f64, f64)) {
        let index = u16::try_from(self.sensors.len()).expect("a plan has at most 65,535 sensors");
        let entry = &mut self.zones[zone];
        let number = entry.sensors.len() + 1;
        entry.sensors.push(index);
        self.sensors.push(Sensor {
            id: format!("{prefix}-{number}"),
            name: format!("{}, sensor {number}", entry.name),
            zone,
            width_m: field.0,
            depth_m: field.1,
            falls_silent: false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_campus_has_the_zones_and_sensors_of_the_demo() {
        let registry = registry(Scenario::Campus, "main");
        let zones: Vec<_> = registry
            .zones
            .iter()
            .map(|zone| (zone.id, zone.capacity))
            .collect();
        assert_eq!(
            zones,
            [
                ("entrance", Some(300)),
                ("lib", Some(450)),
                ("cafe", Some(90)),
                ("eng", Some(400)),
                ("sports", Some(240)),
            ]
        );
        let ids: Vec<_> = registry
            .devices
            .iter()
            .map(|device| device.id.as_str())
            .collect();
        assert_eq!(
            ids,
            [
                "ent-1", "lib-1", "cafe-1", "eng-1", "sh-1", "ent-2", "lib-2", "cafe-2", "eng-2",
                "lib-3", "eng-3"
            ]
        );
        assert_eq!(registry.devices[4].zone, "sports");
    }

    #[test]
    fn any_number_of_sensors_gives_a_plan_in_which_each_zone_has_one() {
        for scenario in [Scenario::Campus, Scenario::Crossing] {
            for sensors in [1, 2, 5, 11, 40] {
                let plan = scenario.plan(Some(sensors));
                assert_eq!(plan.sensors.len(), usize::from(sensors));
                assert!(plan.zones.iter().all(|zone| !zone.sensors.is_empty()));
                let mut ids: Vec<_> = plan.sensors.iter().map(|sensor| &sensor.id).collect();
                ids.sort();
                ids.dedup();
                assert_eq!(ids.len(), usize::from(sensors), "ids are unique");
            }
        }
    }
}
