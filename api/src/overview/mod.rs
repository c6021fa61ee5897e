//! `/overview`: how many people are where, now.

pub mod body;

use domain::id::DeviceId;
use domain::time::Micros;
use jiff::tz::TimeZone;

use crate::app::{Moment, Settings};
use crate::params::{Choice, zone};
use crate::problem::{Answer, Problem};
use crate::routes::overview::OverviewParams;
use crate::routes::sensor::SensorState;
use crate::sensors::{self, KnownSensor};
use crate::stamp::Stamp;
use crate::stream::cursor::{Position, StreamCursor, digest};
use body::{Overview, OverviewZone, SilentSensor, Totals, ZoneState};

/// Where the sensors are that are in no zone.
pub const UNASSIGNED: &str = "unassigned";
/// A zone is busy above this share of its capacity.
const BUSY_ABOVE: f64 = 0.8;

/// Which part of the site, checked.
#[derive(Clone, Debug)]
pub struct OverviewFilter {
    zones: Choice,
    sensors: Choice,
    types: Choice,
    tz: TimeZone,
    /// Equal for equal questions.
    pub digest: String,
}

impl OverviewFilter {
    /// Checks the parameters against what is known.
    ///
    /// # Errors
    /// A 400 that names the parameter.
    pub fn parse(params: &OverviewParams, moment: &Moment) -> Answer<Self> {
        let zones = known_zones(params.zone.as_deref(), moment)?;
        let sensors = known_sensors(params.sensor.as_deref(), moment)?;
        let types = Choice::parse("type", params.traveler_type.as_deref())?;
        let tz = zone(params.tz.as_deref(), &moment.catalog.tz)?;
        let canonical = [&zones, &sensors, &types].map(Choice::canonical);
        let name = tz.iana_name().unwrap_or("UTC");
        let digest = digest(
            canonical
                .iter()
                .map(String::as_str)
                .chain(["overview", name]),
        );
        Ok(Self {
            zones,
            sensors,
            types,
            tz,
            digest,
        })
    }
}

/// A list of zones, all of which exist.
///
/// # Errors
/// A 400 that names the one that does not.
pub fn known_zones(given: Option<&str>, moment: &Moment) -> Answer<Choice> {
    let zones = Choice::parse("zone", given)?;
    let exists =
        |id: &str| id == UNASSIGNED || moment.catalog.zones.iter().any(|zone| zone.id == id);
    match zones.names().into_iter().flatten().find(|id| !exists(id)) {
        Some(id) => Err(Problem::parameter(
            "zone",
            "unknown_zone",
            format!("no zone has the id {id:?}"),
        )),
        None => Ok(zones),
    }
}

/// A list of sensors, all of which are registered or were heard of.
///
/// # Errors
/// A 400 that names the one that is not.
pub fn known_sensors(given: Option<&str>, moment: &Moment) -> Answer<Choice> {
    let sensors = Choice::parse("sensor", given)?;
    let unknown = |id: &&String| !moment.sensors.contains_key(id.as_str());
    match sensors.names().into_iter().flatten().find(unknown) {
        Some(id) => Err(Problem::parameter(
            "sensor",
            "unknown_sensor",
            format!("no sensor has the id {id:?}, and none was heard of under it"),
        )),
        None => Ok(sensors),
    }
}

/// How many people are where, at `moment`.
#[must_use]
pub fn overview(filter: &OverviewFilter, moment: &Moment, settings: &Settings) -> Overview {
    let now = moment.now;
    let counting = Counting {
        filter,
        moment,
        settings,
        newest: sensors::newest_sign(&moment.sensors),
    };
    let zones = counting.zones();
    let counted = zones.iter().filter(|zone| zone.state != ZoneState::NoData);
    let chosen = || {
        moment
            .sensors
            .iter()
            .filter(|(id, sensor)| counting.takes(id, sensor))
    };
    let clocks = sensors::clocks(chosen().map(|(_, sensor)| sensor), now);
    let silent = chosen().filter(|(_, sensor)| !counting.speaks(sensor));
    let ids = zones
        .iter()
        .map(|zone| zone.id.as_str())
        .chain(chosen().map(|(id, _)| id.as_str()));
    let epoch = digest(std::iter::once(moment.catalog.identity.as_str()).chain(ids));
    Overview {
        totals: Totals {
            as_of: counting.stamp(now),
            on_site: counted.clone().map(|zone| zone.n).sum(),
            counted_zones: counted.count(),
            typical: None,
            lag_ms: moment.live.lag_ms,
            open_alerts: 0,
            watermark: clocks
                .and_then(|c| c.known_watermark())
                .map(|at| counting.stamp(at)),
            stale: moment.live.stale,
        },
        silent_sensors: silent
            .map(|(id, sensor)| counting.silent(id, sensor))
            .collect(),
        zones,
        stream: StreamCursor {
            topic: "overview".to_owned(),
            filter: filter.digest.clone(),
            epoch,
            offset: Position::new(now, None).offset(),
        },
    }
}

struct Counting<'a> {
    filter: &'a OverviewFilter,
    moment: &'a Moment,
    settings: &'a Settings,
    /// The newest sign of any sensor.
    newest: Micros,
}

impl Counting<'_> {
    /// The zones in their order, and the place of the sensors that are in none.
    fn zones(&self) -> Vec<OverviewZone> {
        let catalog = &self.moment.catalog;
        let registered = catalog
            .zones
            .iter()
            .map(|zone| (zone.id.as_str(), zone.name.as_str(), zone.capacity));
        let mut zones = Vec::new();
        for (id, name, capacity) in registered.chain([(UNASSIGNED, "Unassigned", None)]) {
            let inside: Vec<_> = self
                .moment
                .sensors
                .iter()
                .filter(|(sensor_id, sensor)| {
                    zone_of(sensor) == id && self.takes(sensor_id, sensor)
                })
                .collect();
            let is_wanted = self.filter.zones.contains(id);
            let is_shown =
                !inside.is_empty() || (id != UNASSIGNED && self.filter.sensors == Choice::All);
            if is_wanted && is_shown {
                zones.push(self.zone((id, name, capacity), &inside));
            }
        }
        zones
    }

    fn zone(
        &self,
        (id, name, capacity): (&str, &str, Option<i32>),
        inside: &[(&DeviceId, &KnownSensor)],
    ) -> OverviewZone {
        let now = self.moment.now;
        let heard = || {
            inside
                .iter()
                .filter_map(|(_, sensor)| sensor.heard.as_ref())
        };
        let no_data = !inside.iter().any(|(_, sensor)| self.speaks(sensor));
        // Beside one that speaks, what a silent one saw last is not added: it would stay there for ever.
        let counted = inside
            .iter()
            .filter(|(_, sensor)| no_data || self.speaks(sensor))
            .filter_map(|(_, sensor)| sensor.heard.as_ref());
        let wanted = |name: &str| self.filter.types.contains(name);
        let n: u64 = counted.map(|heard| heard.present(wanted)).sum();
        #[expect(
            clippy::cast_precision_loss,
            reason = "a number of people is far below 2^53"
        )]
        let share = capacity.map(|capacity| n as f64 / f64::from(capacity));
        OverviewZone {
            id: id.to_owned(),
            name: name.to_owned(),
            n,
            capacity,
            share,
            state: match share {
                _ if no_data => ZoneState::NoData,
                Some(share) if share > 1.0 => ZoneState::Over,
                Some(share) if share > BUSY_ABOVE => ZoneState::Busy,
                _ => ZoneState::Normal,
            },
            seen: heard()
                .map(|heard| heard.last_event)
                .max()
                .map(|at| self.stamp(at)),
            silent_s: inside
                .iter()
                .filter(|_| no_data)
                .filter_map(|(_, sensor)| sensor.silent_s(now))
                .min(),
            sensors: inside.iter().map(|(id, _)| id.0.clone()).collect(),
        }
    }

    fn silent(&self, id: &DeviceId, sensor: &KnownSensor) -> SilentSensor {
        SilentSensor {
            id: id.0.clone(),
            zone: sensor.zone.clone(),
            last_seen: sensor
                .heard
                .as_ref()
                .map(|heard| self.stamp(heard.last_event)),
            silent_s: sensor.silent_s(self.moment.now),
        }
    }

    fn takes(&self, id: &DeviceId, sensor: &KnownSensor) -> bool {
        let is_meant = match self.filter.sensors {
            Choice::All => !sensor.is_forgotten(self.newest),
            _ => self.filter.sensors.contains(id.as_str()),
        };
        is_meant && self.filter.zones.contains(zone_of(sensor))
    }

    fn speaks(&self, sensor: &KnownSensor) -> bool {
        sensor.state(self.moment.now, self.settings.rhythm) == SensorState::Online
    }

    fn stamp(&self, at: Micros) -> Stamp {
        Stamp::new(at, &self.filter.tz)
    }
}

/// The zone of a sensor, as it is listed.
#[must_use]
pub fn zone_of(sensor: &KnownSensor) -> &str {
    sensor.zone.as_deref().unwrap_or(UNASSIGNED)
}
