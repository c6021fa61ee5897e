//! Loading a reading from both stores.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use domain::coverage::HOUR;
use domain::time::{Micros, Span};

use super::{OpenPane, Reading};
use crate::app::{App, Moment};
use crate::live::{LivePane, Who};
use crate::problem::Answer;
use crate::series::body::GroupBy;
use crate::series::hours::{self, HourStrips};
use crate::series::question::Question;
use crate::store::{Group, KeyList, PaneFilter, PaneRow, refused};

/// So many live panes are left out of what Postgres merges, one by one; where there are more, panes are read one by one.
const KEYS_MAX: usize = 2_000;
/// A reading whose end slides takes in panes for as long as this; it is loaded anew long before.
const KEPT: Span = Span::from_secs(86_400);

type LivePanes = Vec<(Micros, Arc<Who>, Arc<LivePane>)>;
type OpenPanes = HashMap<(Micros, Arc<Who>), OpenPane>;

impl Reading {
    /// Reads what answers `question` at `moment` and after it.
    ///
    /// # Errors
    /// A 503 when Postgres is away.
    pub async fn load(app: &App, question: Arc<Question>, moment: &Moment) -> Answer<Self> {
        let range = range_of(&question, moment);
        let names: Vec<String> = question.sensors.iter().map(|id| id.0.clone()).collect();
        let types = question.types.names();
        let types: Option<Vec<String>> = types.map(|names| names.iter().cloned().collect());
        let filter = PaneFilter {
            sensors: (!question.all_sensors).then_some(names.as_slice()),
            types: types.as_deref(),
            with_sketch: question.with_quantiles(),
        };
        let mut reading = Self::new(question, range);
        let live = reading.take_view(app);
        let is_final = hours::final_hours(&reading.question, moment, &reading.range);
        reading.load_final(app, filter, moment, &is_final).await?;
        reading.load_open(app, filter, is_final.end, live).await?;
        let hours = reading.touched_by();
        let until = hours.end.min(moment.now + HOUR);
        let up = app.store.uptime(hours.start..until, filter.sensors).await;
        for row in up.map_err(|cause| refused(&cause))? {
            if reading.question.has_sensor(&row.sensor) {
                reading.put_hour(&row.sensor, row.hour, &row.bits);
            }
        }
        reading.take_in_uptime(&moment.sensors);
        Ok(reading)
    }

    /// The open panes, before Postgres is asked. Sorted by start.
    fn take_view(&mut self, app: &App) -> LivePanes {
        let view = app
            .mirror
            .panes(&self.range, |who| self.question.takes(who));
        self.version = view.version;
        self.gaps = view.gaps;
        let panes = view.panes.into_iter();
        let mut live: LivePanes = panes
            .filter_map(|(start, who, pane)| Some((start, who, pane?)))
            .collect();
        live.sort_unstable_by_key(|(start, ..)| *start);
        live
    }

    /// Takes in the hours that are final: those that are kept, and from Postgres the others, which are kept then.
    async fn load_final(
        &mut self,
        app: &App,
        filter: PaneFilter<'_>,
        moment: &Moment,
        is_final: &Range<Micros>,
    ) -> Answer<()> {
        let key = hours::key(&self.question, moment);
        let mut missing: Option<Range<Micros>> = None;
        let mut hour = is_final.start;
        while hour < is_final.end {
            if let Some(strips) = app.hours.get(&key, hour, &app.mirror) {
                self.add_strips(&strips);
                self.load_hours(app, filter, &key, missing.take()).await?;
            } else {
                let from = missing.map_or(hour, |missing| missing.start);
                missing = Some(from..hour + HOUR);
            }
            hour = hour + HOUR;
        }
        self.load_hours(app, filter, &key, missing).await
    }

    /// Takes in consecutive hours from Postgres, and keeps them.
    async fn load_hours(
        &mut self,
        app: &App,
        filter: PaneFilter<'_>,
        key: &str,
        range: Option<Range<Micros>>,
    ) -> Answer<()> {
        let Some(range) = range else {
            return Ok(());
        };
        let mut strips: BTreeMap<Micros, HourStrips> = BTreeMap::new();
        let mut hour = range.start;
        while hour < range.end {
            strips.insert(hour, HourStrips::new());
            hour = hour + HOUR;
        }
        let question = Arc::clone(&self.question);
        let mut add = |start: Micros, group: String, pane: &_| {
            let groups = strips.entry(start.floor(HOUR)).or_default();
            groups.entry(group).or_default().add(start, pane);
        };
        let read = if filter.with_sketch {
            let take = |row: PaneRow| {
                let start = row.key.start;
                let who = who_of(&row);
                add(start, question.group_of(&who).to_owned(), &row.pane);
            };
            app.store.panes(range, filter, take).await
        } else {
            let group = Group {
                column: column_of(question.group_by),
                except: &KeyList::default(),
            };
            let merged = app.store.merged_panes(range, filter, group, |row| {
                add(row.start, row.group, &row.pane);
            });
            merged.await
        };
        read.map_err(|cause| refused(&cause))?;
        for (hour, strips) in strips {
            self.add_strips(&strips);
            app.hours.put(key, hour, Arc::new(strips), self.version);
        }
        Ok(())
    }

    fn add_strips(&mut self, strips: &HourStrips) {
        for (group, strip) in strips {
            // The first hour may begin before the range, and hold groups that the range does not.
            let from = self.range.start;
            let mut wanted = strip.iter().filter(|(start, _)| *start >= from).peekable();
            if wanted.peek().is_some() {
                let merged = self.strips.entry(group.clone()).or_default();
                wanted.for_each(|(start, pane)| merged.add(start, pane));
            }
        }
    }

    /// Takes in the panes from `from` on, of which some are open.
    async fn load_open(
        &mut self,
        app: &App,
        filter: PaneFilter<'_>,
        from: Micros,
        mut live: LivePanes,
    ) -> Answer<()> {
        live.retain(|(start, ..)| *start >= from);
        let range = from.max(self.range.start)..self.range.end;
        // Distributions are merged here, so nothing is gained when Postgres merges the rest.
        let merged_until = match live.get(KEYS_MAX) {
            _ if filter.with_sketch => range.start,
            Some((start, ..)) => *start,
            None => range.end,
        };
        let except = key_list(&live, merged_until);
        let mut open = self.open_panes(live);
        let mut read = Ok(());
        if merged_until > range.start {
            let group = Group {
                column: column_of(self.question.group_by),
                except: &except,
            };
            let strips = &mut self.strips;
            let take = |row: crate::store::MergedRow| {
                strips
                    .entry(row.group)
                    .or_default()
                    .add(row.start, &row.pane);
            };
            read = app
                .store
                .merged_panes(range.start..merged_until, filter, group, take)
                .await;
        }
        if read.is_ok() && !except.is_empty() {
            let take = |row| self.take_in(row, &mut open);
            read = app
                .store
                .panes_with_keys(&except, filter.with_sketch, take)
                .await;
        }
        if read.is_ok() && merged_until < range.end {
            let take = |row| self.take_in(row, &mut open);
            read = app.store.panes(merged_until..range.end, filter, take).await;
        }
        read.map_err(|cause| refused(&cause))?;
        // Only now, when everything that has settled is merged.
        for ((start, who), pane) in open {
            self.put_open(start, who, pane);
        }
        Ok(())
    }

    fn open_panes(&self, live: LivePanes) -> OpenPanes {
        let panes = live.into_iter();
        panes
            .map(|(start, who, pane)| ((start, who), self.open_pane(&pane)))
            .collect()
    }

    /// Takes in a row. One that the live view has as well stays open, by the newer copy.
    fn take_in(&mut self, row: PaneRow, open: &mut OpenPanes) {
        let who = who_of(&row);
        let slot = (row.key.start, Arc::new(who));
        match open.get_mut(&slot) {
            Some(copy) if copy.changed_offset < row.changed_offset => {
                *copy = OpenPane {
                    pane: row.pane,
                    changed_offset: row.changed_offset,
                };
            }
            Some(_) => {}
            None => {
                let group = self.question.group_of(&slot.1).to_owned();
                self.strips.entry(group).or_default().add(slot.0, &row.pane);
            }
        }
    }
}

/// The panes that are needed, now and while the end slides.
fn range_of(question: &Question, moment: &Moment) -> Range<Micros> {
    let mut grid = question.grid(moment.now);
    grid.points = grid.points.max(1);
    let mut range = grid.panes();
    if question.end.slides() {
        range.end = range.end.max(moment.now + KEPT);
    }
    range
}

fn column_of(group_by: GroupBy) -> &'static str {
    match group_by {
        GroupBy::None => "",
        GroupBy::Sensor => "sensor",
        GroupBy::Type => "traveler_type",
    }
}

fn who_of(row: &PaneRow) -> Who {
    Who {
        sensor: row.key.sensor.clone(),
        traveler_type: row.key.traveler_type.clone(),
    }
}

fn key_list(live: &LivePanes, until: Micros) -> KeyList {
    let mut keys = KeyList::default();
    for (start, who, _) in live.iter().take_while(|(start, ..)| *start < until) {
        keys.push(*start, &who.sensor, &who.traveler_type);
    }
    keys
}
