//! What is where and how far the folds have come: small tables of Postgres, read again every second and kept in memory.
//!
//! Handlers answer from the newest copy, so registry and ledger cost a request nothing, and stay known while Postgres is
//! away. What changes by the second (counts, clocks, sensors that just appeared) comes from the live view instead.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use domain::id::DeviceId;
use domain::pane::PANE;
use domain::time::{Micros, Span};
use jiff::tz::TimeZone;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use chassis::admin::Health;
use chassis::clock::Clock;

use crate::problem::{Answer, Component, Problem};
use crate::store::{CanaryRow, DeviceRow, PartitionRow, SensorRow, SiteRow, Store, ZoneRow};

/// How often the tables are read.
const EVERY: Duration = Duration::from_secs(1);
/// Traveler types that were seen within this are offered.
const TYPES_SEEN_WITHIN: Span = Span::from_secs(7 * 86_400);
/// How often panes are searched for new traveler types, and how far back each time but the first.
const TYPES_EVERY: Span = Span::from_secs(30);
const TYPES_OVERLAP: Span = Span::from_secs(3600);

/// The tables as they were a moment ago.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// Tells this database from every other.
    pub identity: String,
    /// The site; made up from its id while it is not registered.
    pub site: SiteRow,
    /// The site's zone.
    pub tz: TimeZone,
    /// Zones in the site's order.
    pub zones: Vec<ZoneRow>,
    /// Registered devices by id.
    pub devices: BTreeMap<DeviceId, DeviceRow>,
    /// Sensors that ever spoke.
    pub sensors: BTreeMap<DeviceId, SensorRow>,
    /// The ledger.
    pub partitions: Vec<PartitionRow>,
    /// The gateways' canaries.
    pub canaries: Vec<CanaryRow>,
    /// Dead letters that nobody has replayed; see [`Store::dead_letters`].
    pub dead_letters: i64,
    /// Traveler types that were seen lately.
    pub types: BTreeSet<String>,
}

/// The newest copy, for whoever asks.
#[derive(Clone, Debug)]
pub struct CatalogView {
    newest: watch::Receiver<Option<Arc<Catalog>>>,
}

/// Keeps the copy up to date.
#[derive(Debug)]
pub struct CatalogKeeper {
    store: Store,
    site: String,
    clock: Clock,
    health: Health,
    newest: watch::Sender<Option<Arc<Catalog>>>,
    types: BTreeSet<String>,
    types_searched: Option<Micros>,
}

impl CatalogView {
    /// The newest copy.
    ///
    /// # Errors
    /// A 503 while Postgres has never been reached.
    pub fn get(&self) -> Answer<Arc<Catalog>> {
        let newest = self.newest.borrow().clone();
        newest.ok_or_else(|| Problem::away(Component::Postgres))
    }

    /// Waits for the next copy. Never returns when there is none any more.
    pub async fn changed(&mut self) {
        if self.newest.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl CatalogKeeper {
    /// A keeper for `site`, and the view on what it reads.
    #[must_use]
    pub fn new(store: Store, site: String, clock: Clock, health: Health) -> (Self, CatalogView) {
        let (newest, view) = watch::channel(None);
        let keeper = Self {
            store,
            site,
            clock,
            health,
            newest,
            types: BTreeSet::new(),
            types_searched: None,
        };
        (keeper, CatalogView { newest: view })
    }

    /// Reads the tables every second until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        self.health
            .set_ready("postgres", false, "the registry has not been read yet");
        let mut was_away = false;
        loop {
            let refreshed = tokio::select! {
                () = shutdown.cancelled() => return,
                refreshed = self.refresh() => refreshed,
            };
            match &refreshed {
                Ok(()) if was_away => info!("postgres answers again"),
                Err(cause) if !was_away => {
                    warn!(error = %cause, "postgres does not answer, going on with what is known: {cause}");
                }
                _ => {}
            }
            was_away = refreshed.is_err();
            self.health.beat("postgres");
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    async fn refresh(&mut self) -> sqlx::Result<()> {
        self.search_types().await?;
        let site = self.store.site(&self.site).await?;
        let site = site.unwrap_or_else(|| unregistered(&self.site));
        let tz = TimeZone::get(&site.tz).unwrap_or_else(|cause| {
            warn!(site.tz = %site.tz, error = %cause, "the zone {} of site {} is not known, UTC stands in", site.tz, site.id);
            TimeZone::UTC
        });
        let devices = self.store.devices(&self.site).await?;
        let devices: BTreeMap<DeviceId, DeviceRow> = devices
            .into_iter()
            .map(|device| (DeviceId(device.id.clone()), device))
            .collect();
        let sensors: BTreeMap<DeviceId, SensorRow> = (self.store.sensors().await?.into_iter())
            .map(|sensor| (sensor.sensor.clone(), sensor))
            .collect();
        let catalog = Catalog {
            identity: self.store.identity().await?,
            tz,
            zones: self.store.zones(&self.site).await?,
            devices,
            sensors,
            partitions: self.store.partitions().await?,
            canaries: self.store.canaries().await?,
            dead_letters: self.store.dead_letters().await?,
            types: self.types.clone(),
            site,
        };
        self.newest.send_replace(Some(Arc::new(catalog)));
        self.health
            .set_ready("postgres", true, "the registry is known");
        Ok(())
    }

    /// Looks for traveler types in all recent panes once, then only in the newest ones.
    async fn search_types(&mut self) -> sqlx::Result<()> {
        let now = self.clock.now();
        let from = match self.types_searched {
            Some(last) if now - last < TYPES_EVERY => return Ok(()),
            Some(last) => last - TYPES_OVERLAP,
            None => now - TYPES_SEEN_WITHIN,
        };
        let seen = self.store.traveler_types(from..now + PANE).await?;
        self.types.extend(seen);
        self.types_searched = Some(now);
        Ok(())
    }
}

fn unregistered(id: &str) -> SiteRow {
    SiteRow {
        id: id.to_owned(),
        name: id.to_owned(),
        tz: "UTC".to_owned(),
        locale: "en-GB".to_owned(),
    }
}
