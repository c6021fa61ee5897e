//! Loading a reading from both stores.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use domain::coverage::HOUR;
use domain::pane::PANE;
use domain::time::{Micros, Span};

use super::{OpenPane, Reading};
use crate::app::{App, Moment};
use crate::live::{LivePane, Who};
use crate::problem::Answer;
use crate::series::body::GroupBy;
use crate::series::question::Question;
use crate::store::{KeyList, PaneFilter, PaneRow, refused};

/// So many live panes are left out of what Postgres merges, one by one; where there are more, panes are read one by one.
const KEYS_MAX: usize = 2_000;
/// A reading whose end slides takes in panes for as long as this; it is loaded anew long before.
const KEPT: Span = Span::from_secs(86_400);

type LivePanes = Vec<(Micros, Arc<Who>, Arc<LivePane>)>;

impl Reading {
    /// Reads what answers `question` at `moment` and after it.
    ///
    /// # Errors
    /// A 503 when Postgres is away.
    pub async fn load(app: &App, question: Arc<Question>, moment: &Moment) -> Answer<Self> {
        let mut grid = question.grid(moment.now);
        grid.points = grid.points.max(1);
        let mut range = grid.panes();
        if question.end.slides() {
            // Whatever comes belongs to it as well.
            range.end = range.end.max(moment.now + KEPT);
        }
        let mut reading = Self::new(question, range);
        let live = reading.take_view(app);
        let question = Arc::clone(&reading.question);
        let names: Vec<String> = question.sensors.iter().map(|id| id.0.clone()).collect();
        let types: Option<Vec<String>> = question
            .types
            .names()
            .map(|names| names.iter().cloned().collect());
        let filter = PaneFilter {
            sensors: (!question.all_sensors).then_some(names.as_slice()),
            types: types.as_deref(),
            with_sketch: question.with_quantiles(),
        };
        reading.load_panes(app, filter, live).await?;
        let until = reading.range.end.min(moment.now + HOUR);
        let hours = app
            .store
            .uptime(reading.range.start..until, filter.sensors)
            .await;
        for row in hours.map_err(|cause| refused(&cause))? {
            if question.has_sensor(&row.sensor) {
                reading.take_in_hour(&row.sensor, row.hour, &row.bits);
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

    async fn load_panes(
        &mut self,
        app: &App,
        filter: PaneFilter<'_>,
        live: LivePanes,
    ) -> Answer<()> {
        let range = self.range.clone();
        // Distributions are merged here, so nothing is gained when Postgres merges the rest.
        let merged_until = match live.get(KEYS_MAX) {
            _ if filter.with_sketch => range.start,
            Some((start, ..)) => *start,
            None => range.end,
        };
        let left_out = key_list(&live, range.start..merged_until);
        if merged_until > range.start {
            let column = match self.question.group_by {
                GroupBy::None => "",
                GroupBy::Sensor => "sensor",
                GroupBy::Type => "traveler_type",
            };
            let merged =
                app.store
                    .merged_panes(range.start..merged_until, filter, column, &left_out);
            for row in merged.await.map_err(|cause| refused(&cause))? {
                self.strips
                    .entry(row.group)
                    .or_default()
                    .add(row.start, &row.pane);
            }
        }
        let mut rows = Vec::new();
        if !left_out.is_empty() {
            let found = app
                .store
                .panes_with_keys(&left_out, filter.with_sketch)
                .await;
            rows = found.map_err(|cause| refused(&cause))?;
        }
        if merged_until < range.end {
            let found = app.store.panes(merged_until..range.end, filter).await;
            rows.extend(found.map_err(|cause| refused(&cause))?);
        }
        self.take_in(rows, live);
        Ok(())
    }

    /// Takes in panes of both stores: rows that the live view has as well stay open, by the newer copy.
    fn take_in(&mut self, rows: Vec<PaneRow>, live: LivePanes) {
        let mut open = HashMap::new();
        for (start, who, pane) in live {
            let pane = self.open_pane(&pane);
            open.insert((start, who), pane);
        }
        for row in rows {
            let who = Who {
                sensor: row.key.sensor,
                traveler_type: row.key.traveler_type,
            };
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
        // Only now, when everything that has settled is merged.
        for ((start, who), pane) in open {
            self.put_open(start, who, pane);
        }
    }
}

fn key_list(live: &LivePanes, range: Range<Micros>) -> KeyList {
    let mut keys = KeyList::default();
    for (start, who, _) in live.iter().take_while(|(start, ..)| range.contains(start)) {
        keys.push(*start, &who.sensor, &who.traveler_type);
    }
    debug_assert!(
        range.start.0 % PANE.0 == 0,
        "ranges are made of whole panes"
    );
    keys
}
