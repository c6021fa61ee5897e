//! The same rows as spreadsheets read them: one line a window or a visit, instants with their offset, so that the hour which
//! autumn repeats stays two hours.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::series::Grid;
use futures_util::Stream;
use jiff::tz::TimeZone;

use crate::params::one_of;
use crate::problem::{Answer, Problem};
use crate::routes::visit::Visit;
use crate::series::body::{Cell, Number, PointState, Series};
use crate::series::metric::{ByMetric, Metric};
use crate::stamp::Stamp;

/// What Excel needs to see that a file is UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";
const VISIT_COLUMNS: [&str; 11] = [
    "sensor",
    "traveler_id",
    "traveler_type",
    "entered_at",
    "left_at",
    "samples",
    "distance_m",
    "speed_min",
    "speed_max",
    "speed_avg",
    "state",
];

/// How rows are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Whether they begin with a byte order mark.
    pub with_mark: bool,
}

impl Table {
    /// Whether rows are wanted as CSV: by `format=csv`, or by an `Accept` that names it and not JSON.
    ///
    /// # Errors
    /// A 400 that names `format` or `bom`.
    pub fn wanted(
        format: Option<&str>,
        bom: Option<&str>,
        headers: &HeaderMap,
    ) -> Answer<Option<Self>> {
        let accepts = |media: &str| {
            let accepts = headers.get_all(header::ACCEPT).iter();
            let mut texts = accepts.filter_map(|accept| accept.to_str().ok());
            texts.any(|accept| accept.contains(media))
        };
        let by_header = accepts("text/csv") && !accepts("application/json");
        let is_csv = one_of(
            "format",
            format,
            &[("csv", true), ("json", false)],
            by_header,
        )?;
        let with_mark = one_of("bom", bom, &[("1", true), ("0", false)], false)?;
        Ok(is_csv.then_some(Self { with_mark }))
    }

    fn begin(self) -> String {
        let mark = if self.with_mark { BYTE_ORDER_MARK } else { "" };
        mark.to_owned()
    }

    /// A line for each window of each series.
    #[must_use]
    pub fn series(self, series: &Series, grid: &Grid, tz: &TimeZone) -> String {
        let mut text = self.begin();
        let metrics = series.metrics.iter().map(String::as_str);
        let columns = ["window_start", "window_end", "sensor", "type"].into_iter();
        let columns: Vec<&str> = columns
            .chain(metrics)
            .chain(["coverage", "state"])
            .collect();
        write_line(&mut text, &columns);
        for item in &series.series {
            for i in 0..item.n {
                let window = grid.window_of(i);
                let edges = [window.start, window.end].map(|at| Stamp::new(at, tz));
                let mut line: Vec<String> =
                    edges.iter().map(|edge| edge.as_str().to_owned()).collect();
                line.push(item.key.sensor.clone());
                line.push(item.key.traveler_type.clone());
                let metrics = series
                    .metrics
                    .iter()
                    .filter_map(|name| Metric::from_name(name));
                line.extend(metrics.map(|metric| value(&item.columns, metric, i)));
                line.push(item.coverage[i].to_string());
                line.push(state(item.state[i]).to_owned());
                write_line(&mut text, &line);
            }
        }
        text
    }

    /// What precedes the lines of visits.
    #[must_use]
    pub fn visit_heading(self) -> String {
        let mut text = self.begin();
        write_line(&mut text, &VISIT_COLUMNS);
        text
    }
}

/// A line for each visit.
#[must_use]
pub fn visit_lines(visits: &[Visit]) -> String {
    let mut text = String::new();
    for visit in visits {
        let speed = |speed: Option<f64>| speed.map_or_else(String::new, |speed| speed.to_string());
        let state = serde_json::to_value(visit.state).expect("a state is a word");
        let line = [
            visit.sensor.clone(),
            visit.traveler_id.clone(),
            visit.traveler_type.clone(),
            visit.entered_at.as_str().to_owned(),
            visit.left_at.as_str().to_owned(),
            visit.samples.to_string(),
            visit.distance_m.to_string(),
            speed(visit.speed_min),
            speed(visit.speed_max),
            speed(visit.speed_avg),
            state.as_str().unwrap_or_default().to_owned(),
        ];
        write_line(&mut text, &line);
    }
    text
}

/// A file of that name.
#[must_use]
pub fn file(name: &str, body: Body) -> Response {
    let name: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    let disposition = format!("attachment; filename=\"{name}.csv\"");
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/csv; charset=utf-8"),
    );
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    let disposition = HeaderValue::from_str(&disposition).expect("made of plain characters");
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    response
}

/// A body that is made while it is sent.
pub fn streamed(pages: impl Stream<Item = Result<String, Problem>> + Send + 'static) -> Body {
    use futures_util::TryStreamExt;
    Body::from_stream(pages.map_ok(Bytes::from))
}

fn value(
    columns: &ByMetric<crate::series::body::MetricValues>,
    metric: Metric,
    i: usize,
) -> String {
    let cell = columns.get(metric).map(|values| values.v.0[i]);
    match cell {
        Some(Cell(Some(Number::Count(count)))) => count.to_string(),
        Some(Cell(Some(Number::Measure(measure)))) => measure.to_string(),
        Some(Cell(None)) | None => String::new(),
    }
}

fn state(state: PointState) -> &'static str {
    match state {
        PointState::Live => "live",
        PointState::Provisional => "provisional",
        PointState::Final => "final",
        PointState::Revised => "revised",
    }
}

fn write_line<T: AsRef<str>>(text: &mut String, fields: &[T]) {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let fields = fields.iter().map(|field| harmless(field.as_ref()));
    let written = writer
        .write_record(fields)
        .map_err(|_| ())
        .and_then(|()| writer.into_inner().map_err(|_| ()));
    let line = written.expect("memory takes what is written to it");
    text.push_str(std::str::from_utf8(&line).expect("made of text"));
}

/// A field that no spreadsheet takes for a formula.
fn harmless(field: &str) -> String {
    if field.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{field}")
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: Option<&str>, accept: &str) -> Option<Table> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        Table::wanted(format, None, &headers).unwrap()
    }

    #[test]
    fn csv_is_sent_to_those_who_ask_for_it() {
        assert_eq!(check(None, "text/csv"), Some(Table { with_mark: false }));
        assert_eq!(
            check(Some("csv"), "application/json"),
            Some(Table { with_mark: false })
        );
        assert_eq!(check(Some("json"), "text/csv"), None);
        assert_eq!(check(None, "*/*"), None);
        assert_eq!(check(None, "application/json, text/csv"), None);
        assert!(Table::wanted(Some("xml"), None, &HeaderMap::new()).is_err());
    }

    #[test]
    fn a_field_is_quoted_when_it_must_be_and_is_never_a_formula() {
        let mut text = String::new();
        write_line(&mut text, &["a,b", "say \"hi\"", "=1+1", "-3", "plain", ""]);
        assert_eq!(text, "\"a,b\",\"say \"\"hi\"\"\",'=1+1,'-3,plain,\n");
    }
}
