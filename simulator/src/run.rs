//! A run: the fleet over MQTT, from the first message to the last acknowledgement.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use chassis::clock::Clock;
use domain::time::Span;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::config::{Config, Settings};
use crate::fleet::Fleet;
use crate::link::{Identity, Link, LinkError, Outgoing};
use crate::message::{Kind, Message};
use crate::pace::Pace;
use crate::progress::Progress;
use crate::report::Record;

/// Messages that wait for their sensor's connection. A sensor whose gateway is away holds up the generator, not memory.
const QUEUE: usize = 512;

/// How long a run that is cut short waits for what was sent already.
const LAST_ACKS_WITHIN: Duration = Duration::from_secs(2);

/// Messages that are handed on between two looks at the shutdown token and the counters.
const BATCH: u32 = 64;

/// Simulates until the limit is reached and everything is acknowledged, or until `shutdown`.
///
/// # Errors
/// A sentence when the configuration cannot be used, the gateway refuses the credentials, the truth file cannot be written,
/// or the run was cut short before everything was acknowledged.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let clock = Clock::System;
    let settings = config.settle(clock.now())?;
    let truth = config.truth.as_deref().map(create).transpose()?;
    let fleet = Fleet::new(settings.fleet.clone());
    info!(
        "simulator: {} sensors at {}, run {}, seed {}, events from {}",
        fleet.plan().sensors.len(),
        config.broker.mqtt,
        fleet.run_name(),
        config.seed,
        settings.fleet.start,
    );
    let began = Instant::now();
    let progress = Arc::new(Progress::new());
    let shown = CancellationToken::new();
    let tracker = TaskTracker::new();
    let (for_show, until) = (Arc::clone(&progress), shown.clone());
    tracker.spawn(async move { for_show.show(until).await });

    let mut links = JoinSet::new();
    let queues = connect(&config, &settings, &fleet, &progress, &mut links);
    let conductor = Conductor {
        fleet,
        queues,
        pace: settings.pace,
        clock,
        progress: Arc::clone(&progress),
        record: Record::new(truth.is_some()),
    };
    let record = conductor.conduct(&shutdown, &mut links).await?;
    let finished = finish(&mut links, &shutdown).await;
    shown.cancel();
    tracker.close();
    tracker.wait().await;
    info!("simulator: {}", progress.summary(began.elapsed()));
    finished?;
    let unacknowledged = record
        .totals()
        .messages
        .saturating_sub(progress.acknowledged_count());
    if let Some(file) = truth {
        record
            .write(unacknowledged, BufWriter::new(file))
            .context("writing the truth file")?;
    }
    if unacknowledged > 0 {
        bail!("{unacknowledged} messages were not acknowledged when the run was cut short");
    }
    Ok(())
}

/// Before anything is sent: a run of hours must not end with a file that cannot be written.
fn create(path: &Path) -> anyhow::Result<File> {
    File::create(path).with_context(|| format!("--truth: creating {}", path.display()))
}

/// A queue to each sensor's connection.
struct Queue {
    messages: mpsc::Sender<Outgoing>,
    positions: Arc<str>,
    status: Arc<str>,
}

fn connect(
    config: &Config,
    settings: &Settings,
    fleet: &Fleet,
    progress: &Arc<Progress>,
    links: &mut JoinSet<Result<(), LinkError>>,
) -> Vec<Queue> {
    let broker = &config.broker;
    let queue = |sensor: &str| {
        let topic = |kind: Kind| format!("footfall/{}/{sensor}/{}", config.site, kind.as_str());
        let identity = Identity {
            address: broker.mqtt.clone(),
            client_id: format!("{sensor}@{}", config.site),
            login: broker.mqtt_user.clone().zip(broker.mqtt_password.clone()),
            // Without a time of its own the will means the moment at which it is published. In a run that replays the past
            // that moment would be far ahead of the sensor's events and make them late.
            will: settings.is_live.then(|| {
                (
                    topic(Kind::Status),
                    Bytes::from_static(br#"{"state":"offline"}"#),
                )
            }),
        };
        let (messages, receiver) = mpsc::channel(QUEUE);
        links.spawn(Link::new(identity, receiver, Arc::clone(progress)).run());
        Queue {
            messages,
            positions: topic(Kind::Positions).into(),
            status: topic(Kind::Status).into(),
        }
    };
    fleet
        .plan()
        .sensors
        .iter()
        .map(|sensor| sensor.id.as_str())
        .map(queue)
        .collect()
}

/// Hands each message to its sensor when it is due.
struct Conductor {
    fleet: Fleet,
    queues: Vec<Queue>,
    pace: Pace,
    clock: Clock,
    progress: Arc<Progress>,
    record: Record,
}

impl Conductor {
    /// Until the fleet ends, `shutdown`, or a link gives up; the queues are closed then.
    async fn conduct(
        mut self,
        shutdown: &CancellationToken,
        links: &mut JoinSet<Result<(), LinkError>>,
    ) -> anyhow::Result<Record> {
        let mut ended = false;
        while !ended {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => ended = true,
                Some(link) = links.join_next() => match link {
                    Ok(Err(error)) => return Err(error.into()),
                    other => bail!("a sensor's connection ended before its messages did: {other:?}"),
                },
                // Cancelled between two messages only: see `batch`.
                done = self.batch() => ended = done?,
            }
        }
        Ok(self.record)
    }

    /// Hands on some messages; says whether the fleet ended.
    ///
    /// Cancel safety: a message that was taken from the fleet is lost when this is cancelled while it waits to be due or for room
    /// in its queue. It was not noted then, so it is not part of the truth.
    async fn batch(&mut self) -> anyhow::Result<bool> {
        for _ in 0..BATCH {
            let Some(message) = self.fleet.next() else {
                return Ok(true);
            };
            let wait = self.pace.due(message.send_at) - self.clock.now();
            if wait > Span(0) {
                sleep(Duration::from_micros(wait.0.unsigned_abs())).await;
            }
            self.hand_on(message).await?;
        }
        Ok(false)
    }

    async fn hand_on(&mut self, message: Message) -> anyhow::Result<()> {
        let queue = &self.queues[usize::from(message.sensor)];
        let place = queue
            .messages
            .reserve()
            .await
            .context("a sensor's connection ended")?;
        self.progress
            .generated(message.send_at, self.fleet.inside());
        self.record.note(&message, &self.fleet);
        place.send(Outgoing {
            topic: Arc::clone(match message.kind {
                Kind::Positions => &queue.positions,
                Kind::Status => &queue.status,
            }),
            payload: message.payload,
            send_at: message.send_at,
        });
        Ok(())
    }
}

/// Waits for the last acknowledgements; once `shutdown` was asked for, only for a while.
async fn finish(
    links: &mut JoinSet<Result<(), LinkError>>,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let all = async {
        while let Some(link) = links.join_next().await {
            link.context("a sensor's task failed")??;
        }
        Ok(())
    };
    let too_late = async {
        shutdown.cancelled().await;
        sleep(LAST_ACKS_WITHIN).await;
    };
    tokio::select! {
        done = all => return done,
        () = too_late => {}
    }
    warn!(
        "simulator: the gateway does not acknowledge, leaving {} sensors behind",
        links.len()
    );
    links.abort_all();
    // Aborted tasks end at their next await.
    timeout(LAST_ACKS_WITHIN, async {
        while links.join_next().await.is_some() {}
    })
    .await
    .ok();
    Ok(())
}
