//! What the api answers about a run, against the truth: asked for page by page and sensor by sensor, compared by plain functions.

use std::collections::HashMap;

use anyhow::{Context, bail, ensure};
use domain::time::{Micros, Span};
use serde_json::Value;
use simulator::truth::{Pane, Speeds, Truth, Visit, metres};

use super::get;

/// The width of a pane.
const PANE: Span = Span::from_secs(10);
/// So many series fit into one answer with the panes of a day.
const SENSORS_AT_ONCE: usize = 8;
/// What two ways of dividing may differ by, in metres or metres a second.
const ROUNDING: f64 = 1e-6;

/// Where the truth begins and ends, in whole panes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    start: Micros,
    end: Micros,
}

/// Compares what the api answers about a run with the truth: every visit, and every pane of each of its devices.
///
/// # Errors
/// When the api does not answer, or with the first answer that differs.
pub async fn check_answers(api: &str, truth: &Truth, devices: &[String]) -> anyhow::Result<()> {
    let range = Range::of(truth)?;
    let (start, end) = (text(range.start)?, text(range.end)?);
    let visits = visits(api, devices, (&start, &end)).await?;
    compare_visits(truth, &visits)?;
    for some in devices.chunks(SENSORS_AT_ONCE) {
        let sensors = some.join(",");
        let url = format!(
            "{api}/series?metric=entries,present,speed_avg&sensor={sensors}&group_by=sensor&start={start}&end={end}&window=10s&step=10s&fill=zero"
        );
        compare_series(truth, some, range, &json(&url).await?)?;
    }
    Ok(())
}

impl Range {
    fn of(truth: &Truth) -> anyhow::Result<Self> {
        let Some(first) = truth.visits.first() else {
            bail!("nothing happened, so nothing can be compared");
        };
        let last = truth.visits.iter().map(|visit| visit.left_at).max();
        Ok(Self {
            start: first.entered_at.floor(PANE),
            end: last.unwrap_or(first.left_at).floor(PANE) + PANE,
        })
    }

    fn panes(self) -> impl ExactSizeIterator<Item = Micros> {
        let count =
            usize::try_from((self.end - self.start).0 / PANE.0).expect("it ends behind its start");
        (0..count)
            .map(move |index| self.start + Span(PANE.0 * i64::try_from(index).expect("few panes")))
    }
}

/// All pages.
async fn visits(
    api: &str,
    devices: &[String],
    (start, end): (&str, &str),
) -> anyhow::Result<Vec<Value>> {
    let sensors = devices.join(",");
    let mut visits = Vec::new();
    let mut cursor = String::new();
    loop {
        let url =
            format!("{api}/visits?sensor={sensors}&start={start}&end={end}&limit=500{cursor}");
        let mut page = json(&url).await?;
        let items = page["items"].as_array_mut().context("no items")?;
        visits.append(items);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(visits),
        }
    }
}

/// The first visit that is missing, there twice, too many, or not as in truth.
fn compare_visits(truth: &Truth, answers: &[Value]) -> anyhow::Result<()> {
    let mut found = HashMap::new();
    for answer in answers {
        let key = format!(
            "{} {} {}",
            micros(&answer["entered_at"])?,
            answer["sensor"],
            answer["traveler_id"]
        );
        ensure!(
            found.insert(key.clone(), answer).is_none(),
            "/visits has {key} twice"
        );
    }
    for visit in &truth.visits {
        let key = format!(
            "{} \"{}\" \"{}\"",
            visit.entered_at.0, visit.sensor, visit.traveler_id
        );
        let answer = found
            .get(&key)
            .with_context(|| format!("/visits lacks {key}"))?;
        ensure!(
            is_it(visit, answer)?,
            "/visits says {answer}, in truth {visit:?}"
        );
    }
    ensure!(
        found.len() == truth.visits.len(),
        "/visits has {} visits, in truth {}",
        found.len(),
        truth.visits.len()
    );
    Ok(())
}

fn is_it(visit: &Visit, answer: &Value) -> anyhow::Result<bool> {
    let Speeds { n, min, max, .. } = visit.speeds;
    let extreme = |nanometres| (n > 0).then(|| metres(nanometres));
    Ok(micros(&answer["left_at"])? == visit.left_at.0
        && answer["samples"].as_u64() == Some(visit.samples)
        && answer["traveler_type"] == visit.traveler_type
        && is_near(&answer["distance_m"], Some(metres(visit.distance_nm)))
        && is_near(&answer["speed_avg"], visit.speeds.mean_m_s())
        && is_near(&answer["speed_min"], extreme(min))
        && is_near(&answer["speed_max"], extreme(max)))
}

/// Whether a number is there exactly where one is expected, and the same but for rounding.
fn is_near(found: &Value, expected: Option<f64>) -> bool {
    match (found.as_f64(), expected) {
        (Some(found), Some(expected)) => {
            (found - expected).abs() <= ROUNDING * expected.abs().max(1.0)
        }
        (None, None) => found.is_null(),
        _ => false,
    }
}

/// The first value of a pane that is missing or not as in truth.
fn compare_series(
    truth: &Truth,
    devices: &[String],
    range: Range,
    answer: &Value,
) -> anyhow::Result<()> {
    let series = answer["series"].as_array().context("no series")?;
    for device in devices {
        let of_device = series.iter().find(|one| one["key"]["sensor"] == *device);
        let of_device = of_device.with_context(|| format!("/series lacks {device}"))?;
        let panes = panes_of(truth, device);
        for (metric, of) in METRICS {
            let values = of_device[metric]["v"].as_array().context("no values")?;
            let starts = range.panes();
            ensure!(
                values.len() == starts.len(),
                "/series has {} values of {metric} at {device}, and {} panes were asked for",
                values.len(),
                starts.len()
            );
            for (start, found) in starts.zip(values) {
                let expected = of(&panes.get(&start).copied().unwrap_or_default());
                ensure!(
                    is_near(found, Some(expected)),
                    "/series says {found} {metric} of {device} at {start:?}, in truth {expected}"
                );
            }
        }
    }
    Ok(())
}

type OfPane = fn(&Pane) -> f64;

/// What is asked for, and how a pane has it. Where nothing is, the answer has zeros.
const METRICS: [(&str, OfPane); 3] = [
    ("entries", |pane| count(pane.entered)),
    ("present", |pane| count(pane.present)),
    ("speed_avg", |pane| pane.speeds.mean_m_s().unwrap_or(0.0)),
];

/// The panes of a sensor, travelers of all types together.
fn panes_of(truth: &Truth, sensor: &str) -> HashMap<Micros, Pane> {
    let mut panes: HashMap<Micros, Pane> = HashMap::new();
    for (key, pane) in truth.panes.iter().filter(|(key, _)| key.sensor == sensor) {
        let sum = panes.entry(key.start).or_default();
        sum.entered += pane.entered;
        sum.present += pane.present;
        sum.speeds.n += pane.speeds.n;
        sum.speeds.sum += pane.speeds.sum;
    }
    panes
}

#[expect(clippy::cast_precision_loss, reason = "counts of one pane")]
fn count(count: u64) -> f64 {
    count as f64
}

async fn json(url: &str) -> anyhow::Result<Value> {
    let (status, body) = get(url).await?;
    ensure!(status == 200, "{url}: {status} {body}");
    Ok(serde_json::from_str(&body)?)
}

fn text(at: Micros) -> anyhow::Result<String> {
    Ok(at
        .to_timestamp()
        .context("an instant of a calendar")?
        .to_string())
}

fn micros(value: &Value) -> anyhow::Result<i64> {
    let text = value.as_str().context("an instant")?;
    Ok(text.parse::<jiff::Timestamp>()?.as_microsecond())
}

#[cfg(test)]
mod tests;
