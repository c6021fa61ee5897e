//! The process: from a configuration to a server, and its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chassis::admin::{self, Health};
use chassis::clock::Clock;
use chassis::port;
use chassis::shutdown;
use domain::movement::MovementConfig;
use domain::time::Span;
use domain::topic::SENSOR_MOVEMENTS;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

use crate::app::{App, Settings};
use crate::catalog::CatalogKeeper;
use crate::config::Config;
use crate::live::{Follower, Mirror, VisitReader};
use crate::sensors::Rhythm;
use crate::series::hours::HourCache;
use crate::server;
use crate::store::Store;
use crate::stream::hub::Hub;

/// How long what was begun may take to end.
const DRAIN: Duration = Duration::from_secs(8);

/// An API that is ready to serve: its address is bound, its tasks run.
#[derive(Debug)]
pub struct Role {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where its admin server listens.
    pub admin: Option<SocketAddr>,
    /// Its collaborators.
    pub app: Arc<App>,
    listener: TcpListener,
}

/// Runs the API until `shutdown`.
///
/// # Errors
/// When a setting cannot be used, an address cannot be bound, or something does not end in time.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    Role::start(config, Clock::System, shutdown)
        .await?
        .serve()
        .await
}

impl Role {
    /// Checks the configuration, binds the addresses and starts the tasks. Waits for no server.
    ///
    /// # Errors
    /// When a setting cannot be used or an address cannot be bound.
    pub async fn start(
        config: Config,
        clock: Clock,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        let checked = config.check()?;
        let listener = port::listen(config.http_bind, "the api", "--http-bind")?;
        let address = listener.local_addr()?;
        let health = Health::new();
        let tracker = TaskTracker::new();
        let admin = admin::serve(&config.admin, health.clone(), &tracker, shutdown.clone()).await?;

        let store = Store::new(checked.postgres, config.postgres_connections_max);
        let topic = format!("{}{SENSOR_MOVEMENTS}", config.topic_prefix);
        let mirror = Arc::new(Mirror::default());
        let (keeper, catalog) = CatalogKeeper::new(
            store.clone(),
            config.site.clone(),
            clock.clone(),
            health.clone(),
        );
        let follower = Follower {
            client: checked.redis.clone(),
            topic: topic.clone(),
            mirror: Arc::clone(&mirror),
            catalog: catalog.clone(),
            clock: clock.clone(),
            health,
        };
        tracker.spawn(keeper.run(shutdown.clone()));
        tracker.spawn(follower.run(shutdown.clone()));
        let app = Arc::new(App {
            visits: VisitReader::new(checked.redis, topic.clone()),
            settings: settings(config, topic),
            store,
            catalog,
            mirror,
            hours: HourCache::default(),
            hub: Hub::default(),
            clock,
            tracker,
            shutdown,
        });
        info!(net.address = %address, "answering on http://{address}");
        Ok(Self {
            address,
            admin,
            app,
            listener,
        })
    }

    /// Serves until the shutdown that it was started with.
    ///
    /// # Errors
    /// When the listener fails or something does not end in time.
    pub async fn serve(self) -> anyhow::Result<()> {
        let Self { app, listener, .. } = self;
        let deadline = async {
            app.shutdown.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        tokio::select! {
            served = server::serve(listener, Arc::clone(&app)) => served.context("serving HTTP")?,
            // A client that reads slowly does not hold the process up.
            () = deadline => {}
        }
        // A listener that failed ends the process as well.
        app.shutdown.cancel();
        let ended = shutdown::drain("api", &app.tracker, DRAIN).await;
        app.store.close().await;
        anyhow::ensure!(ended, "api: tasks did not end within {DRAIN:?}");
        Ok(())
    }
}

fn settings(config: Config, topic: String) -> Settings {
    Settings {
        topic,
        heartbeat: config.heartbeat,
        rhythm: rhythm(&config),
        lateness: config.lateness,
        idle_gap: span(config.idle_gap),
        open_for: MovementConfig::default().settle.max(span(config.idle_gap)),
        mqtt_advertised: config.mqtt_advertised,
        allowed_origins: config.allowed_origins,
        sockets_max: config.sockets_max,
        socket_heartbeat: config.socket_heartbeat,
    }
}

fn rhythm(config: &Config) -> Rhythm {
    let silent_after = span(config.silent_after);
    Rhythm {
        silent_after,
        offline_after: Span(span(config.heartbeat).0 * 5).max(silent_after),
    }
}

/// Checked before: none is longer than two days.
fn span(duration: Duration) -> Span {
    Span(i64::try_from(duration.as_micros()).expect("checked to be days at most"))
}
