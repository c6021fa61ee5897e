//! The feeds that are open: sockets that ask the same question share one, for as long as one of them asks.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use super::cursor::Since;
use super::message::{ResyncReason, Topic};
use super::overview_feed::OverviewFeed;
use super::series_feed::{SeriesFeed, resumable};
use crate::app::App;
use crate::overview::OverviewFilter;
use crate::params::Pairs;
use crate::problem::{Answer, Problem};
use crate::routes::overview::OverviewParams;
use crate::routes::series::SeriesParams;
use crate::series::question::Question;

/// The feeds that are open.
#[derive(Debug, Default)]
pub struct Hub {
    overview: Registry<OverviewFeed>,
    series: Registry<SeriesFeed>,
    sockets: AtomicUsize,
}

#[derive(Debug)]
struct Registry<F> {
    feeds: Mutex<HashMap<String, Weak<F>>>,
}

impl<F> Default for Registry<F> {
    fn default() -> Self {
        Self {
            feeds: Mutex::default(),
        }
    }
}

impl<F> Registry<F> {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Weak<F>>> {
        self.feeds.lock().expect("no holder of this lock panics")
    }

    fn find(&self, key: &str) -> Option<Arc<F>> {
        self.lock().get(key).and_then(Weak::upgrade)
    }

    /// Adds a feed, unless somebody was faster: then theirs. Forgets those that nobody uses any more.
    fn add(&self, key: String, feed: F) -> Arc<F> {
        let mut feeds = self.lock();
        feeds.retain(|_, feed| feed.strong_count() > 0);
        if let Some(known) = feeds.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        let feed = Arc::new(feed);
        feeds.insert(key, Arc::downgrade(&feed));
        feed
    }
}

/// A feed, as a subscription holds it.
#[derive(Clone, Debug)]
pub(super) enum Feed {
    Overview(Arc<OverviewFeed>),
    Series(Arc<SeriesFeed>),
}

/// Why a subscription is not opened.
#[derive(Debug)]
pub(super) enum Refused {
    Problem(Problem),
    Resync(ResyncReason),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl Hub {
    /// Finds or opens the feed that answers a question. With `since`, words such as `today` mean what they meant then.
    pub(super) async fn open(
        app: &App,
        topic: Topic,
        params: BTreeMap<String, String>,
        since: Option<&Since>,
    ) -> Result<Feed, Refused> {
        let moment = app.moment()?;
        let pairs = Pairs::from_map(params);
        match topic {
            Topic::Overview => {
                let filter = OverviewFilter::parse(&pairs.read::<OverviewParams>()?, &moment)?;
                let key = filter.digest.clone();
                let feed = match app.hub.overview.find(&key) {
                    Some(feed) => feed,
                    None => app
                        .hub
                        .overview
                        .add(key, OverviewFeed::open(app, filter, &moment)),
                };
                Ok(Feed::Overview(feed))
            }
            Topic::Series => {
                let params: SeriesParams = pairs.read()?;
                let asked = match since {
                    Some(since) => {
                        let position =
                            resumable(since.offset, moment.now).map_err(Refused::Resync)?;
                        app.moment_at(position.as_of)?
                    }
                    None => moment.clone(),
                };
                let question = Question::parse(&params, &asked)?;
                if since.is_some_and(|since| since.epoch != question.epoch) {
                    return Err(Refused::Resync(ResyncReason::Epoch));
                }
                let feed = app.hub.series_feed(app, question).await?;
                Ok(Feed::Series(feed))
            }
        }
    }

    async fn series_feed(&self, app: &App, question: Question) -> Answer<Arc<SeriesFeed>> {
        let key = question.feed_key();
        if let Some(feed) = self.series.find(&key) {
            return Ok(feed);
        }
        let feed = SeriesFeed::open(app, Arc::new(question), &app.moment()?).await?;
        Ok(self.series.add(key, feed))
    }

    /// Takes a place for a socket; `None` when all are taken.
    pub(super) fn admit(app: &Arc<App>) -> Option<Place> {
        let sockets = &app.hub.sockets;
        let taken = sockets.fetch_add(1, Ordering::Relaxed) + 1;
        metrics::gauge!(crate::metrics::SOCKETS).increment(1.0);
        // Given back by its drop, also when it is not granted.
        let place = Place {
            app: Arc::clone(app),
        };
        (taken <= app.settings.sockets_max).then_some(place)
    }
}

/// The place of a socket.
#[derive(Debug)]
pub(super) struct Place {
    app: Arc<App>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.app.hub.sockets.fetch_sub(1, Ordering::Relaxed);
        metrics::gauge!(crate::metrics::SOCKETS).decrement(1.0);
    }
}
