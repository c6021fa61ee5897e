//! The truth file: one JSON object a line, for scripts and tests that compare it with the product's answers.
//!
//! | `kind` | fields |
//! |---|---|
//! | `visit` | `sensor traveler_id traveler_type entered_at left_at samples distance_m speed_n speed_min speed_max speed_avg` |
//! | `pane` | `sensor traveler_type start entered present speed_n speed_sum speed_min speed_max` |
//! | `totals` | the last line: what was sent, and what must have been refused for which reason |
//!
//! Times are RFC 3339 in UTC with microseconds, lengths metres, speeds m/s; a speed that does not exist is null. Speeds and
//! distances are rounded to 10⁻⁹, each before it is summed.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use crate::fleet::Fleet;
use crate::message::{Content, Displacement, Message};
use crate::payload::timestamp;
use crate::truth::{Pane, PaneKey, Rules, Sample, Speeds, Truth, Visit, metres, truth};

/// What was handed to the devices so far, and what must come of it.
#[derive(Debug, Default)]
pub struct Record {
    samples: Option<Vec<Sample>>,
    totals: Totals,
}

/// The last line of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// PUBLISH packets, each counted once however often a broken connection made a device repeat it.
    pub messages: u64,
    /// Different positions that the pipeline must take.
    pub unique_events: u64,
    /// Positions that were sent again on purpose.
    pub duplicates: u64,
    /// Positions that were held back by two to fifteen minutes.
    pub late: u64,
    /// Positions that were held back by up to three minutes.
    pub out_of_order: u64,
    /// Heartbeats and other status messages.
    pub statuses: u64,
    /// Elements that must be rejected, by reason.
    pub invalid: BTreeMap<&'static str, u64>,
    /// Messages that were not acknowledged when the run was cut short; 0 makes the file exact.
    pub unacknowledged: u64,
    /// Time of the first event.
    pub first_event_at: Option<String>,
    /// Time of the last event.
    pub last_event_at: Option<String>,
    /// How many `visit` lines there are.
    pub visits: u64,
    /// How many `pane` lines there are.
    pub panes: u64,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line<'a> {
    Visit {
        sensor: &'a str,
        traveler_id: &'a str,
        traveler_type: &'a str,
        entered_at: String,
        left_at: String,
        samples: u64,
        distance_m: f64,
        speed_n: u64,
        speed_min: Option<f64>,
        speed_max: Option<f64>,
        speed_avg: Option<f64>,
    },
    Pane {
        sensor: &'a str,
        traveler_type: &'a str,
        start: String,
        entered: u64,
        present: u64,
        speed_n: u64,
        speed_sum: f64,
        speed_min: Option<f64>,
        speed_max: Option<f64>,
    },
    Totals(&'a Totals),
}

impl Record {
    /// A record that counts, and keeps every sample if a truth is wanted: some 250 bytes each.
    #[must_use]
    pub fn new(keep_samples: bool) -> Self {
        Self {
            samples: keep_samples.then(Vec::new),
            totals: Totals::default(),
        }
    }

    /// Takes note of a message that is handed to its device.
    pub fn note(&mut self, message: &Message, fleet: &Fleet) {
        self.totals.messages += 1;
        match &message.content {
            Content::Duplicate(_) => self.totals.duplicates += 1,
            Content::Status => self.totals.statuses += 1,
            Content::Invalid { reason, .. } => {
                *self.totals.invalid.entry(reason.as_str()).or_default() += 1;
            }
            Content::Event(event) => match event.displacement {
                Displacement::Late => self.totals.late += 1,
                Displacement::OutOfOrder => self.totals.out_of_order += 1,
                Displacement::None => {}
            },
        }
        if let Some(event) = message.event() {
            self.totals.unique_events += 1;
            if let Some(samples) = &mut self.samples {
                samples.push(fleet.sample(event));
            }
        }
    }

    /// What was counted so far.
    #[must_use]
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write(mut self, unacknowledged: u64, out: impl Write) -> io::Result<()> {
        let samples = self.samples.take().unwrap_or_default();
        let times = || samples.iter().map(|sample| sample.at);
        self.totals.unacknowledged = unacknowledged;
        self.totals.first_event_at = times().min().map(timestamp);
        self.totals.last_event_at = times().max().map(timestamp);
        write_truth(&truth(samples, Rules::default()), self.totals, out)
    }
}

fn write_truth(truth: &Truth, mut totals: Totals, mut out: impl Write) -> io::Result<()> {
    for visit in &truth.visits {
        write_line(&mut out, &visit_line(visit))?;
        totals.visits += 1;
    }
    for (key, pane) in &truth.panes {
        write_line(&mut out, &pane_line(key, pane))?;
        totals.panes += 1;
    }
    write_line(&mut out, &Line::Totals(&totals))?;
    out.flush()
}

fn write_line(out: &mut impl Write, line: &Line<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

fn visit_line(visit: &Visit) -> Line<'_> {
    let (speed_min, speed_max) = extremes(&visit.speeds);
    Line::Visit {
        sensor: &visit.sensor,
        traveler_id: &visit.traveler_id,
        traveler_type: &visit.traveler_type,
        entered_at: timestamp(visit.entered_at),
        left_at: timestamp(visit.left_at),
        samples: visit.samples,
        distance_m: metres(visit.distance_nm),
        speed_n: visit.speeds.n,
        speed_min,
        speed_max,
        speed_avg: visit.speeds.mean_m_s(),
    }
}

fn pane_line<'a>(key: &'a PaneKey, pane: &Pane) -> Line<'a> {
    let (speed_min, speed_max) = extremes(&pane.speeds);
    Line::Pane {
        sensor: &key.sensor,
        traveler_type: &key.traveler_type,
        start: timestamp(key.start),
        entered: pane.entered,
        present: pane.present,
        speed_n: pane.speeds.n,
        speed_sum: metres(pane.speeds.sum),
        speed_min,
        speed_max,
    }
}

fn extremes(speeds: &Speeds) -> (Option<f64>, Option<f64>) {
    let known = |value| (speeds.n > 0).then(|| metres(value));
    (known(speeds.min), known(speeds.max))
}

#[cfg(test)]
mod tests {
    use domain::time::Micros;

    use super::*;

    #[test]
    fn the_file_reads_as_its_documentation_says() {
        let sample = |second: i64, event_id: &str, x: f64| Sample {
            sensor: "ent-1".to_owned(),
            traveler_type: "student".to_owned(),
            traveler_id: "a".to_owned(),
            at: Micros(second * 1_000_000),
            event_id: event_id.to_owned(),
            x,
            y: 0.5,
        };
        let record = Record {
            samples: Some(vec![sample(9, "1", 0.0), sample(11, "2", 3.0)]),
            totals: Totals {
                invalid: BTreeMap::from([("bad_json", 2)]),
                ..Totals::default()
            },
        };
        let mut out = Vec::new();
        record.write(0, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            concat!(
                r#"{"kind":"visit","sensor":"ent-1","traveler_id":"a","traveler_type":"student","entered_at":"1970-01-01T00:00:09.000000Z","left_at":"1970-01-01T00:00:11.000000Z","samples":2,"distance_m":3.0,"speed_n":1,"speed_min":1.5,"speed_max":1.5,"speed_avg":1.5}"#,
                "\n",
                r#"{"kind":"pane","sensor":"ent-1","traveler_type":"student","start":"1970-01-01T00:00:00.000000Z","entered":1,"present":1,"speed_n":0,"speed_sum":0.0,"speed_min":null,"speed_max":null}"#,
                "\n",
                r#"{"kind":"pane","sensor":"ent-1","traveler_type":"student","start":"1970-01-01T00:00:10.000000Z","entered":0,"present":1,"speed_n":1,"speed_sum":1.5,"speed_min":1.5,"speed_max":1.5}"#,
                "\n",
                r#"{"kind":"totals","messages":0,"unique_events":0,"duplicates":0,"late":0,"out_of_order":0,"statuses":0,"invalid":{"bad_json":2},"unacknowledged":0,"first_event_at":"1970-01-01T00:00:09.000000Z","last_event_at":"1970-01-01T00:00:11.000000Z","visits":1,"panes":2}"#,
                "\n"
            )
        );
    }
}
