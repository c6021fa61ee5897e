//! The panes and the uptime that answer a question: settled ones from Postgres, open ones from the live view.
//!
//! A pane that is in both is taken once, by the higher `changed_offset`: both hold absolute values, so the higher one is the
//! newer one and equal ones are identical. The live view is asked *first*: a pane that leaves it meanwhile is in Postgres by
//! then. Old panes are merged by Postgres, apart from the few that the live view still has.
//!
//! A reading can be kept: [`Reading::refresh`] takes in what changed in the live view since.

mod load;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use domain::coverage::rhythm;
use domain::id::DeviceId;
use domain::pane::Pane;
use domain::series::{Strip, Uptime};
use domain::time::Micros;

use super::body::GroupBy;
use super::question::{Question, up_hours};
use crate::live::{LivePane, Mirror, Who};
use crate::sensors::{Heard, Sensors};

/// What answers a question.
#[derive(Debug)]
pub struct Reading {
    question: Arc<Question>,
    range: Range<Micros>,
    /// The merged panes, by group.
    strips: BTreeMap<String, Strip>,
    /// Panes that may still change, one by one.
    open: BTreeMap<Micros, HashMap<Arc<Who>, OpenPane>>,
    /// What the merged panes hold without the open ones, where there are open ones.
    settled: BTreeMap<Micros, BTreeMap<String, Pane>>,
    /// When sensors were up, by group.
    uptime: BTreeMap<String, Uptime>,
    version: u64,
    gaps: u64,
}

#[derive(Clone, Debug)]
struct OpenPane {
    pane: Pane,
    changed_offset: i64,
}

impl Reading {
    /// An empty reading of `range`.
    fn new(question: Arc<Question>, range: Range<Micros>) -> Self {
        Self {
            question,
            range,
            strips: BTreeMap::new(),
            open: BTreeMap::new(),
            settled: BTreeMap::new(),
            uptime: BTreeMap::new(),
            version: 0,
            gaps: 0,
        }
    }

    /// What it answers.
    #[must_use]
    pub fn question(&self) -> &Arc<Question> {
        &self.question
    }

    /// The names of the groups in which something happened.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.strips.keys().map(String::as_str)
    }

    /// The merged panes of a group.
    #[must_use]
    pub fn strip(&self, group: &str) -> Option<&Strip> {
        self.strips.get(group)
    }

    /// When the sensors of a group were up.
    #[must_use]
    pub fn uptime(&self, group: &str) -> Option<&Uptime> {
        self.uptime.get(self.uptime_group(group))
    }

    /// Types do not have uptimes of their own: those of all sensors stand for them.
    fn uptime_group<'a>(&self, group: &'a str) -> &'a str {
        if self.question.group_by == GroupBy::Sensor {
            group
        } else {
            ""
        }
    }

    /// Takes in what changed in the live view. False when that cannot be told any more: the reading is to be loaded anew.
    #[must_use]
    pub fn refresh(&mut self, mirror: &Mirror, sensors: &Sensors) -> bool {
        if mirror.is_revised_since(self.version, &self.touched_by()) {
            return false;
        }
        let question = Arc::clone(&self.question);
        let since = mirror.panes_since(self.version, &self.range, |who| question.takes(who));
        let Some(changes) = since.filter(|changes| changes.gaps == self.gaps) else {
            return false;
        };
        let unchanged = changes.version == self.version;
        self.version = changes.version;
        for (start, who, pane) in changes.panes {
            match pane {
                Some(pane) => self.put_open(start, who, self.open_pane(&pane)),
                None => self.close(start, &who),
            }
        }
        if !unchanged {
            self.take_in_uptime(sensors);
        }
        true
    }

    /// Whether something final in it was revised at `instant` or later, as far as the live view can tell.
    #[must_use]
    pub fn is_revised_since(&self, mirror: &Mirror, instant: Micros) -> bool {
        mirror.is_revised_since_instant(instant, &self.touched_by())
    }

    /// The hours on which it depends. Which silences are covered shows before it, and the last one may end after it.
    fn touched_by(&self) -> Range<Micros> {
        let from = self.range.start - rhythm::LONGEST - rhythm::LOOK_BACK;
        from..self.range.end + rhythm::LONGEST
    }

    fn open_pane(&self, pane: &LivePane) -> OpenPane {
        OpenPane {
            pane: pane.pane(self.question.with_quantiles()),
            changed_offset: pane.changed_offset,
        }
    }

    /// Takes in a copy of a pane that may still change. An older copy than the one that is there changes nothing.
    fn put_open(&mut self, start: Micros, who: Arc<Who>, pane: OpenPane) {
        let group = self.question.group_of(&who).to_owned();
        let is_older = |known: &OpenPane| known.changed_offset > pane.changed_offset;
        let at_start = self.open.entry(start).or_default();
        if at_start.get(&who).is_some_and(is_older) {
            return;
        }
        at_start.insert(who, pane);
        let settled = self.settled.entry(start).or_default();
        if !settled.contains_key(&group) {
            let merged = self.strips.get(&group).and_then(|strip| strip.get(start));
            settled.insert(group.clone(), merged.cloned().unwrap_or_default());
        }
        self.merge_again(start, &group);
    }

    /// A pane changes no more: it becomes part of what has settled.
    fn close(&mut self, start: Micros, who: &Arc<Who>) {
        let Some(at_start) = self.open.get_mut(&start) else {
            return;
        };
        let Some(closed) = at_start.remove(who) else {
            return;
        };
        let group = self.question.group_of(who);
        if at_start.is_empty() {
            self.open.remove(&start);
            // The merged panes hold it, and nothing is open there any more.
            self.settled.remove(&start);
        } else if let Some(settled) = self
            .settled
            .get_mut(&start)
            .and_then(|settled| settled.get_mut(group))
        {
            settled.merge(&closed.pane);
        }
    }

    fn merge_again(&mut self, start: Micros, group: &str) {
        let settled = self
            .settled
            .get(&start)
            .and_then(|settled| settled.get(group));
        let mut merged = settled.cloned().unwrap_or_default();
        for (who, open) in self.open.get(&start).into_iter().flatten() {
            if self.question.group_of(who) == group {
                merged.merge(&open.pane);
            }
        }
        self.strips
            .entry(group.to_owned())
            .or_default()
            .put(start, merged);
    }

    /// Takes in the hours of the live view. It knows them best: what it said of the present it may have taken back, because
    /// the sensor was dead by then.
    fn take_in_uptime(&mut self, sensors: &Sensors) {
        let question = Arc::clone(&self.question);
        for id in &question.sensors {
            let heard = sensors.get(id).and_then(|sensor| sensor.heard.as_ref());
            let Some(live) = heard.and_then(Heard::newest_live) else {
                continue;
            };
            for (hour, bits) in up_hours(live) {
                self.put_hour(id, hour, bits);
            }
            if let Some(last) = up_hours(live).map(|(hour, _)| hour).max() {
                self.uptime_of(id).forget_after(id, last);
            }
        }
        for uptime in self.uptime.values_mut() {
            uptime.settle(|id| Some(sensors.get(id)?.heard.as_ref()?.last_event));
        }
    }

    fn put_hour(&mut self, sensor: &DeviceId, hour: Micros, bits: &[u8]) {
        self.uptime_of(sensor).put(sensor, hour, bits);
    }

    fn uptime_of(&mut self, sensor: &DeviceId) -> &mut Uptime {
        let group = self.uptime_group(sensor.as_str()).to_owned();
        self.uptime.entry(group).or_default()
    }
}

#[cfg(test)]
mod tests;
