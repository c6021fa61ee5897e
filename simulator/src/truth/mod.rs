//! The true answer: every visit and every pane of a set of samples, by brute force.
//!
//! This is the oracle that the product is compared with, so it shares nothing with the product's fold: no streaming, no
//! watermark, no merging of panes. All samples are known, sorted once, cut at the gaps and counted.
//!
//! The definitions: samples of one traveler and traveler type at one sensor stand in the order of (time, event id). A gap
//! above `idle_gap` starts a new visit; a gap of exactly `idle_gap` does not. Between two consecutive samples of a visit
//! lies a way, and a speed unless both have the same time. A speed belongs to the pane of its later end. A visit is
//! `present` in every pane that touches `[first, last]`, and `entered` in the first of them.

use std::collections::BTreeMap;

use domain::time::{Micros, Span};

/// One accepted position.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub struct Sample {
    /// Id of the sensor.
    pub sensor: String,
    /// Kind of traveler.
    pub traveler_type: String,
    /// Who.
    pub traveler_id: String,
    /// When.
    pub at: Micros,
    /// Identity, and the order of samples at the same instant.
    pub event_id: String,
    /// Metres.
    pub x: f64,
    /// Metres.
    pub y: f64,
}

/// The parameters of the definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The longest pause within a visit.
    pub idle_gap: Span,
    /// The length of a pane.
    pub pane: Span,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            idle_gap: Span::from_secs(30),
            pane: Span::from_secs(10),
        }
    }
}

/// A traveler's stay at a sensor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Visit {
    /// Its first sample.
    pub entered_at: Micros,
    /// Id of the sensor.
    pub sensor: String,
    /// Who.
    pub traveler_id: String,
    /// Kind of traveler.
    pub traveler_type: String,
    /// Its last sample.
    pub left_at: Micros,
    /// How many samples.
    pub samples: u64,
    /// Length of the way, nm.
    pub distance_nm: i64,
    /// Its speeds.
    pub speeds: Speeds,
}

/// Which pane.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaneKey {
    /// Its first instant.
    pub start: Micros,
    /// Id of the sensor.
    pub sensor: String,
    /// Kind of traveler.
    pub traveler_type: String,
}

/// What happened in a pane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pane {
    /// Visits that began in it.
    pub entered: u64,
    /// Visits that touch it.
    pub present: u64,
    /// Speeds whose later end lies in it.
    pub speeds: Speeds,
}

/// Speeds in nm/s. Sums of integers are the same in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Speeds {
    /// How many.
    pub n: u64,
    /// Their sum.
    pub sum: i64,
    /// The least; 0 without any.
    pub min: i64,
    /// The greatest; 0 without any.
    pub max: i64,
}

/// Everything that is true of a set of samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// The visits in the order of `/visits`: entered, sensor, traveler, type.
    pub visits: Vec<Visit>,
    /// The panes in which something happened.
    pub panes: BTreeMap<PaneKey, Pane>,
}

/// The true answer for `samples`, in which an event may occur more than once.
///
/// # Panics
/// When a coordinate is not a number; such a sample is not an accepted one.
#[must_use]
pub fn truth(mut samples: Vec<Sample>, rules: Rules) -> Truth {
    samples.sort_by(|a, b| a.partial_cmp(b).expect("accepted coordinates are numbers"));
    samples.dedup_by(|later, earlier| is_same_event(earlier, later));
    let mut truth = Truth::default();
    for visit in samples.chunk_by(|earlier, later| continues(earlier, later, rules.idle_gap)) {
        truth.add(visit, rules.pane);
    }
    truth.visits.sort();
    truth
}

fn is_same_event(one: &Sample, other: &Sample) -> bool {
    is_same_traveler(one, other) && one.at == other.at && one.event_id == other.event_id
}

fn is_same_traveler(one: &Sample, other: &Sample) -> bool {
    one.sensor == other.sensor
        && one.traveler_type == other.traveler_type
        && one.traveler_id == other.traveler_id
}

fn continues(earlier: &Sample, later: &Sample, idle_gap: Span) -> bool {
    is_same_traveler(earlier, later) && later.at - earlier.at <= idle_gap
}

impl Truth {
    fn add(&mut self, samples: &[Sample], pane: Span) {
        let (first, last) = (&samples[0], &samples[samples.len() - 1]);
        let mut visit = Visit {
            entered_at: first.at,
            sensor: first.sensor.clone(),
            traveler_id: first.traveler_id.clone(),
            traveler_type: first.traveler_type.clone(),
            left_at: last.at,
            samples: u64::try_from(samples.len()).expect("a usize fits"),
            distance_nm: 0,
            speeds: Speeds::default(),
        };
        for pair in samples.windows(2) {
            let metres = way_m(&pair[0], &pair[1]);
            visit.distance_nm += nano(metres);
            let seconds = (pair[1].at - pair[0].at).as_secs_f64();
            if seconds > 0.0 {
                let speed = nano(metres / seconds);
                visit.speeds.add(speed);
                self.pane(&pair[1], pair[1].at, pane).speeds.add(speed);
            }
        }
        self.pane(first, first.at, pane).entered += 1;
        let mut touched = first.at.floor(pane);
        while touched <= last.at {
            self.pane(first, touched, pane).present += 1;
            touched = touched + pane;
        }
        self.visits.push(visit);
    }

    fn pane(&mut self, sample: &Sample, at: Micros, pane: Span) -> &mut Pane {
        let key = PaneKey {
            start: at.floor(pane),
            sensor: sample.sensor.clone(),
            traveler_type: sample.traveler_type.clone(),
        };
        self.panes.entry(key).or_default()
    }
}

impl Speeds {
    fn add(&mut self, speed: i64) {
        self.min = if self.n == 0 {
            speed
        } else {
            self.min.min(speed)
        };
        self.max = self.max.max(speed);
        self.sum += speed;
        self.n += 1;
    }

    /// Their mean in m/s, if there is any.
    #[must_use]
    pub fn mean_m_s(&self) -> Option<f64> {
        let n = f64::from(u32::try_from(self.n).ok().filter(|&n| n > 0)?);
        Some(metres(self.sum) / n)
    }
}

fn way_m(from: &Sample, to: &Sample) -> f64 {
    (to.x - from.x).hypot(to.y - from.y)
}

/// Metres as nanometres, to the nearest.
#[expect(
    clippy::cast_possible_truncation,
    reason = "accepted coordinates are within 10^6 m and times whole µs, so this is below 4·10^21 only for broken sensors; `as` saturates"
)]
fn nano(metres: f64) -> i64 {
    // A broken sensor's speed counts as 10^9 m/s, as everywhere in the product.
    (metres.min(1e9) * 1e9).round() as i64
}

/// Nanometres as metres.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "the unit of the answer is a float"
)]
pub fn metres(nanometres: i64) -> f64 {
    nanometres as f64 / 1e9
}

#[cfg(test)]
mod tests;
