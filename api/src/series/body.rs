//! What `/series` answers: columns of values, one for each metric and series.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::series::metric::{ByMetric, Unit};
use crate::stamp::Stamp;
use crate::stream::cursor::StreamCursor;

/// A value: counts are written as whole numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Number {
    /// A count.
    Count(u64),
    /// A measure.
    Measure(f64),
}

/// The value at a point; null where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Cell(pub Option<Number>);

/// The values of a metric, by point.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Column(pub Vec<Cell>);

/// Series of windows over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Series {
    /// The metrics, in the order that was asked.
    #[schema(example = json!(["entries", "speed_avg"]))]
    pub metrics: Vec<String>,
    /// Where the range begins: what was asked, floored to ten seconds.
    pub start: Stamp,
    /// Where the range ends (exclusive): what was asked, raised to ten seconds.
    pub end: Stamp,
    /// Distance of two points, in seconds.
    pub step_s: i64,
    /// Length of each window, in seconds.
    pub window_s: i64,
    /// How windows follow each other.
    pub mode: Mode,
    /// Which edge of its window a point is named after.
    #[schema(example = "end")]
    pub label: String,
    /// The zone of every instant in this answer.
    #[schema(example = "Europe/London")]
    pub tz: String,
    /// What stands where nothing was counted.
    pub fill: Fill,
    /// No event before this changes a value any more, unless it comes from a sensor that was not heard of for an hour; null
    /// while no sensor has spoken.
    #[schema(required)]
    pub watermark: Option<Stamp>,
    /// Whether a metric is an estimate of a count; quantiles are always within 1 %.
    pub approx: bool,
    /// Whether the live part is old because the live view is away.
    pub stale: bool,
    /// The series.
    pub series: Vec<SeriesItem>,
    /// Where a subscription to the same question goes on.
    pub stream: StreamCursor,
}

/// One series: a column for each metric that was asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SeriesItem {
    /// Whose.
    pub key: SeriesKey,
    /// Number of points.
    pub n: usize,
    /// A column for each metric that was asked.
    #[serde(flatten)]
    pub columns: ByMetric<MetricValues>,
    /// Share of each window in which the sensors were known to be up, 0 to 1; the mean over the sensors of the series. One
    /// that nobody registered counts for an hour from each of its signs of life on.
    #[schema(example = json!([1.0, 1.0, 0.98]))]
    pub coverage: Vec<f64>,
    /// How settled each point is.
    pub state: Vec<PointState>,
}

/// Which part of the question a series answers; `all` where it was not split.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct SeriesKey {
    /// The sensor, or `all` that were asked.
    #[schema(example = "all")]
    pub sensor: String,
    /// The traveler type, or `all` that were asked.
    #[serde(rename = "type")]
    #[schema(example = "all")]
    pub traveler_type: String,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricValues {
    /// The unit.
    pub unit: Unit,
    /// The value of each point, null where there is none.
    #[schema(example = json!([0, 0, 3]))]
    pub v: Column,
}

/// How settled a point is.
///
/// `live`: its window is not over, or not long enough ago for its visits to have ended, so its
/// exits are null. `provisional`: it has settled; late events may still change it. `final`: what came in time is in it; only
/// an event that comes very late, within 48 h, changes it. `revised`: it was final, and such an event has changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PointState {
    /// The window is not over, or not long enough ago for its visits to have ended: exits are not known yet.
    Live,
    /// It has settled; late events may still change it.
    Provisional,
    /// What came in time is in it; only an event that comes very late, within 48 h, changes it.
    Final,
    /// It was final, and a late event has changed it since.
    Revised,
}

/// How windows follow each other. `rolling`: point i covers `[t - window, t)` with `t = start + (i+1)·step`. `bucket`: it
/// covers `[start + i·step, start + (i+1)·step)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Windows of their own length, which may overlap.
    Rolling,
    /// Windows as long as the step.
    Bucket,
}

/// What stands where nothing was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// A count is zero where the sensors were up and null where they were not; a speed is null. Whatever the filling, exits
    /// are null where they are not known yet.
    Auto,
    /// Zero.
    Zero,
    /// Null.
    None,
}

/// What makes a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    /// One series over everything that was asked.
    None,
    /// One for each sensor.
    Sensor,
    /// One for each traveler type.
    Type,
}
