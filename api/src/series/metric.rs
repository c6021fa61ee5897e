//! The metrics that a series can show, and one value for each of some of them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A metric of `/series`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    /// Visits that began.
    Entries,
    /// Visits that ended.
    Exits,
    /// Distinct visits.
    Present,
    /// Mean speed.
    SpeedAvg,
    /// Least speed.
    SpeedMin,
    /// Greatest speed.
    SpeedMax,
    /// Median speed.
    SpeedP50,
    /// 95th percentile of speed.
    SpeedP95,
}

/// Units of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Unit {
    /// A number of visits.
    #[serde(rename = "count")]
    Count,
    /// Metres per second.
    #[serde(rename = "m/s")]
    MetresPerSecond,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Self; 8] = [
        Self::Entries,
        Self::Exits,
        Self::Present,
        Self::SpeedAvg,
        Self::SpeedMin,
        Self::SpeedMax,
        Self::SpeedP50,
        Self::SpeedP95,
    ];

    /// Its name in queries and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Entries => "entries",
            Self::Exits => "exits",
            Self::Present => "present",
            Self::SpeedAvg => "speed_avg",
            Self::SpeedMin => "speed_min",
            Self::SpeedMax => "speed_max",
            Self::SpeedP50 => "speed_p50",
            Self::SpeedP95 => "speed_p95",
        }
    }

    /// The metric of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.as_str() == name)
    }

    /// The unit of its values.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Self::Entries | Self::Exits | Self::Present => Unit::Count,
            _ => Unit::MetresPerSecond,
        }
    }

    /// Whether it needs the distribution of speeds.
    #[must_use]
    pub const fn is_quantile(self) -> bool {
        matches!(self, Self::SpeedP50 | Self::SpeedP95)
    }
}

/// Something for each of some metrics, by the metric's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ByMetric<T> {
    /// Visits that began in the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<T>,
    /// Visits whose last sample lies in the window; null in a live window, where who was seen last may be seen again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exits: Option<T>,
    /// Distinct visits that touch the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub present: Option<T>,
    /// Mean of the speed samples whose later end lies in the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_avg: Option<T>,
    /// The least of those samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_min: Option<T>,
    /// The greatest of those samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_max: Option<T>,
    /// Their median, within 1 %.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_p50: Option<T>,
    /// Their 95th percentile, within 1 %.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_p95: Option<T>,
}

impl<T> Default for ByMetric<T> {
    fn default() -> Self {
        Self {
            entries: None,
            exits: None,
            present: None,
            speed_avg: None,
            speed_min: None,
            speed_max: None,
            speed_p50: None,
            speed_p95: None,
        }
    }
}

impl<T> ByMetric<T> {
    /// What stands for `metric`.
    #[must_use]
    pub const fn get(&self, metric: Metric) -> Option<&T> {
        match metric {
            Metric::Entries => self.entries.as_ref(),
            Metric::Exits => self.exits.as_ref(),
            Metric::Present => self.present.as_ref(),
            Metric::SpeedAvg => self.speed_avg.as_ref(),
            Metric::SpeedMin => self.speed_min.as_ref(),
            Metric::SpeedMax => self.speed_max.as_ref(),
            Metric::SpeedP50 => self.speed_p50.as_ref(),
            Metric::SpeedP95 => self.speed_p95.as_ref(),
        }
    }

    /// The place of `metric`.
    pub const fn slot(&mut self, metric: Metric) -> &mut Option<T> {
        match metric {
            Metric::Entries => &mut self.entries,
            Metric::Exits => &mut self.exits,
            Metric::Present => &mut self.present,
            Metric::SpeedAvg => &mut self.speed_avg,
            Metric::SpeedMin => &mut self.speed_min,
            Metric::SpeedMax => &mut self.speed_max,
            Metric::SpeedP50 => &mut self.speed_p50,
            Metric::SpeedP95 => &mut self.speed_p95,
        }
    }

    /// Every metric for which something stands.
    pub fn iter(&self) -> impl Iterator<Item = (Metric, &T)> {
        Metric::ALL
            .into_iter()
            .filter_map(|metric| self.get(metric).map(|value| (metric, value)))
    }
}

impl<T> FromIterator<(Metric, T)> for ByMetric<T> {
    fn from_iter<I: IntoIterator<Item = (Metric, T)>>(pairs: I) -> Self {
        let mut by_metric = Self::default();
        for (metric, value) in pairs {
            *by_metric.slot(metric) = Some(value);
        }
        by_metric
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stands_under_the_name_of_its_metric() {
        let by_metric: ByMetric<usize> = Metric::ALL
            .into_iter()
            .enumerate()
            .map(|(i, metric)| (metric, i))
            .collect();
        let json = serde_json::to_value(&by_metric).unwrap();
        for (i, metric) in Metric::ALL.into_iter().enumerate() {
            assert_eq!(json[metric.as_str()], i);
            assert_eq!(Metric::from_name(metric.as_str()), Some(metric));
        }
        assert_eq!(by_metric.iter().count(), 8);
    }
}
