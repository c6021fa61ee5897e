//! What is asked of `/series`, checked: every parameter that cannot be answered is refused here, by name.

use domain::id::DeviceId;
use domain::live::SensorValue;
use domain::pane::PANE;
use domain::series::Grid;
use domain::time::{Micros, Span};
use jiff::tz::TimeZone;

use super::body::{Fill, GroupBy, Mode};
use super::metric::Metric;
use crate::app::Moment;
use crate::live::Who;
use crate::overview::{known_sensors, known_zones, zone_of};
use crate::params::{self, Choice, When, pane_multiple, span_label};
use crate::problem::{Answer, Problem};
use crate::routes::series::SeriesParams;
use crate::stream::cursor::digest;

/// Points of a series at most.
pub const POINTS_MAX: usize = 11_000;
/// Values of an answer at most.
pub const VALUES_MAX: usize = 200_000;
/// The longest range: 400 days of panes fit in memory.
const RANGE_MAX: Span = Span::from_secs(400 * 86_400);
/// Steps that people read easily, in seconds.
const STEPS: [i64; 14] = [
    10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200,
];
const DAY_S: i64 = 86_400;

/// A question that can be answered, at any instant.
#[derive(Clone, Debug)]
pub struct Question {
    /// The metrics, in the order that was asked, each once.
    pub metrics: Vec<Metric>,
    /// The sensors that are meant: all that are known and were not left out. Sorted.
    pub sensors: Vec<DeviceId>,
    /// Whether none was left out.
    pub all_sensors: bool,
    chosen: Choice,
    zones: Choice,
    /// The traveler types.
    pub types: Choice,
    /// Where the range begins.
    pub start: Micros,
    /// Where it ends, now or at any instant.
    pub end: When,
    /// Distance of two points.
    pub step: Span,
    /// Length of each window.
    pub window: Span,
    /// How windows follow each other.
    pub mode: Mode,
    /// What makes a series.
    pub group_by: GroupBy,
    /// What stands where nothing was counted.
    pub fill: Fill,
    /// The zone of days and answers.
    pub tz: TimeZone,
    /// Equal for equal questions, apart from when they are asked.
    pub filter: String,
    /// Tells the data apart that positions belong to: the database, and the sensors that are meant.
    pub epoch: String,
}

impl Question {
    /// Checks the parameters against what is known. Words such as `today` are resolved at the moment's instant.
    ///
    /// # Errors
    /// A 400 that names the parameter; a 422 when there would be too many points.
    pub fn parse(params: &SeriesParams, moment: &Moment) -> Answer<Self> {
        let tz = params::zone(params.tz.as_deref(), &moment.catalog.tz)?;
        let start = When::parse("start", params.start.as_deref().unwrap_or("today"))?;
        let end = When::parse("end", params.end.as_deref().unwrap_or("now"))?;
        let mode = params::one_of("mode", params.mode.as_deref(), &MODES, Mode::Rolling)?;
        let step = pane_multiple("step", params.step.as_deref().unwrap_or("60s"))?;
        let window = match params.window.as_deref() {
            Some(given) => pane_multiple("window", given)?,
            None => step,
        };
        let zones = known_zones(params.zone.as_deref(), moment)?;
        let chosen = known_sensors(params.sensor.as_deref(), moment)?;
        let mut question = Self {
            metrics: metrics(params.metric.as_deref())?,
            sensors: selected(&chosen, &zones, moment),
            all_sensors: chosen == Choice::All && zones == Choice::All,
            chosen,
            zones,
            types: Choice::parse("type", params.traveler_type.as_deref())?,
            start: start.resolve(moment.now, &tz).floor(PANE),
            end,
            step,
            window: if mode == Mode::Bucket { step } else { window },
            mode,
            group_by: params::one_of(
                "group_by",
                params.group_by.as_deref(),
                &GROUPS,
                GroupBy::None,
            )?,
            fill: params::one_of("fill", params.fill.as_deref(), &FILLS, Fill::Auto)?,
            tz,
            filter: String::new(),
            epoch: String::new(),
        };
        question.filter = question.digest();
        question.epoch = epoch(&question.sensors, moment);
        question.check_range(moment.now)?;
        Ok(question)
    }

    /// Where the range ends at `now`, raised to a whole pane.
    #[must_use]
    pub fn end_at(&self, now: Micros) -> Micros {
        self.end.resolve(now, &self.tz).ceil(PANE)
    }

    /// The windows at `now`.
    #[must_use]
    pub fn grid(&self, now: Micros) -> Grid {
        Grid::over(self.start..self.end_at(now), self.step, self.window)
    }

    /// Whether a metric needs the distribution of speeds.
    #[must_use]
    pub fn with_quantiles(&self) -> bool {
        self.metrics.iter().any(|metric| metric.is_quantile())
    }

    /// Whether a pane counts.
    #[must_use]
    pub fn takes(&self, who: &Who) -> bool {
        self.types.contains(who.traveler_type.as_str())
            && (self.all_sensors || self.has_sensor(&who.sensor))
    }

    /// Whether a sensor is meant.
    #[must_use]
    pub fn has_sensor(&self, sensor: &DeviceId) -> bool {
        self.sensors.binary_search(sensor).is_ok()
    }

    /// The series that a pane belongs to; empty where there is only one.
    #[must_use]
    pub fn group_of<'a>(&self, who: &'a Who) -> &'a str {
        match self.group_by {
            GroupBy::None => "",
            GroupBy::Sensor => who.sensor.as_str(),
            GroupBy::Type => who.traveler_type.as_str(),
        }
    }

    /// Which sensors and types, for the name of a file.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}_{}", self.chosen.canonical(), self.types.canonical())
    }

    /// What makes a subscription: equal questions from the same start on.
    #[must_use]
    pub fn feed_key(&self) -> String {
        format!("{}.{}.{}", self.filter, self.epoch, self.start.0)
    }

    /// A question about everything since 1970.
    #[cfg(test)]
    pub(super) fn for_tests(metric: Metric, group_by: GroupBy) -> Self {
        Self {
            metrics: vec![metric],
            sensors: Vec::new(),
            all_sensors: true,
            chosen: Choice::All,
            zones: Choice::All,
            types: Choice::All,
            start: Micros(0),
            end: When::Now,
            step: PANE,
            window: PANE,
            mode: Mode::Rolling,
            group_by,
            fill: Fill::Auto,
            tz: TimeZone::UTC,
            filter: String::new(),
            epoch: String::new(),
        }
    }

    /// The epoch of the same question at `moment`: another one when the data was reset or other sensors are meant.
    #[must_use]
    pub fn epoch_at(&self, moment: &Moment) -> String {
        epoch(&selected(&self.chosen, &self.zones, moment), moment)
    }

    fn digest(&self) -> String {
        let names: Vec<&str> = self.metrics.iter().map(|metric| metric.as_str()).collect();
        let choices = [&self.chosen, &self.zones, &self.types];
        let mut parts: Vec<String> = choices.map(Choice::canonical).into();
        parts.push(names.join(","));
        parts.push(format!(
            "{:?} {:?} {:?} {:?} {:?} {:?}",
            self.end, self.step, self.window, self.mode, self.group_by, self.fill
        ));
        parts.push(self.tz.iana_name().unwrap_or("UTC").to_owned());
        digest(parts.iter().map(String::as_str))
    }

    fn check_range(&self, now: Micros) -> Answer<()> {
        let end = self.end_at(now);
        if end < self.start || (end == self.start && !self.end.slides()) {
            let detail = format!("{end} is not after start, {}", self.start);
            return Err(Problem::parameter("end", "range_order", detail));
        }
        if end - self.start > RANGE_MAX {
            let detail = format!("the range is longer than {}", span_label(RANGE_MAX));
            return Err(Problem::parameter("end", "range_too_long", detail));
        }
        self.check_size(now, 1)
    }

    /// Checks that an answer with so many series is not too large.
    ///
    /// # Errors
    /// A 422 with a step that would do.
    pub fn check_size(&self, now: Micros, series: usize) -> Answer<()> {
        let columns = (series * self.metrics.len()).max(1);
        let points_max = POINTS_MAX.min(VALUES_MAX / columns);
        let points = self.grid(now).points;
        if points <= points_max {
            return Ok(());
        }
        let detail = format!(
            "the range holds {points} points of {} in {series} series of {} metrics; at most {points_max} points are answered",
            span_label(self.step),
            self.metrics.len()
        );
        let step = suggested_step(self.end_at(now) - self.start, points_max);
        Err(Problem::too_many_points(detail, step.map(span_label)))
    }
}

const MODES: [(&str, Mode); 2] = [("rolling", Mode::Rolling), ("bucket", Mode::Bucket)];
const GROUPS: [(&str, GroupBy); 3] = [
    ("none", GroupBy::None),
    ("sensor", GroupBy::Sensor),
    ("type", GroupBy::Type),
];
const FILLS: [(&str, Fill); 3] = [
    ("auto", Fill::Auto),
    ("zero", Fill::Zero),
    ("none", Fill::None),
];

/// The sensors that are meant, sorted.
fn selected(chosen: &Choice, zones: &Choice, moment: &Moment) -> Vec<DeviceId> {
    let known = moment.sensors.iter();
    known
        .filter(|(id, sensor)| chosen.contains(id.as_str()) && zones.contains(zone_of(sensor)))
        .map(|(id, _)| id.clone())
        .collect()
}

fn epoch(sensors: &[DeviceId], moment: &Moment) -> String {
    let sensors = sensors.iter().map(DeviceId::as_str);
    digest(std::iter::once(moment.catalog.identity.as_str()).chain(sensors))
}

fn metrics(given: Option<&str>) -> Answer<Vec<Metric>> {
    let mut metrics = Vec::new();
    for name in given.unwrap_or("entries").split(',').map(str::trim) {
        let metric = Metric::from_name(name).ok_or_else(|| {
            let known = Metric::ALL.map(Metric::as_str).join(", ");
            Problem::parameter(
                "metric",
                "unknown_metric",
                format!("{name:?} is none of {known}"),
            )
        })?;
        if !metrics.contains(&metric) {
            metrics.push(metric);
        }
    }
    Ok(metrics)
}

/// The shortest readable step with which `range` has at most `points_max` points.
fn suggested_step(range: Span, points_max: usize) -> Option<Span> {
    let points_max = i64::try_from(points_max).ok().filter(|&max| max > 0)?;
    let fits = |step: &Span| (range.0 + step.0 - 1) / step.0 <= points_max;
    let days = (1..=31).map(|days| days * DAY_S);
    STEPS
        .into_iter()
        .chain(days)
        .map(Span::from_secs)
        .find(fits)
}

/// The hours in which a sensor is known to have been up, as the live view has them.
pub(super) fn up_hours(value: &SensorValue) -> impl Iterator<Item = (Micros, &[u8])> {
    value
        .up
        .iter()
        .map(|hour| (Micros(hour.hour_us), hour.bits.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_readable_step_that_fits_is_suggested() {
        let day = Span::from_secs(DAY_S);
        assert_eq!(suggested_step(day, 11_000), Some(Span::from_secs(10)));
        assert_eq!(suggested_step(day * 2, 11_000), Some(Span::from_secs(20)));
        assert_eq!(
            suggested_step(day * 365, 11_000),
            Some(Span::from_secs(3600))
        );
        assert_eq!(suggested_step(day * 365, 100), Some(day * 4));
        assert_eq!(suggested_step(day * 365, 0), None);
    }

    #[test]
    fn each_metric_is_answered_once_in_the_order_that_was_asked() {
        let found = metrics(Some("speed_avg, entries,speed_avg")).unwrap();
        assert_eq!(found, [Metric::SpeedAvg, Metric::Entries]);
        assert_eq!(metrics(None), Ok(vec![Metric::Entries]));
        assert!(metrics(Some("entries,")).is_err());
    }
}
