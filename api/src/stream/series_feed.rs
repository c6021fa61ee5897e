//! The feed of topic `series`: a reading that is kept and answered from again.

use std::sync::{Arc, Mutex, MutexGuard};

use domain::coverage::rhythm;
use domain::pane::PANE;
use domain::time::{Micros, Span};

use super::cursor::{FRAMES_MAX, Position, Since};
use super::feed::{Change, Changes, Frames, Version};
use super::message::{ResyncReason, SeriesDelta};
use super::series_delta;
use crate::app::{App, Moment};
use crate::problem::{Answer, Problem};
use crate::sensors;
use crate::series::answer::answer;
use crate::series::body::Series;
use crate::series::question::Question;
use crate::series::reading::Reading;

/// Series of a subscription at most: each is a frame of its own.
const SERIES_MAX: usize = 100;
/// A reading is loaded anew this often, and more often while the live view is away.
const RELOAD_EVERY: Span = Span::from_secs(300);
const RELOAD_EVERY_STALE: Span = Span::from_secs(5);
/// A watermark that jumps this far in one step may have carried panes past the live view: Postgres has them soon.
const JUMP: Span = Span::from_secs(300);
const RELOAD_AFTER_JUMP: Span = Span::from_secs(2);
/// How long ago the answer may have been made that a subscription goes on from.
const RESUME_WITHIN: Span = Span::from_secs(3600);
/// So much later a revision may be heard here than where the answer was made: announcements that are lost are found missing
/// within five seconds, and the clocks of two instances may be two apart.
const HEARD_WITHIN: Span = Span::from_secs(10);

/// One question about series.
#[derive(Debug)]
pub(super) struct SeriesFeed {
    pub(super) question: Arc<Question>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    reading: Reading,
    /// When it was looked last whether anything has changed.
    looked_at: Micros,
    loaded_at: Micros,
    reload_at: Micros,
    /// Not before this, because the last attempt failed.
    retry_at: Micros,
    reloading: bool,
    /// What the newest answer was made of; while this is the same, so is the answer.
    made_of: MadeOf,
    watermark: Option<Micros>,
    latest: Arc<SeriesVersion>,
    changes: Changes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MadeOf {
    mirror: (u64, u64),
    /// The pane of the instant; both edges, because an instant on an edge ends the pane before it.
    pane: (Micros, Micros),
    stale: bool,
    loaded_at: Micros,
}

pub(super) type SeriesVersion = Version<Series>;

/// Why a feed has no newer answer.
#[derive(Debug)]
pub(super) enum Ended {
    /// It ends here.
    Resync(ResyncReason),
    /// It may have one later.
    Later,
}

impl SeriesFeed {
    /// Reads what answers `question` and answers it for the first time.
    pub(super) async fn open(app: &App, question: Arc<Question>, moment: &Moment) -> Answer<Self> {
        let reading = Reading::load(app, Arc::clone(&question), moment).await?;
        let body = answer(&reading, moment, &app.settings)?;
        if body.series.len() > SERIES_MAX {
            let detail = format!(
                "{} series, at most {SERIES_MAX} can be followed",
                body.series.len()
            );
            return Err(Problem::too_many_points(detail, None));
        }
        let latest = Arc::new(Version {
            as_of: moment.now,
            offset: body.stream.offset,
            body,
        });
        Ok(Self {
            question,
            state: Mutex::new(State {
                reading,
                looked_at: moment.now,
                loaded_at: moment.now,
                reload_at: moment.now + RELOAD_EVERY,
                retry_at: Micros::MIN,
                reloading: false,
                made_of: made_of(app, moment, moment.now),
                watermark: None,
                latest,
                changes: Changes::default(),
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    /// The answer at `tick`, or the newest one when nothing has changed since.
    pub(super) fn at(
        self: &Arc<Self>,
        app: &Arc<App>,
        tick: Micros,
    ) -> Result<Arc<SeriesVersion>, Ended> {
        let mut state = self.lock();
        if tick <= state.looked_at.max(state.latest.as_of) {
            return Ok(Arc::clone(&state.latest));
        }
        let moment = app.moment_at(tick).map_err(|_| Ended::Later)?;
        if self.question.epoch_at(&moment) != self.question.epoch {
            return Err(Ended::Resync(ResyncReason::Epoch));
        }
        state.looked_at = tick;
        let made_of = made_of(app, &moment, state.loaded_at);
        let is_followed = state.reading.refresh(&app.mirror, &moment.sensors);
        state.plan_reload(&self.question, &moment, is_followed);
        if tick >= state.reload_at.max(state.retry_at) && !state.reloading {
            state.reloading = true;
            let (feed, app) = (Arc::clone(self), Arc::clone(app));
            let tracker = app.tracker.clone();
            tracker.spawn(async move { feed.reload(&app).await });
        }
        if made_of == state.made_of || !is_followed {
            return Ok(Arc::clone(&state.latest));
        }
        state.made_of = made_of;
        let body = answer(&state.reading, &moment, &app.settings)
            .map_err(|_| Ended::Resync(ResyncReason::Overflow))?;
        state.latest = Arc::new(Version {
            as_of: tick,
            offset: body.stream.offset,
            body,
        });
        Ok(Arc::clone(&state.latest))
    }

    /// Loads the reading anew and puts it in the place of the old one.
    async fn reload(self: Arc<Self>, app: &App) {
        let loaded = match app.moment() {
            Ok(moment) => Reading::load(app, Arc::clone(&self.question), &moment)
                .await
                .map(|reading| (reading, moment.now)),
            Err(away) => Err(away),
        };
        let now = app.clock.now();
        let mut state = self.lock();
        state.reloading = false;
        match loaded {
            Ok((reading, loaded_at)) => {
                state.reading = reading;
                state.looked_at = Micros::MIN;
                state.loaded_at = loaded_at;
                state.reload_at = now + RELOAD_EVERY;
            }
            // Logged where it was noticed; what is known goes on.
            Err(_) => state.retry_at = now + RELOAD_EVERY_STALE,
        }
    }

    /// The frames from one version to another; `None` when there is no way.
    pub(super) fn change(&self, from: &SeriesVersion, to: &SeriesVersion) -> Change {
        self.lock().changes.get(from.offset, to.offset, || {
            let deltas = series_delta::between(&from.body, &to.body)?;
            frames(&deltas)
        })
    }

    /// The frames from a position that some instance gave to `to`: everything that was not final then, as absolute values;
    /// simply everything when something final was revised since, or may have been.
    pub(super) fn resume(
        &self,
        app: &App,
        since: &Since,
        to: &SeriesVersion,
    ) -> Result<Frames, ResyncReason> {
        if since.epoch != self.question.epoch {
            return Err(ResyncReason::Epoch);
        }
        let position = resumable(since.offset, app.clock.now())?;
        let grid = self.question.grid(position.as_of);
        let revised_from = position.as_of - HEARD_WITHIN;
        let is_revised = self
            .lock()
            .reading
            .is_revised_since(&app.mirror, revised_from);
        let open = match position.final_before {
            // The coverage of a silence that reaches past the watermark is open as well.
            Some(before) if !is_revised => {
                grid.points_until(before - app.settings.open_for.max(rhythm::LONGEST))
            }
            _ => 0,
        };
        let deltas =
            series_delta::from_open(&to.body, grid.points, open).ok_or(ResyncReason::Expired)?;
        frames(&deltas).ok_or(ResyncReason::Overflow)
    }
}

/// A position from which an answer at `now` can be reached.
pub(super) fn resumable(offset: u64, now: Micros) -> Result<Position, ResyncReason> {
    let position = Position::from_offset(offset).ok_or(ResyncReason::Expired)?;
    let age = now - position.as_of;
    if (0..=RESUME_WITHIN.0).contains(&age.0) {
        Ok(position)
    } else {
        Err(ResyncReason::Expired)
    }
}

impl State {
    /// Decides when the reading is to be loaded anew.
    fn plan_reload(&mut self, question: &Question, moment: &Moment, is_followed: bool) {
        let mut sooner = |at: Micros| self.reload_at = self.reload_at.min(at);
        if !is_followed {
            sooner(moment.now);
        }
        if moment.live.stale {
            sooner(self.loaded_at + RELOAD_EVERY_STALE);
        }
        let chosen = question
            .sensors
            .iter()
            .filter_map(|id| moment.sensors.get(id));
        let watermark = sensors::clocks_of_all(chosen, moment.now).map(|clocks| clocks.watermark);
        if let (Some(before), Some(now)) = (self.watermark, watermark)
            && now - before > JUMP
        {
            sooner(moment.now + RELOAD_AFTER_JUMP);
        }
        self.watermark = watermark;
    }
}

fn made_of(app: &App, moment: &Moment, loaded_at: Micros) -> MadeOf {
    MadeOf {
        mirror: app.mirror.version(),
        pane: (moment.now.floor(PANE), moment.now.ceil(PANE)),
        stale: moment.live.stale,
        loaded_at,
    }
}

/// The deltas as frames; `None` when there are more than positions can tell apart.
fn frames(deltas: &[SeriesDelta]) -> Change {
    if deltas.len() >= FRAMES_MAX {
        return None;
    }
    let text = |delta| {
        serde_json::to_string(delta)
            .expect("its keys are strings")
            .into()
    };
    Some(deltas.iter().map(text).collect())
}
