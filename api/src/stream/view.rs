//! A feed and the version of it that a client has.

use std::sync::Arc;

use domain::time::Micros;

use super::cursor::{Since, TICK};
use super::feed::Frames;
use super::hub::{Feed, Refused};
use super::message::ResyncReason;
use super::overview_feed::{OverviewFeed, OverviewVersion};
use super::series_feed::{Ended, SeriesFeed, SeriesVersion};
use crate::app::App;
use crate::problem::{Component, Problem};

/// What a client has of a feed.
#[derive(Debug)]
pub(super) enum View {
    Overview(Arc<OverviewFeed>, Arc<OverviewVersion>),
    Series(Arc<SeriesFeed>, Arc<SeriesVersion>),
}

impl View {
    /// The newest version of a feed.
    pub(super) fn newest(app: &Arc<App>, feed: Feed) -> Result<Self, Refused> {
        let tick = app.clock.now().floor(TICK);
        match feed {
            Feed::Overview(feed) => {
                let version = feed.at(app, tick)?;
                Ok(Self::Overview(feed, version))
            }
            Feed::Series(feed) => match feed.at(app, tick) {
                Ok(version) => Ok(Self::Series(feed, version)),
                Err(Ended::Resync(reason)) => Err(Refused::Resync(reason)),
                Err(Ended::Later) => Err(Problem::away(Component::Postgres).into()),
            },
        }
    }

    /// Moves to the newest version and gives the frames that lead there; `None` when it is there.
    pub(super) fn advance(
        &mut self,
        app: &Arc<App>,
        tick: Micros,
    ) -> Result<Option<Frames>, ResyncReason> {
        match self {
            Self::Overview(feed, version) => {
                let Ok(next) = feed.at(app, tick) else {
                    return Ok(None);
                };
                if Arc::ptr_eq(&next, version) {
                    return Ok(None);
                }
                let change = feed.change(version, &next);
                *version = next;
                change.map(Some).ok_or(ResyncReason::Overflow)
            }
            Self::Series(feed, version) => {
                let next = match feed.at(app, tick) {
                    Ok(next) => next,
                    Err(Ended::Later) => return Ok(None),
                    Err(Ended::Resync(reason)) => return Err(reason),
                };
                if Arc::ptr_eq(&next, version) {
                    return Ok(None);
                }
                let change = feed.change(version, &next);
                *version = next;
                change.map(Some).ok_or(ResyncReason::Epoch)
            }
        }
    }

    /// The frames from a position that some instance gave to the version of this view.
    pub(super) fn resume(&self, app: &App, since: &Since) -> Result<Frames, ResyncReason> {
        match self {
            Self::Overview(_, version) => OverviewFeed::resume(app, since, version),
            Self::Series(feed, version) => feed.resume(app, since, version),
        }
    }

    /// The position of the version.
    pub(super) fn offset(&self) -> u64 {
        match self {
            Self::Overview(_, version) => version.offset,
            Self::Series(_, version) => version.offset,
        }
    }

    /// The data that its positions belong to.
    pub(super) fn epoch(&self) -> &str {
        match self {
            Self::Overview(_, version) => &version.body.epoch,
            Self::Series(feed, _) => &feed.question.epoch,
        }
    }

    /// The whole state, as JSON.
    pub(super) fn state(&self) -> String {
        let text = match self {
            Self::Overview(_, version) => serde_json::to_string(&version.body.state),
            Self::Series(_, version) => serde_json::to_string(&version.body),
        };
        text.expect("its keys are strings")
    }
}
