//! The gateway as a whole: start, watch over itself, leave in good order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use chassis::admin::{self, Health};
use chassis::clock::Clock;
use chassis::port::Reserved;
use chassis::shutdown;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::budget::Budget;
use crate::config::{Checked, Config};
use crate::housekeeping;
use crate::intake::Intake;
use crate::listener;
use crate::metrics::Metrics;
use crate::producer::{Partitions, Producer};
use crate::registry::Registry;
use crate::shared::{Shared, Timeouts};
use crate::signal::Flag;
use crate::ticker;

/// The gateway's name in health reports.
pub(crate) const PART: &str = "gateway";

/// How long Kafka may take to name the partitions, each time it is asked.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);

/// How long Kafka is left alone between two questions, at first and at most.
const METADATA_PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// A gateway that listens.
#[derive(Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    health: Health,
    mqtt_address: SocketAddr,
    admin_address: Option<SocketAddr>,
    shutdown_timeout: Duration,
    /// Cancelled from outside to end the gateway.
    shutdown: CancellationToken,
    /// Cancelled to end the tasks that only work for others.
    stop: CancellationToken,
    connections: TaskTracker,
    helpers: TaskTracker,
}

/// Runs a gateway until `shutdown` is cancelled, then leaves in good order.
///
/// # Errors
/// When the configuration cannot be used, an address cannot be bound, the Kafka producer breaks for good, or leaving took
/// longer than it may. Nothing that was acknowledged is lost then.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    match Gateway::start(config, Clock::System, shutdown).await? {
        Some(gateway) => gateway.stopped().await,
        None => Ok(()),
    }
}

impl Gateway {
    /// Checks `config`, waits for Kafka, and opens the listener. `None` when `shutdown` came before Kafka did.
    ///
    /// # Errors
    /// When the configuration cannot be used or an address cannot be bound.
    pub async fn start(
        config: Config,
        clock: Clock,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Option<Self>> {
        let checked = config.check()?;
        let health = Health::new();
        health.set_ready(PART, false, "waiting for Kafka");
        let (helpers, stop) = (TaskTracker::new(), CancellationToken::new());
        let admin_address = admin::serve(&config.admin, health.clone(), &helpers, stop.clone());
        let admin_address = admin_address.await?;
        // After the admin server, which installs the recorder.
        let metrics = Arc::new(Metrics::new());
        // Bound now, so that a taken port is known at once; nobody is let in before Kafka is there.
        let address = Reserved::new(checked.mqtt_bind, "the gateway", "--mqtt-bind")?;
        let producer = Producer::new(&config, Arc::clone(&metrics))?;
        let Some((producer, partitions)) = partitions(producer, &health, &shutdown).await? else {
            stop.cancel();
            return Ok(None);
        };
        let listener = address.listen()?;
        let gateway = Self {
            mqtt_address: listener
                .local_addr()
                .context("reading the listener's address")?,
            shared: Arc::new(share(checked, clock, metrics, (producer, partitions))),
            health,
            admin_address,
            shutdown_timeout: config.listen.shutdown_timeout,
            shutdown,
            stop,
            connections: TaskTracker::new(),
            helpers,
        };
        gateway.spawn_helpers(&config, listener);
        Ok(Some(gateway))
    }

    fn spawn_helpers(&self, config: &Config, listener: TcpListener) {
        let address = self.mqtt_address;
        info!(net.address = %address, "MQTT listener on {address}");
        let why = format!("listening on {address}");
        self.health.set_ready(PART, true, &why);
        self.helpers.spawn(listener::accept(
            listener,
            config.limit.connections_max,
            Arc::clone(&self.shared),
            self.connections.clone(),
            self.shutdown.clone(),
        ));
        self.helpers.spawn(ticker::tick(
            Arc::clone(&self.shared),
            config.produce.tick_interval,
            self.shutdown.clone(),
        ));
        self.helpers.spawn(housekeeping::keep(
            Arc::clone(&self.shared),
            self.health.clone(),
            why,
            self.shutdown.clone(),
        ));
    }

    /// Where devices connect.
    #[must_use]
    pub fn mqtt_address(&self) -> SocketAddr {
        self.mqtt_address
    }

    /// Where the admin server listens, unless it is off.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// What the gateway says about itself.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Waits for the shutdown, and leaves: accepts and reads no more, flushes Kafka, sends the owed acknowledgements.
    ///
    /// # Errors
    /// When the Kafka producer broke for good, or leaving took longer than it may.
    pub async fn stopped(self) -> anyhow::Result<()> {
        let failure = tokio::select! {
            () = self.shutdown.cancelled() => None,
            failure = self.shared.producer.failure() => Some(failure),
        };
        self.health.set_ready(PART, false, "draining");
        let outcome = match failure {
            None => self.drain().await,
            Some(failure) => {
                error!(
                    "the Kafka producer failed for good, so nothing more is acknowledged: {failure}"
                );
                self.abort().await;
                Err(anyhow::anyhow!(
                    "the Kafka producer failed for good: {failure}"
                ))
            }
        };
        self.stop.cancel();
        self.shutdown.cancel();
        shutdown::drain("gateway helpers", &self.helpers, housekeeping::INTERVAL).await;
        // Dropping the producer joins its thread.
        drop(tokio::task::spawn_blocking(move || drop(self.shared)).await);
        outcome
    }

    async fn drain(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let owing = self.shared.registry.len();
        self.shared.registry.raise_all(Flag::Shutdown);
        let shared = Arc::clone(&self.shared);
        let flush_timeout = self.shutdown_timeout;
        let flush = tokio::task::spawn_blocking(move || shared.producer.flush(flush_timeout));
        let drained = shutdown::drain("MQTT connections", &self.connections, self.shutdown_timeout);
        if drained.await && matches!(flush.await, Ok(Ok(()))) {
            info!(
                connections = owing,
                "left {owing} connections with nothing owed after {:?}",
                begun.elapsed()
            );
            return Ok(());
        }
        let (left, queued) = (self.shared.registry.len(), self.shared.producer.queued());
        self.abort().await;
        bail!(
            "Kafka did not take {queued} records within {:?}: {left} connections end without the acknowledgements they wait for",
            self.shutdown_timeout
        )
    }

    /// Ends every connection without another acknowledgement.
    async fn abort(&self) {
        self.shared.registry.raise_all(Flag::Abort);
        self.connections.close();
        if timeout(housekeeping::INTERVAL, self.connections.wait())
            .await
            .is_err()
        {
            warn!("{} connections did not end", self.connections.len());
        }
    }
}

/// Waits until Kafka names the partitions of both topics, saying meanwhile what is missing; `None` when `shutdown` comes first.
async fn partitions(
    producer: Producer,
    health: &Health,
    shutdown: &CancellationToken,
) -> anyhow::Result<Option<(Producer, Partitions)>> {
    let (mut pause, pause_max) = METADATA_PAUSE;
    let mut producer = producer;
    loop {
        let asked = tokio::task::spawn_blocking(move || {
            let partitions = producer.partitions(METADATA_TIMEOUT);
            (producer, partitions)
        });
        let (returned, partitions) = asked.await.context("asking Kafka for its partitions")?;
        match partitions {
            Ok(partitions) => return Ok(Some((returned, partitions))),
            Err(reason) => {
                let why = format!("waiting for Kafka: {reason}");
                warn!("{why}");
                health.set_ready(PART, false, &why);
            }
        }
        producer = returned;
        tokio::select! {
            () = sleep(pause) => pause = (pause * 2).min(pause_max),
            () = shutdown.cancelled() => return Ok(None),
        }
    }
}

fn share(
    checked: Checked,
    clock: Clock,
    metrics: Arc<Metrics>,
    (producer, partitions): (Producer, Partitions),
) -> Shared {
    let Config { listen, limit, .. } = checked.config;
    Shared {
        clock,
        limits: checked.limits,
        timeouts: Timeouts {
            connect: listen.connect_timeout,
            packet: listen.packet_timeout,
        },
        intake: Intake::new(
            checked.routes,
            partitions,
            limit.payload_bytes_max,
            Arc::clone(&metrics),
        ),
        producer,
        budget: Arc::new(Budget::new(limit.inflight_bytes_max)),
        registry: Arc::new(Registry::default()),
        metrics,
    }
}
