//! What the api answers about a run, against the truth.

use anyhow::{Context, bail, ensure};
use domain::time::Micros;
use serde_json::Value;
use simulator::truth::{Pane, Truth};

use super::get;

/// The width of a pane, µs.
const PANE: i64 = 10_000_000;

/// Compares what the api answers about a run with the truth: every visit, and the panes of all its devices together.
///
/// # Errors
/// When the api does not answer, or with the first answer that differs.
pub async fn check_answers(api: &str, truth: &Truth, devices: &[String]) -> anyhow::Result<()> {
    let Some(first) = truth.visits.first() else {
        bail!("nothing happened, so nothing can be compared");
    };
    let last = truth.visits.iter().map(|visit| visit.left_at).max();
    let start = first.entered_at.floor(domain::time::Span(PANE));
    let end = last.unwrap_or(start).floor(domain::time::Span(PANE)).0 + PANE;
    let (start, end) = (text(start)?, text(Micros(end))?);
    check_visits(api, truth, devices, (&start, &end)).await?;
    check_series(api, truth, devices, (&start, &end)).await
}

async fn check_visits(
    api: &str,
    truth: &Truth,
    devices: &[String],
    (start, end): (&str, &str),
) -> anyhow::Result<()> {
    let mut found = std::collections::HashMap::new();
    let sensors = devices.join(",");
    let mut cursor = String::new();
    loop {
        let url =
            format!("{api}/visits?sensor={sensors}&start={start}&end={end}&limit=500{cursor}");
        let page = json(&url).await?;
        for visit in page["items"].as_array().context("no items")? {
            let key = format!(
                "{} {} {}",
                micros(&visit["entered_at"])?,
                visit["sensor"],
                visit["traveler_id"]
            );
            ensure!(
                found.insert(key.clone(), visit.clone()).is_none(),
                "/visits has {key} twice"
            );
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    for visit in &truth.visits {
        let key = format!(
            "{} \"{}\" \"{}\"",
            visit.entered_at.0, visit.sensor, visit.traveler_id
        );
        let answer = found
            .get(&key)
            .with_context(|| format!("/visits lacks {key}"))?;
        let same = micros(&answer["left_at"])? == visit.left_at.0
            && answer["samples"].as_u64() == Some(visit.samples)
            && answer["traveler_type"] == visit.traveler_type;
        ensure!(same, "/visits says {answer}, in truth {visit:?}");
    }
    ensure!(
        found.len() == truth.visits.len(),
        "/visits has {} visits, in truth {}",
        found.len(),
        truth.visits.len()
    );
    Ok(())
}

async fn check_series(
    api: &str,
    truth: &Truth,
    devices: &[String],
    (start, end): (&str, &str),
) -> anyhow::Result<()> {
    let sensors = devices.join(",");
    let url = format!(
        "{api}/series?metric=entries,present&sensor={sensors}&start={start}&end={end}&window=10s&step=10s&fill=zero"
    );
    let answer = json(&url).await?;
    let begin = start.parse::<jiff::Timestamp>()?.as_microsecond();
    for (metric, of) in [
        ("entries", (|pane| pane.entered) as fn(&Pane) -> u64),
        ("present", |pane| pane.present),
    ] {
        let values = answer["series"][0][metric]["v"]
            .as_array()
            .context("no values")?;
        for (at, value) in (begin..).step_by(10_000_000).zip(values) {
            let panes = truth.panes.iter().filter(|(key, _)| key.start.0 == at);
            let expected: u64 = panes.map(|(_, pane)| of(pane)).sum();
            let found = value.as_f64().unwrap_or(0.0);
            ensure!(
                (found - float(expected)).abs() < 0.5,
                "/series says {found} {metric} at {at}, in truth {expected}"
            );
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts of one pane")]
fn float(count: u64) -> f64 {
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
