//! `/visits`: rows of both stores, each visit once.
//!
//! Visits that go on, and those that closed within the last minutes, are in the live view; those that are over are in
//! Postgres. The live view is asked first, so that a visit that closes meanwhile is in one of the two.

use std::collections::HashMap;
use std::sync::Arc;

use domain::live::VisitValue;
use domain::quantity::{Distance, Speed};
use domain::time::Micros;
use futures_util::{Stream, stream};
use jiff::tz::TimeZone;

use crate::app::{App, Moment};
use crate::live::OpenVisit;
use crate::overview::{known_sensors, known_zones, zone_of};
use crate::params::{Choice, Cursor, Page, When, zone};
use crate::problem::{Answer, Problem};
use crate::routes::visit::{Visit, VisitPage, VisitParams, VisitState};
use crate::stamp::Stamp;
use crate::store::{VisitFilter, VisitKey, VisitRow, refused};

/// Which visits, checked.
#[derive(Clone, Debug)]
pub struct VisitQuestion {
    /// The sensors that are meant; `None` for all.
    pub sensors: Option<Vec<String>>,
    /// The traveler types.
    pub types: Choice,
    /// When they began.
    pub entered: std::ops::Range<Micros>,
    /// Which page.
    pub page: Page,
    /// The visit before it.
    pub after: Option<VisitKey>,
    /// The zone of the instants in the answer.
    pub tz: TimeZone,
}

impl VisitQuestion {
    /// Checks the parameters against what is known.
    ///
    /// # Errors
    /// A 400 that names the parameter.
    pub fn parse(params: &VisitParams, moment: &Moment) -> Answer<Self> {
        let tz = zone(params.tz.as_deref(), &moment.catalog.tz)?;
        let instant = |name, given: &Option<String>, default| {
            let asked = When::parse(name, given.as_deref().unwrap_or(default))?;
            Answer::Ok(asked.resolve(moment.now, &tz))
        };
        let start = instant("start", &params.start, "today")?;
        let end = instant("end", &params.end, "now")?;
        if end < start {
            let detail = format!("{end} is before start, {start}");
            return Err(Problem::parameter("end", "range_order", detail));
        }
        let zones = known_zones(params.zone.as_deref(), moment)?;
        let chosen = known_sensors(params.sensor.as_deref(), moment)?;
        let known = moment.sensors.iter();
        let meant = known
            .filter(|(id, sensor)| chosen.contains(id.as_str()) && zones.contains(zone_of(sensor)))
            .map(|(id, _)| id.0.clone());
        let is_all = chosen == Choice::All && zones == Choice::All;
        let page = Page::parse(params.limit.as_deref(), params.cursor.as_deref(), 4)?;
        let after = match &page.after {
            Some(cursor) => Some(key_of(&cursor.0).ok_or_else(Page::invalid_cursor)?),
            None => None,
        };
        Ok(Self {
            sensors: (!is_all).then(|| meant.collect()),
            types: Choice::parse("type", params.traveler_type.as_deref())?,
            entered: start..end,
            page,
            after,
            tz,
        })
    }

    fn takes(&self, key: &VisitKey) -> bool {
        self.entered.contains(&key.entered)
            && self.types.contains(&key.traveler_type)
            && self
                .sensors
                .as_ref()
                .is_none_or(|sensors| sensors.contains(&key.sensor))
            && self.after.as_ref().is_none_or(|after| key > after)
    }
}

/// A page of visits.
///
/// # Errors
/// A 503 when Postgres is away. While only Redis is, visits that go on are missing and the page is stale.
pub async fn page(app: &App, question: &VisitQuestion, moment: &Moment) -> Answer<VisitPage> {
    let ours = moment
        .catalog
        .partitions
        .iter()
        .filter(|row| row.topic == app.settings.topic);
    let partitions: Vec<i32> = ours.map(|row| row.partition).collect();
    let live = app.visits.read(&partitions).await;
    let stale = live.is_err() || moment.live.stale;
    let types: Option<Vec<String>> = question
        .types
        .names()
        .map(|names| names.iter().cloned().collect());
    let filter = VisitFilter {
        entered: question.entered.clone(),
        sensors: question.sensors.as_deref(),
        types: types.as_deref(),
        after: question.after.as_ref(),
    };
    let limit = question.page.limit;
    let fetched = i64::try_from(limit + 1).expect("a limit is small");
    let rows = app
        .store
        .visits(&filter, fetched)
        .await
        .map_err(|cause| refused(&cause))?;
    // Rows after the last one that was fetched are not known, so nothing after it can be answered.
    let bound = (rows.len() > limit).then(|| rows[limit].key.clone());
    let mut found = merged(rows, live.unwrap_or_default(), question);
    if let Some(bound) = &bound {
        found.retain(|entry| entry.row.key <= *bound);
    }
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().map(|entry| entry.row.key.clone());
    let next = if more { last } else { bound };
    Ok(VisitPage {
        items: found
            .iter()
            .map(|entry| visit(app, question, moment, entry))
            .collect(),
        next_cursor: next.map(|key| cursor_of(&key)),
        stale,
    })
}

/// The pages after `cursor`, one by one; none when there is no cursor.
pub fn pages_after(
    app: Arc<App>,
    question: VisitQuestion,
    moment: Moment,
    cursor: Option<String>,
) -> impl Stream<Item = Answer<VisitPage>> {
    stream::try_unfold(cursor, move |cursor| {
        let (app, mut question, moment) = (Arc::clone(&app), question.clone(), moment.clone());
        async move {
            let Some(cursor) = cursor else {
                return Ok(None);
            };
            question.after = Cursor::decode(&cursor).and_then(|cursor| key_of(&cursor.0));
            let next = page(&app, &question, &moment).await?;
            let cursor = next.next_cursor.clone();
            Ok(Some((next, cursor)))
        }
    })
}

/// A visit, and whether it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    row: VisitRow,
    is_open: bool,
}

/// Each visit once, in the order of pages.
///
/// The live copy counts while the visit goes on or when it has more samples. A row that a longer live visit covers was merged
/// into it a moment ago and is about to go.
fn merged(rows: Vec<VisitRow>, live: Vec<OpenVisit>, question: &VisitQuestion) -> Vec<Entry> {
    let mut by_traveler: HashMap<(String, String, String), Vec<(Micros, Micros)>> = HashMap::new();
    let mut by_key: HashMap<VisitKey, Entry> = HashMap::new();
    for OpenVisit { sensor, visit } in live {
        let entry = Entry {
            is_open: !visit.closed,
            row: row_of(sensor, visit),
        };
        let key = &entry.row.key;
        let who = (
            key.sensor.clone(),
            key.traveler.clone(),
            key.traveler_type.clone(),
        );
        by_traveler
            .entry(who)
            .or_default()
            .push((key.entered, entry.row.left));
        if question.takes(key) {
            by_key.insert(entry.row.key.clone(), entry);
        }
    }
    for row in rows {
        let key = &row.key;
        let who = (
            key.sensor.clone(),
            key.traveler.clone(),
            key.traveler_type.clone(),
        );
        let covers =
            |&(entered, left): &(Micros, Micros)| entered < key.entered && key.entered <= left;
        if by_traveler
            .get(&who)
            .is_some_and(|visits| visits.iter().any(covers))
        {
            continue;
        }
        match by_key.get(key) {
            Some(entry) if entry.is_open || entry.row.samples > row.samples => {}
            _ => {
                let entry = Entry {
                    row,
                    is_open: false,
                };
                by_key.insert(entry.row.key.clone(), entry);
            }
        }
    }
    let mut found: Vec<Entry> = by_key.into_values().collect();
    found.sort_unstable_by(|a, b| a.row.key.cmp(&b.row.key));
    found
}

fn row_of(sensor: String, visit: VisitValue) -> VisitRow {
    VisitRow {
        key: VisitKey {
            entered: Micros(visit.entered_us),
            sensor,
            traveler: visit.traveler,
            traveler_type: visit.traveler_type,
        },
        left: Micros(visit.left_us),
        samples: visit.samples,
        distance: visit.distance,
        speed_n: visit.speed_n,
        speed_sum: visit.speed_sum,
        speed_min: visit.speed_min,
        speed_max: visit.speed_max,
        // It is known of those that are over, from their rows.
        revised: false,
    }
}

fn visit(app: &App, question: &VisitQuestion, moment: &Moment, entry: &Entry) -> Visit {
    let row = &entry.row;
    let key = &row.key;
    let heard = moment
        .sensors
        .get(key.sensor.as_str())
        .and_then(|sensor| sensor.heard.as_ref());
    let is_final = heard.is_some_and(|heard| heard.watermark >= row.left + app.settings.idle_gap);
    let speed = |nanometres: i64| (row.speed_n > 0).then(|| Speed(nanometres).as_m_s());
    Visit {
        sensor: key.sensor.clone(),
        traveler_id: key.traveler.clone(),
        traveler_type: key.traveler_type.clone(),
        entered_at: Stamp::new(key.entered, &question.tz),
        left_at: Stamp::new(row.left, &question.tz),
        samples: row.samples,
        distance_m: Distance(row.distance).as_m(),
        speed_min: speed(row.speed_min),
        speed_max: speed(row.speed_max),
        speed_avg: speed(row.speed_sum).map(|sum| sum / f64::from(row.speed_n)),
        state: if entry.is_open {
            VisitState::Live
        } else if is_final && row.revised {
            VisitState::Revised
        } else if is_final {
            VisitState::Final
        } else {
            VisitState::Provisional
        },
    }
}

fn cursor_of(key: &VisitKey) -> String {
    let parts = [
        key.entered.0.to_string(),
        key.sensor.clone(),
        key.traveler.clone(),
        key.traveler_type.clone(),
    ];
    Cursor(parts.to_vec()).encode()
}

fn key_of(parts: &[String]) -> Option<VisitKey> {
    let [entered, sensor, traveler, traveler_type] = parts else {
        return None;
    };
    let entered = Micros(entered.parse().ok()?);
    entered.to_timestamp()?;
    Some(VisitKey {
        entered,
        sensor: sensor.clone(),
        traveler: traveler.clone(),
        traveler_type: traveler_type.clone(),
    })
}
