//! The collaborators of the handlers.

use std::sync::Arc;
use std::time::Duration;

use chassis::clock::Clock;
use domain::time::{Micros, Span};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::catalog::{Catalog, CatalogView};
use crate::live::{Mirror, MirrorStatus, VisitReader};
use crate::problem::Answer;
use crate::sensors::{self, Rhythm, Sensors};
use crate::series::hours::HourCache;
use crate::store::Store;
use crate::stream::cursor::TICK;
use crate::stream::hub::Hub;

/// What every handler can reach.
#[derive(Debug)]
pub struct App {
    /// The parameters of answers.
    pub settings: Settings,
    /// History.
    pub store: Store,
    /// What is where.
    pub catalog: CatalogView,
    /// The live view.
    pub mirror: Arc<Mirror>,
    /// Open visits.
    pub visits: VisitReader,
    /// Hours that are final.
    pub hours: HourCache,
    /// What subscriptions share.
    pub hub: Hub,
    /// The clock.
    pub clock: Clock,
    /// Websockets run in it.
    pub tracker: TaskTracker,
    /// Cancelled when the process ends.
    pub shutdown: CancellationToken,
}

/// The parameters of answers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The topic of movement sensors, with the deployment's prefix.
    pub topic: String,
    /// See [`crate::config::Config::heartbeat`].
    pub heartbeat: Duration,
    /// When a sensor is silent.
    pub rhythm: Rhythm,
    /// See [`crate::config::Config::lateness`].
    pub lateness: Duration,
    /// See [`crate::config::Config::idle_gap`].
    pub idle_gap: Span,
    /// How long a window is live past its end: until its panes have settled, and the visits that ended in it have closed.
    pub open_for: Span,
    /// See [`crate::config::Config::mqtt_advertised`].
    pub mqtt_advertised: Option<String>,
    /// See [`crate::config::Config::allowed_origins`].
    pub allowed_origins: Vec<String>,
    /// See [`crate::config::Config::sockets_max`].
    pub sockets_max: usize,
    /// See [`crate::config::Config::socket_heartbeat`].
    pub socket_heartbeat: Duration,
}

/// Everything that is known at one instant.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The instant, on the raster of answers.
    pub now: Micros,
    /// What is where.
    pub catalog: Arc<Catalog>,
    /// Every known sensor.
    pub sensors: Sensors,
    /// How far the live view can be trusted.
    pub live: MirrorStatus,
}

impl App {
    /// What is known now.
    ///
    /// # Errors
    /// A 503 while Postgres has never been reached.
    pub fn moment(&self) -> Answer<Moment> {
        self.moment_at(self.clock.now().floor(TICK))
    }

    /// What is known, for an answer that is made at `now`.
    ///
    /// # Errors
    /// A 503 while Postgres has never been reached.
    pub fn moment_at(&self, now: Micros) -> Answer<Moment> {
        let catalog = self.catalog.get()?;
        Ok(Moment {
            now,
            sensors: sensors::known(&catalog, self.mirror.sensors()),
            live: self.mirror.status(now),
            catalog,
        })
    }
}
