//! The feed of topic `overview`: a state that merge patches change.

use std::sync::{Arc, Mutex, MutexGuard};

use domain::time::{Micros, Span};
use serde_json::Value;

use super::cursor::{Position, Since};
use super::feed::{Change, Changes, Frames, Version};
use super::message::ResyncReason;
use super::patch;
use crate::app::{App, Moment};
use crate::overview::{OverviewFilter, overview};
use crate::problem::Answer;

/// Members that always change: they do not make a new version by themselves, but every so often.
const RESTLESS: [&str; 3] = ["as_of", "lag_ms", "silent_s"];
const RESTLESS_EVERY: Span = Span::from_secs(10);

/// One question about the overview.
#[derive(Debug)]
pub(super) struct OverviewFeed {
    filter: OverviewFilter,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When it was looked last whether anything has changed.
    looked_at: Micros,
    latest: Arc<OverviewVersion>,
    changes: Changes,
}

/// The state, and the data that its position belongs to.
#[derive(Debug)]
pub(super) struct OverviewBody {
    pub(super) state: Value,
    pub(super) epoch: String,
}

pub(super) type OverviewVersion = Version<OverviewBody>;

impl OverviewFeed {
    pub(super) fn open(app: &App, filter: OverviewFilter, moment: &Moment) -> Self {
        let latest = Arc::new(version(app, &filter, moment));
        Self {
            filter,
            state: Mutex::new(State {
                looked_at: moment.now,
                latest,
                changes: Changes::default(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    /// The answer at `tick`, or the newest one when nothing has changed since.
    pub(super) fn at(&self, app: &App, tick: Micros) -> Answer<Arc<OverviewVersion>> {
        let mut state = self.lock();
        if tick <= state.looked_at {
            return Ok(Arc::clone(&state.latest));
        }
        let next = version(app, &self.filter, &app.moment_at(tick)?);
        state.looked_at = tick;
        let is_due = next.as_of - state.latest.as_of >= RESTLESS_EVERY;
        if is_due || calm(&next.body.state) != calm(&state.latest.body.state) {
            state.latest = Arc::new(next);
        }
        Ok(Arc::clone(&state.latest))
    }

    /// The frames from one version to another.
    pub(super) fn change(&self, from: &OverviewVersion, to: &OverviewVersion) -> Change {
        self.lock().changes.get(from.offset, to.offset, || {
            let patch = patch::diff(&from.body.state, &to.body.state);
            Some(frames(patch.as_ref()))
        })
    }

    /// The frames from a position that some instance gave to `to`: the whole state, and what may not be there any more.
    pub(super) fn resume(
        app: &App,
        since: &Since,
        to: &OverviewVersion,
    ) -> Result<Frames, ResyncReason> {
        if since.epoch != to.body.epoch {
            return Err(ResyncReason::Epoch);
        }
        let moment = app.moment().map_err(|_| ResyncReason::Expired)?;
        let position = Position::from_offset(since.offset).ok_or(ResyncReason::Expired)?;
        if position.as_of > moment.now {
            return Err(ResyncReason::Expired);
        }
        let sensors = moment.sensors.keys().map(|id| id.as_str());
        let patch = patch::complete(&to.body.state, "silent_sensors", sensors);
        Ok(frames(Some(&patch)))
    }
}

fn version(app: &App, filter: &OverviewFilter, moment: &Moment) -> OverviewVersion {
    let overview = overview(filter, moment, &app.settings);
    let (offset, epoch) = (overview.stream.offset, overview.stream.epoch.clone());
    let state = serde_json::to_value(overview.into_state()).expect("its keys are strings");
    Version {
        as_of: moment.now,
        offset,
        body: OverviewBody { state, epoch },
    }
}

fn frames(patch: Option<&Value>) -> Frames {
    patch
        .map(|patch| patch.to_string().into())
        .into_iter()
        .collect()
}

/// The state without the members that always change.
fn calm(state: &Value) -> Value {
    match state {
        Value::Object(members) => {
            let kept = members
                .iter()
                .filter(|(name, _)| !RESTLESS.contains(&name.as_str()));
            Value::Object(
                kept.map(|(name, value)| (name.clone(), calm(value)))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}
