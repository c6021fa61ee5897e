//! Hours of merged panes in which nothing changes any more, kept in memory: any window of them is made without Postgres.
//!
//! An hour is final when the rows of every sensor that was ever heard say so: the watermark of a sensor is written in the same
//! statement as its panes, so what lies before it is there. A sensor that is heard for the first time may bring older
//! events, so it makes other keys. An event that comes very late revises a final hour, and the live view says so: an hour
//! that was read before that is read again.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use domain::coverage::HOUR;
use domain::series::Strip;
use domain::time::{Micros, Span};

use super::body::GroupBy;
use super::question::Question;
use crate::app::Moment;
use crate::live::Mirror;
use crate::stream::cursor::digest;

/// Memory for hours at most, in bytes, about.
const BYTES_MAX: usize = 32 << 20;
/// A pane, a bin of a distribution and an hour in memory, in bytes, about.
const PANE_BYTES: usize = 128;
const BIN_BYTES: usize = 24;
const HOUR_BYTES: usize = 256;
/// A pane leaves the fold's memory a little after the watermark has passed it.
const MARGIN: Span = Span::from_secs(120);

/// The merged panes of an hour, by group.
pub type HourStrips = BTreeMap<String, Strip>;

/// Which hour of which question.
type Key = (String, Micros);

/// The hours that were needed last.
#[derive(Debug, Default)]
pub struct HourCache {
    hours: Mutex<Hours>,
}

#[derive(Debug, Default)]
struct Hours {
    kept: HashMap<Key, Kept>,
    bytes: usize,
    /// Counts uses: the lowest was used longest ago.
    uses: u64,
}

#[derive(Debug)]
struct Kept {
    strips: Arc<HourStrips>,
    /// Version of the live view before it was read.
    version: u64,
    bytes: usize,
    used: u64,
}

impl HourCache {
    fn lock(&self) -> MutexGuard<'_, Hours> {
        self.hours.lock().expect("no holder of this lock panics")
    }

    /// An hour, if it is kept and was not revised since.
    #[must_use]
    pub fn get(&self, question: &str, hour: Micros, mirror: &Mirror) -> Option<Arc<HourStrips>> {
        let mut hours = self.lock();
        hours.uses += 1;
        let used = hours.uses;
        let kept = hours.kept.get_mut(&(question.to_owned(), hour))?;
        if mirror.is_revised_since(kept.version, &(hour..hour + HOUR)) {
            return None;
        }
        kept.used = used;
        Some(Arc::clone(&kept.strips))
    }

    /// Keeps an hour that was read after the live view was at `version`, and forgets those that were used longest ago.
    pub fn put(&self, question: &str, hour: Micros, strips: Arc<HourStrips>, version: u64) {
        let bytes = bytes_of(&strips);
        if bytes > BYTES_MAX / 4 {
            return;
        }
        let mut hours = self.lock();
        hours.uses += 1;
        let kept = Kept {
            strips,
            version,
            bytes,
            used: hours.uses,
        };
        hours.bytes += bytes;
        if let Some(replaced) = hours.kept.insert((question.to_owned(), hour), kept) {
            hours.bytes -= replaced.bytes;
        }
        while hours.bytes > BYTES_MAX {
            hours.forget_oldest();
        }
    }
}

impl Hours {
    fn forget_oldest(&mut self) {
        let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used);
        let key = oldest.map(|(key, _)| key.clone());
        if let Some(forgotten) = key.and_then(|key| self.kept.remove(&key)) {
            self.bytes -= forgotten.bytes;
        }
    }
}

fn bytes_of(strips: &HourStrips) -> usize {
    let panes = strips.values().flat_map(Strip::iter);
    let bytes = panes.map(|(_, pane)| PANE_BYTES + BIN_BYTES * pane.speed.sketch.bins().count());
    HOUR_BYTES + bytes.sum::<usize>()
}

/// The whole hours of `range` that are final for `question` and worth keeping: empty when there is none. Hours by sensor are
/// as many panes as Postgres has, so they are not kept.
#[must_use]
pub fn final_hours(question: &Question, moment: &Moment, range: &Range<Micros>) -> Range<Micros> {
    let start = range.start.floor(HOUR);
    if question.group_by == GroupBy::Sensor {
        return start..start;
    }
    let rows = question.sensors.iter().filter_map(|id| {
        moment.sensors.get(id)?.heard.as_ref()?;
        // A sensor that is heard but has no row yet is final nowhere.
        Some(
            moment
                .catalog
                .sensors
                .get(id)
                .map_or(Micros::MIN, |row| row.watermark),
        )
    });
    let until = rows.min().unwrap_or(Micros::MIN) - MARGIN;
    start..until.min(range.end).floor(HOUR).max(start)
}

/// What tells the hours of one question from those of another.
#[must_use]
pub fn key(question: &Question, moment: &Moment) -> String {
    let is_heard = |id: &str| {
        moment
            .sensors
            .get(id)
            .is_some_and(|sensor| sensor.heard.is_some())
    };
    let sensors = question
        .sensors
        .iter()
        .map(|id| id.as_str())
        .filter(|id| is_heard(id));
    let types = question.types.canonical();
    let shape = format!("{:?} {}", question.group_by, question.with_quantiles());
    let rest = [
        moment.catalog.identity.as_str(),
        types.as_str(),
        shape.as_str(),
    ];
    digest(rest.into_iter().chain(sensors))
}

#[cfg(test)]
mod tests {
    use domain::pane::{PANE, Pane};

    use super::*;

    fn hour_of(panes: i64) -> Arc<HourStrips> {
        let mut strip = Strip::default();
        for n in 0..panes {
            let pane = Pane {
                entered: 1,
                ..Pane::default()
            };
            strip.add(Micros(0) + PANE * n, &pane);
        }
        Arc::new(HourStrips::from([(String::new(), strip)]))
    }

    #[test]
    fn what_was_used_longest_ago_is_forgotten_first() {
        let (cache, mirror) = (HourCache::default(), Mirror::default());
        let large = hour_of(i64::try_from(BYTES_MAX / 5 / PANE_BYTES).unwrap());
        for n in 0..4 {
            cache.put("q", Micros(n), Arc::clone(&large), 0);
        }
        assert!(cache.get("q", Micros(0), &mirror).is_some());
        cache.put("q", Micros(4), Arc::clone(&large), 0);
        assert!(
            cache.get("q", Micros(1), &mirror).is_none(),
            "used longest ago"
        );
        assert!(cache.get("q", Micros(0), &mirror).is_some());
        assert!(cache.get("other", Micros(0), &mirror).is_none());
    }

    #[test]
    fn an_hour_that_is_put_again_counts_once() {
        let cache = HourCache::default();
        for _ in 0..10 {
            cache.put("q", Micros(0), hour_of(360), 0);
        }
        assert_eq!(cache.lock().bytes, HOUR_BYTES + 360 * PANE_BYTES);
    }
}
