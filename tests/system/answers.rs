//! The true answer, and what the system answers: over REST and straight from Postgres.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;
use sqlx::{Connection, Row};

use crate::harness::System;

/// Speeds and distances are rounded to 10⁻⁹ on both sides; a float in between may cost one more.
const TOLERANCE: f64 = 2e-9;

/// The width of a pane, in µs.
const PANE: i64 = 10_000_000;

const VISIT_FIELDS: [&str; 7] = [
    "traveler_type",
    "left_at",
    "samples",
    "distance_m",
    "speed_min",
    "speed_max",
    "speed_avg",
];

const VISITS: &str = r#"select json_build_object(
    'sensor', sensor, 'traveler_id', traveler_id, 'traveler_type', traveler_type,
    'entered_at', to_char(entered_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'left_at', to_char(left_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'samples', samples, 'distance_m', distance / 1e9, 'speed_n', speed_n,
    'speed_min', case when speed_n > 0 then speed_min / 1e9 end,
    'speed_max', case when speed_n > 0 then speed_max / 1e9 end,
    'speed_avg', case when speed_n > 0 then speed_sum / 1e9 / speed_n end)::text from visit"#;

const PANES: &str = r#"select json_build_object(
    'sensor', sensor, 'traveler_type', traveler_type,
    'start', to_char(start_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'entered', entered, 'present', present, 'speed_n', speed_n, 'speed_sum', speed_sum / 1e9,
    'speed_min', case when speed_n > 0 then speed_min / 1e9 end,
    'speed_max', case when speed_n > 0 then speed_max / 1e9 end)::text
    from pane where present > 0 or speed_n > 0"#;

/// The truth file of the simulator.
pub(crate) struct Truth {
    visits: BTreeMap<String, Value>,
    panes: BTreeMap<String, Value>,
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
                    truth.panes.insert(pane_key(&value), value);
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
        compare("visit", &self.visits, &stored, &VISIT_FIELDS)
    }

    /// Compares every pane with `/series`, per sensor and type in buckets of ten seconds.
    pub(crate) fn check_series(&self, system: &System) -> Result<(), String> {
        let starts = || self.panes.values().map(|pane| micros(&pane["start"]));
        let (first, last) = (starts().min().unwrap(), starts().max().unwrap() + PANE);
        let (start, end) = (timestamp(first), timestamp(last));
        let of = |pane| string(pane, "sensor");
        let sensors: BTreeSet<_> = self.panes.values().map(of).collect();
        for sensor in sensors {
            let metrics = "entries,present,speed_avg,speed_min,speed_max";
            let series = system.get(&format!(
                "/series?metric={metrics}&sensor={sensor}&group_by=type&start={start}&end={end}&window=10s&step=10s&fill=zero"
            ))?;
            let mut seen = 0;
            for one in series["series"].as_array().unwrap() {
                seen += self.check_one(&sensor, first, one)?;
            }
            let expected = self.panes.values().filter(|pane| of(pane) == sensor);
            let expected = expected.count();
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
            let slot = format!("{start} {sensor} {kind}");
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
                    return Err(format!(
                        "pane {slot} {metric}: {answer}, in truth {expected}"
                    ));
                }
            }
        }
        Ok(held)
    }

    /// Compares windows of a minute that overlap, which the api makes from panes.
    pub(crate) fn check_rolling(&self, system: &System) -> Result<(), String> {
        let starts = || self.panes.values().map(|pane| micros(&pane["start"]));
        let (first, last) = (starts().min().unwrap(), starts().max().unwrap());
        let (start, end) = (timestamp(first), timestamp(last + PANE));
        let series = system.get(&format!(
            "/series?metric=entries,speed_avg,speed_min,speed_max&start={start}&end={end}&mode=rolling&window=60s&step=10s&fill=zero"
        ))?;
        let series = &series["series"][0];
        let windows = series["entries"]["v"].as_array().unwrap().len();
        for (at, window_end) in (0..windows).zip((first + PANE..).step_by(10_000_000)) {
            let window = window_end - 6 * PANE..window_end;
            let expected = self.window(&window);
            for (metric, expected) in expected {
                let answer = series[metric]["v"][at].as_f64().unwrap_or(0.0);
                if (answer - expected).abs() > TOLERANCE {
                    return Err(format!(
                        "rolling {window:?} {metric}: {answer}, in truth {expected}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// The truth of a window of all sensors and types.
    fn window(&self, window: &Range<i64>) -> [(&'static str, f64); 4] {
        let inside = self
            .panes
            .values()
            .filter(|pane| window.contains(&micros(&pane["start"])));
        let (mut entered, mut n, mut sum) = (0.0, 0.0, 0.0);
        let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
        for pane in inside {
            let of = |name: &str| pane[name].as_f64().unwrap_or(0.0);
            entered += of("entered");
            if of("speed_n") > 0.0 {
                n += of("speed_n");
                sum += of("speed_sum");
                least = least.min(of("speed_min"));
                most = most.max(of("speed_max"));
            }
        }
        let or_none = |value: f64| if n > 0.0 { value } else { 0.0 };
        [
            ("entries", entered),
            ("speed_avg", or_none(sum / n)),
            ("speed_min", or_none(least)),
            ("speed_max", most),
        ]
    }

    /// Compares the rows in Postgres, which are read in the shape of the truth file.
    pub(crate) fn check_postgres(&self, system: &System) -> Result<(), String> {
        let visits = documents(system, VISITS, visit_key);
        compare("stored visit", &self.visits, &visits, &VISIT_FIELDS)?;
        let fields = [
            "entered",
            "present",
            "speed_n",
            "speed_sum",
            "speed_min",
            "speed_max",
        ];
        compare(
            "stored pane",
            &self.panes,
            &documents(system, PANES, pane_key),
            &fields,
        )
    }

    /// All of them.
    pub(crate) fn check(&self, system: &System) -> Result<(), String> {
        self.check_visits(system)?;
        self.check_series(system)?;
        self.check_rolling(system)?;
        self.check_postgres(system)
    }
}

/// Runs a query that gives JSON documents.
fn documents(
    system: &System,
    sql: &str,
    key: impl Fn(&Value) -> String,
) -> BTreeMap<String, Value> {
    let rows = rows(system, sql.to_owned());
    let documents = rows.iter().map(|row| {
        let text: String = row.get(0);
        let document: Value = serde_json::from_str(&text).unwrap();
        (key(&document), document)
    });
    documents.collect()
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
            let (a, b) = (&expected[field], &found[field]);
            if !is_same(a, b) {
                return Err(format!("{what} {key}: {field} is {b}, in truth {a}"));
            }
        }
    }
    match stored.keys().find(|key| !truth.contains_key(*key)) {
        Some(key) => Err(format!("{what} {key} is not in truth")),
        None => Ok(()),
    }
}

/// Numbers within the tolerance, instants however they are written, everything else literally.
fn is_same(a: &Value, b: &Value) -> bool {
    let instant = |value: &Value| value.as_str()?.parse::<Timestamp>().ok();
    match ((a.as_f64(), b.as_f64()), (instant(a), instant(b))) {
        ((Some(a), Some(b)), _) => (a - b).abs() <= TOLERANCE,
        (_, (Some(a), Some(b))) => a == b,
        _ => a == b,
    }
}

fn pane_key(pane: &Value) -> String {
    format!(
        "{} {} {}",
        micros(&pane["start"]),
        string(pane, "sensor"),
        string(pane, "traveler_type")
    )
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
