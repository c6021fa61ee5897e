//! The columns of an answer, made of a reading.

use domain::id::DeviceId;
use domain::series::{Expected, Grid, Speeds, Totals};
use domain::time::Micros;

use super::body::{
    Cell, Column, Fill, GroupBy, MetricValues, Number, PointState, Series, SeriesItem, SeriesKey,
};
use super::metric::{ByMetric, Metric};
use super::question::Question;
use super::reading::Reading;
use crate::app::{Moment, Settings};
use crate::problem::Answer;
use crate::sensors::{self, Clocks, KnownSensor, WAITED_FOR};
use crate::stamp::Stamp;
use crate::stream::cursor::{Position, StreamCursor};

/// Answers at `moment` from what was read.
///
/// # Errors
/// A 422 when the answer would be too large.
pub fn answer(reading: &Reading, moment: &Moment, settings: &Settings) -> Answer<Series> {
    let question = reading.question().as_ref();
    let now = moment.now;
    let grid = question.grid(now);
    let keys = keys(reading);
    question.check_size(now, keys.len())?;
    let columns = Columns {
        reading,
        moment,
        settings,
        grid,
    };
    let clocks = columns.clocks(None);
    let stamp = |at| Stamp::new(at, &question.tz);
    Ok(Series {
        metrics: question
            .metrics
            .iter()
            .map(|metric| metric.as_str().to_owned())
            .collect(),
        start: stamp(question.start),
        end: stamp(question.end_at(now)),
        step_s: question.step.0 / 1_000_000,
        window_s: question.window.0 / 1_000_000,
        mode: question.mode,
        label: "end".to_owned(),
        tz: question.tz.iana_name().unwrap_or("UTC").to_owned(),
        fill: question.fill,
        watermark: clocks
            .and_then(|clocks| clocks.known_watermark())
            .map(stamp),
        approx: false,
        stale: moment.live.stale,
        series: keys.into_iter().map(|key| columns.item(key)).collect(),
        stream: StreamCursor {
            topic: "series".to_owned(),
            filter: question.filter.clone(),
            epoch: question.epoch.clone(),
            offset: position(question, moment).offset(),
        },
    })
}

/// Where an answer to `question` at `moment` stands: what is final in it stays so.
#[must_use]
pub fn position(question: &Question, moment: &Moment) -> Position {
    let chosen = question
        .sensors
        .iter()
        .filter_map(|id| moment.sensors.get(id));
    let clocks = sensors::clocks_of_all(chosen, moment.now);
    Position::new(moment.now, clocks.map(|clocks| clocks.watermark))
}

/// The series of an answer: one, one for each sensor that is meant, or one for each type that was seen or asked for.
fn keys(reading: &Reading) -> Vec<SeriesKey> {
    let question = reading.question();
    let key = |sensor: &str, traveler_type: &str| SeriesKey {
        sensor: sensor.to_owned(),
        traveler_type: traveler_type.to_owned(),
    };
    match question.group_by {
        GroupBy::None => vec![key("all", "all")],
        GroupBy::Sensor => question
            .sensors
            .iter()
            .map(|id| key(id.as_str(), "all"))
            .collect(),
        GroupBy::Type => match question.types.names() {
            Some(names) => names.iter().map(|name| key("all", name)).collect(),
            None => reading.groups().map(|name| key("all", name)).collect(),
        },
    }
}

/// What is known of when sensors were up, by point.
struct Up {
    /// The share of the time.
    coverage: Vec<f64>,
    /// Whether it changed after it was final.
    revised: Vec<bool>,
    /// Whether it may change although the watermark is past.
    undecided: Vec<bool>,
}

struct Columns<'a> {
    reading: &'a Reading,
    moment: &'a Moment,
    settings: &'a Settings,
    grid: Grid,
}

impl Columns<'_> {
    fn item(&self, key: SeriesKey) -> SeriesItem {
        let question = self.reading.question();
        let (group, sensor) = match question.group_by {
            GroupBy::None => ("", None),
            GroupBy::Sensor => (key.sensor.as_str(), Some(key.sensor.as_str())),
            GroupBy::Type => (key.traveler_type.as_str(), None),
        };
        let totals = match self.reading.strip(group) {
            Some(strip) => strip.totals(&self.grid, question.with_quantiles()),
            None => vec![Totals::default(); self.grid.points],
        };
        let up = self.up(group, sensor);
        let coverage = up.coverage;
        let clocks = self.clocks(sensor);
        let state = (0..self.grid.points).map(|i| {
            let is_revised = totals[i].revised > 0 || up.revised[i];
            match self.state(self.grid.window_of(i).end, clocks) {
                PointState::Final if up.undecided[i] => PointState::Provisional,
                PointState::Final if is_revised => PointState::Revised,
                state => state,
            }
        });
        let state: Vec<PointState> = state.collect();
        let column = |metric: &Metric| {
            let cell = |i: usize| match (metric, state[i]) {
                // Whoever was seen last in it may be seen again.
                (Metric::Exits, PointState::Live) => Cell(None),
                _ => cell(*metric, &totals[i], coverage[i], question.fill),
            };
            let values = MetricValues {
                unit: metric.unit(),
                v: Column((0..self.grid.points).map(cell).collect()),
            };
            (*metric, values)
        };
        SeriesItem {
            n: self.grid.points,
            columns: question.metrics.iter().map(column).collect::<ByMetric<_>>(),
            key,
            coverage,
            state,
        }
    }

    /// One sensor, or all that are meant.
    fn chosen(&self, sensor: Option<&str>) -> impl Iterator<Item = &KnownSensor> {
        let meant = self.reading.question().sensors.iter();
        meant
            .filter(move |id| sensor.is_none_or(|sensor| id.as_str() == sensor))
            .filter_map(|id| self.moment.sensors.get(id))
    }

    fn clocks(&self, sensor: Option<&str>) -> Option<Clocks> {
        sensors::clocks(self.chosen(sensor), self.moment.now)
    }

    /// What is known of when the sensors of a group were up, point by point.
    fn up(&self, group: &str, sensor: Option<&str>) -> Up {
        let points = self.grid.points;
        let Some(uptime) = self.reading.uptime(group) else {
            return Up {
                coverage: vec![0.0; points],
                revised: vec![false; points],
                undecided: vec![false; points],
            };
        };
        let newest = sensors::newest_of(self.chosen(sensor), self.moment.now);
        let watermark = |id: &DeviceId| {
            let heard = self.moment.sensors.get(id)?.heard.as_ref()?;
            heard.is_waited_for(newest?).then_some(heard.watermark)
        };
        let silent_after = self.settings.rhythm.silent_after;
        Up {
            coverage: uptime.coverage(&self.grid, &self.expected(sensor), self.moment.now),
            revised: uptime.revised(&self.grid),
            undecided: uptime.undecided(&self.grid, silent_after, watermark),
        }
    }

    /// Registered sensors at any time, the others for as long after each sign as they are waited for.
    fn expected(&self, sensor: Option<&str>) -> Expected {
        let meant = self.reading.question().sensors.iter();
        let meant = meant.filter(|id| sensor.is_none_or(|sensor| id.as_str() == sensor));
        let is_registered = |id: &&DeviceId| {
            let known = self.moment.sensors.get(*id);
            known.is_some_and(|sensor| sensor.is_registered)
        };
        Expected {
            always: meant.filter(is_registered).cloned().collect(),
            others_for: WAITED_FOR,
        }
    }

    fn state(&self, end: Micros, clocks: Option<Clocks>) -> PointState {
        let settled = end + self.settings.open_for;
        let (clock, watermark) = match clocks {
            Some(clocks) => (clocks.clock, clocks.watermark),
            None => (self.moment.now, Micros::MIN),
        };
        if settled > clock {
            PointState::Live
        } else if settled > watermark {
            PointState::Provisional
        } else {
            PointState::Final
        }
    }
}

fn cell(metric: Metric, totals: &Totals, coverage: f64, fill: Fill) -> Cell {
    let count = |count: u64| {
        let is_known = match fill {
            Fill::Auto => count > 0 || coverage > 0.0,
            Fill::Zero => true,
            Fill::None => count > 0,
        };
        Cell(is_known.then_some(Number::Count(count)))
    };
    let speed = |of: fn(&Speeds) -> Option<f64>| {
        let empty = (fill == Fill::Zero).then_some(0.0);
        Cell(
            totals
                .speeds
                .as_ref()
                .and_then(of)
                .or(empty)
                .map(Number::Measure),
        )
    };
    match metric {
        Metric::Entries => count(totals.entries),
        Metric::Exits => count(totals.exits),
        Metric::Present => count(totals.present),
        Metric::SpeedAvg => speed(|speeds| Some(speeds.mean)),
        Metric::SpeedMin => speed(|speeds| Some(speeds.min)),
        Metric::SpeedMax => speed(|speeds| Some(speeds.max)),
        Metric::SpeedP50 => speed(|speeds| speeds.p50),
        Metric::SpeedP95 => speed(|speeds| speeds.p95),
    }
}

#[cfg(test)]
mod tests;
