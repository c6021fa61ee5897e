//! The true answer, and what the system answers: over REST and straight from Postgres.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;
use sqlx::{Connection, Row};

use crate::harness::System;

/// Speeds and distances are rounded to 10⁻⁹ on both sides; a float in between may cost one more.
const TOLERANCE: f64 = 2e-9;

/// Sensor, traveler type and start in µs.
type Slot = (String, String, i64);

/// The truth file of the simulator.
pub(crate) struct Truth {
    visits: BTreeMap<String, Value>,
    panes: BTreeMap<Slot, Value>,
    pub(crate) totals: Value,
}

impl Truth {
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let mut truth = Self {
            visits: BTreeMap::new(),
            panes: BTreeMap::new(),
            totals: Value::Null,
        };
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            match value["kind"].as_str().unwrap() {
                "visit" => {
                    truth.visits.insert(visit_key(&value), value);
                }
                "pane" => {
                    let slot = (
                        string(&value, "sensor"),
                        string(&value, "traveler_type"),
                        micros(&value["start"]),
                    );
                    truth.panes.insert(slot, value);
                }
                _ => truth.totals = value,
            }
        }
        assert_eq!(truth.totals["unacknowledged"], 0, "the run was cut short");
        assert!(!truth.visits.is_empty() && !truth.panes.is_empty());
        truth
    }

    /// Compares with every page of `/visits`.
    pub(crate) fn check_visits(&self, system: &System) -> Result<(), String> {
        let mut stored = BTreeMap::new();
        let mut cursor = String::new();
        let start = self.totals["first_event_at"].as_str().unwrap();
        loop {
            let page = system.get(&format!("/visits?start={start}&end=now&limit=500{cursor}"))?;
            for visit in page["items"].as_array().unwrap() {
                if visit["state"] == "live" {
                    return Err("some visits are still open".to_owned());
                }
                if stored.insert(visit_key(visit), visit.clone()).is_some() {
                    return Err(format!("{} twice", visit_key(visit)));
                }
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let fields = [
            "samples",
            "distance_m",
            "speed_min",
            "speed_max",
            "speed_avg",
        ];
        compare("visit", &self.visits, &stored, &fields)
    }

    /// Compares every pane with `/series`, per sensor and type in buckets of ten seconds.
    pub(crate) fn check_series(&self, system: &System) -> Result<(), String> {
        let starts = || self.panes.keys().map(|slot| slot.2);
        let (first, last) = (
            starts().min().unwrap(),
            starts().max().unwrap() + 10_000_000,
        );
        let (start, end) = (timestamp(first), timestamp(last));
        let sensors: std::collections::BTreeSet<_> =
            self.panes.keys().map(|slot| slot.0.clone()).collect();
        for sensor in sensors {
            let metrics = "entries,present,speed_avg,speed_min,speed_max";
            let series = system.get(&format!(
                "/series?metric={metrics}&sensor={sensor}&group_by=type&start={start}&end={end}&window=10s&step=10s&fill=zero"
            ))?;
            let mut seen = 0;
            for one in series["series"].as_array().unwrap() {
                seen += self.check_one(&sensor, first, one)?;
            }
            let expected = self.panes.keys().filter(|slot| slot.0 == sensor).count();
            if seen != expected {
                return Err(format!(
                    "{sensor}: {seen} panes in the series, {expected} in truth"
                ));
            }
        }
        Ok(())
    }

    /// Compares one series; says how many of the truth's panes it held.
    fn check_one(&self, sensor: &str, first: i64, series: &Value) -> Result<usize, String> {
        let kind = series["key"]["type"].as_str().unwrap();
        let entries = series["entries"]["v"].as_array().unwrap();
        let mut held = 0;
        for (at, start) in (0..entries.len()).zip((first..).step_by(10_000_000)) {
            let slot = (sensor.to_owned(), kind.to_owned(), start);
            let truth = self.panes.get(&slot);
            held += usize::from(truth.is_some());
            let of = |name: &str| truth.map_or(0.0, |pane| pane[name].as_f64().unwrap_or(0.0));
            let n = of("speed_n");
            let expected = [
                ("entries", of("entered")),
                ("present", of("present")),
                ("speed_avg", if n > 0.0 { of("speed_sum") / n } else { 0.0 }),
                ("speed_min", of("speed_min")),
                ("speed_max", of("speed_max")),
            ];
            for (metric, expected) in expected {
                let answer = series[metric]["v"][at].as_f64().unwrap_or(0.0);
                if (answer - expected).abs() > TOLERANCE {
                    return Err(format!("{slot:?} {metric}: {answer}, in truth {expected}"));
                }
            }
        }
        Ok(held)
    }

    /// Compares the rows in Postgres.
    pub(crate) fn check_postgres(&self, system: &System) -> Result<(), String> {
        let micros = |column: &str| format!("(extract(epoch from {column}) * 1000000)::bigint");
        let visits = rows(
            system,
            format!(
                "select sensor, traveler_id, {}, samples::bigint, distance::float8 / 1e9, speed_n::bigint from visit",
                micros("entered_at")
            ),
        );
        if visits.len() != self.visits.len() {
            return Err(format!(
                "{} visits in Postgres, {} in truth",
                visits.len(),
                self.visits.len()
            ));
        }
        for row in &visits {
            let key = format!(
                "{} {} {}",
                row.get::<i64, _>(2),
                row.get::<String, _>(0),
                row.get::<String, _>(1)
            );
            let truth = self
                .visits
                .get(&key)
                .ok_or_else(|| format!("visit {key} is not in truth"))?;
            let same = truth["samples"] == row.get::<i64, _>(3)
                && (truth["distance_m"].as_f64().unwrap() - row.get::<f64, _>(4)).abs()
                    <= TOLERANCE
                && truth["speed_n"] == row.get::<i64, _>(5);
            if !same {
                return Err(format!("visit {key} differs from {truth}"));
            }
        }
        let panes = rows(
            system,
            format!(
                "select sensor, traveler_type, {}, entered::bigint, present::bigint, speed_n::bigint,
                    speed_sum::float8 / 1e9
                 from pane where present > 0 or speed_n > 0",
                micros("start_at")
            ),
        );
        if panes.len() != self.panes.len() {
            return Err(format!(
                "{} panes in Postgres, {} in truth",
                panes.len(),
                self.panes.len()
            ));
        }
        for row in &panes {
            let slot = (row.get(0), row.get(1), row.get(2));
            let truth = self
                .panes
                .get(&slot)
                .ok_or_else(|| format!("pane {slot:?} is not in truth"))?;
            let same = truth["entered"] == row.get::<i64, _>(3)
                && truth["present"] == row.get::<i64, _>(4)
                && truth["speed_n"] == row.get::<i64, _>(5)
                && (truth["speed_sum"].as_f64().unwrap() - row.get::<f64, _>(6)).abs() <= 1e-6;
            if !same {
                return Err(format!("pane {slot:?} differs from {truth}"));
            }
        }
        Ok(())
    }

    /// All three.
    pub(crate) fn check(&self, system: &System) -> Result<(), String> {
        self.check_visits(system)?;
        self.check_series(system)?;
        self.check_postgres(system)
    }
}

/// Runs a query and fetches everything.
pub(crate) fn rows(system: &System, sql: String) -> Vec<sqlx::postgres::PgRow> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut connection = sqlx::PgConnection::connect(&system.postgres())
            .await
            .unwrap();
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .fetch_all(&mut connection)
            .await
            .unwrap()
    })
}

fn compare(
    what: &str,
    truth: &BTreeMap<String, Value>,
    stored: &BTreeMap<String, Value>,
    fields: &[&str],
) -> Result<(), String> {
    for (key, expected) in truth {
        let found = stored
            .get(key)
            .ok_or_else(|| format!("{what} {key} is missing"))?;
        for field in fields {
            let (a, b) = (expected[field].as_f64(), found[field].as_f64());
            let same = match (a, b) {
                (Some(a), Some(b)) => (a - b).abs() <= TOLERANCE,
                (a, b) => a == b,
            };
            if !same {
                return Err(format!("{what} {key}: {field} is {b:?}, in truth {a:?}"));
            }
        }
    }
    match stored.keys().find(|key| !truth.contains_key(*key)) {
        Some(key) => Err(format!("{what} {key} is not in truth")),
        None => Ok(()),
    }
}

fn visit_key(visit: &Value) -> String {
    format!(
        "{} {} {}",
        micros(&visit["entered_at"]),
        string(visit, "sensor"),
        string(visit, "traveler_id")
    )
}

fn string(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap().to_owned()
}

fn micros(value: &Value) -> i64 {
    value
        .as_str()
        .unwrap()
        .parse::<Timestamp>()
        .unwrap()
        .as_microsecond()
}

fn timestamp(micros: i64) -> String {
    Timestamp::from_microsecond(micros).unwrap().to_string()
}
