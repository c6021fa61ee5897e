//! An open-loop load of devices of its own: what they publish is due when it is due, whatever became of what went before.
//!
//! The simulator's fleet says what is published, duplicates, disorder and broken messages included. Event time runs faster than
//! the wall clock and stays at least a minute behind it, so that a heartbeat at the end closes every visit at once and nothing
//! has to wait for silence. Each load has sensors and travelers that no other load has. A few events may come late on purpose:
//! they happened so long before everything else that they stand behind the watermark of their sensor from the first one on.

mod device;
mod flow;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use chassis::clock::Clock;
use domain::time::{Micros, Span};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::ledger::Writer;
use device::{Device, Outgoing};
use flow::{Due, Flows, Pace};

/// What to publish.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// Events a second, all devices together.
    pub rate: f64,
    /// How many events come late on top of these, in percent of them.
    pub late_percent: f64,
    /// How many devices, each with a connection of its own.
    pub devices: u16,
    /// The longest that it may publish; decides how fast event time runs.
    pub longest: Duration,
    /// Begins the name of every device, so that no two loads share one.
    pub tag: String,
    /// Where all chance comes from.
    pub seed: u64,
    /// Where to connect; devices are spread over them.
    pub gateways: Vec<String>,
}

/// How much faster than the wall clock event time runs, in a load that is short enough for it.
const SPEED_MAX: f64 = 4.0;
/// Event time may catch up by this much, s. Together with a swap it stays far below the lateness that is allowed.
const AHEAD_MAX_S: f64 = 480.0;
/// How far event time stays behind the wall clock: more than the idle gap, so that a heartbeat closes every visit.
const BEHIND: Span = Span::from_secs(90);
/// Messages that wait for a device. An outage of two minutes leaves some 3,000.
const QUEUE: usize = 65_536;
const NAP: Duration = Duration::from_millis(2);

/// Counters that everyone may look at while the load runs.
#[derive(Debug, Default)]
pub struct Counts {
    /// Messages published, each counted once.
    pub published: AtomicU64,
    /// Messages acknowledged.
    pub acked: AtomicU64,
    /// Messages sent again with DUP, each as often as it was.
    pub again: AtomicU64,
    /// PUBACKs with an error code that is not the refusal of a payload.
    pub errors: AtomicU64,
}

/// A running load.
#[derive(Debug)]
pub struct Load {
    /// Names of its devices, by index.
    pub devices: Vec<String>,
    /// When its first event happened that does not come late. Whatever happened before comes late.
    pub first_event: Micros,
    /// The file it writes.
    pub ledger: PathBuf,
    counts: Arc<Counts>,
    stop: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
}

impl Load {
    /// Connects and begins.
    ///
    /// # Errors
    /// When the ledger cannot be made.
    pub fn start(plan: &LoadPlan, file: &Path) -> anyhow::Result<Self> {
        let ledger = Arc::new(Writer::create(file)?);
        let clock = Clock::System;
        let speed = (1.0 + AHEAD_MAX_S / plan.longest.as_secs_f64()).min(SPEED_MAX);
        let ahead = seconds((speed - 1.0) * plan.longest.as_secs_f64());
        let start = (clock.now() - BEHIND - ahead).floor(Span::from_secs(1));
        let span = seconds(speed * plan.longest.as_secs_f64());
        let flows = Flows::new(plan, &Pace { start, span, speed });
        let counts = Arc::new(Counts::default());
        let mut tasks = JoinSet::new();
        let devices = flows.devices();
        let mut queues = Vec::new();
        for (index, name) in (0..).zip(&devices) {
            let (queue, messages) = mpsc::channel(QUEUE);
            queues.push(queue);
            let gateway = plan.gateways[usize::from(index) % plan.gateways.len()].clone();
            let device = Device::new(index, name, gateway, Arc::clone(&ledger));
            tasks.spawn(device.run(messages, Arc::clone(&counts)));
        }
        let stop = CancellationToken::new();
        let conductor = Conductor {
            flows,
            queues,
            began: Instant::now(),
            clock,
        };
        tasks.spawn(conductor.run(stop.clone()));
        Ok(Self {
            devices,
            first_event: start,
            ledger: file.to_owned(),
            counts,
            stop,
            tasks,
        })
    }

    /// Messages published so far.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.counts.published.load(Ordering::Relaxed)
    }

    /// Messages acknowledged so far.
    #[must_use]
    pub fn acked(&self) -> u64 {
        self.counts.acked.load(Ordering::Relaxed)
    }

    /// How often messages were sent again, with DUP, so far.
    #[must_use]
    pub fn sent_again(&self) -> u64 {
        self.counts.again.load(Ordering::Relaxed)
    }

    /// PUBACKs that carried an error of the gateway's own.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.counts.errors.load(Ordering::Relaxed)
    }

    /// Waits for the next acknowledgement; says how long it took.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn next_ack(&self, within: Duration) -> anyhow::Result<Duration> {
        let (began, before) = (Instant::now(), self.acked());
        while self.acked() == before {
            if began.elapsed() > within {
                bail!("no PUBACK within {within:?}");
            }
            sleep(NAP).await;
        }
        Ok(began.elapsed())
    }

    /// Publishes a last heartbeat of each device and waits until everything is acknowledged.
    ///
    /// # Errors
    /// When something is not acknowledged in time, or a device gave up.
    pub async fn finish(&mut self, within: Duration) -> anyhow::Result<()> {
        self.stop.cancel();
        let all = async {
            while let Some(task) = self.tasks.join_next().await {
                task.context("a device failed")??;
            }
            anyhow::Ok(())
        };
        let outcome = timeout(within, all).await;
        let owed = self.published() - self.acked();
        outcome.unwrap_or_else(|_| bail!("{owed} publishes not acknowledged within {within:?}"))
    }
}

/// Hands each message to its device when it is due.
struct Conductor {
    flows: Flows,
    queues: Vec<mpsc::Sender<Outgoing>>,
    began: Instant,
    clock: Clock,
}

impl Conductor {
    async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        while !stop.is_cancelled() {
            let Due {
                after,
                device,
                message,
            } = self.flows.next().context("a fleet never ends")?;
            let wait = after.saturating_sub(self.began.elapsed());
            if wait > NAP {
                tokio::select! {
                    () = sleep(wait) => {}
                    () = stop.cancelled() => break,
                }
            }
            self.queues[device]
                .try_send(message)
                .context("a device has more waiting than an outage explains")?;
        }
        let last = Outgoing::heartbeat(self.clock.now());
        for queue in &self.queues {
            queue.try_send(last.clone()).context("a device is gone")?;
        }
        Ok(())
    }
}

/// The last `event_id` in a payload, broken or not. Every message of the fleet begins with one.
pub(crate) fn last_event_id(payload: &[u8]) -> String {
    let text = String::from_utf8_lossy(payload);
    let (_, rest) = text.rsplit_once("\"event_id\":\"").unwrap_or_default();
    rest.split('"').next().unwrap_or_default().to_owned()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "some minutes in µs; `as` saturates"
)]
fn seconds(seconds: f64) -> Span {
    Span((seconds * 1e6) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_broken_message_is_found_behind_that_of_a_good_one() {
        let both = br#"[{"event_id":"a-1","x":1},{"event_id":"b-2","x":2000000.5}]"#;
        assert_eq!(last_event_id(both), "b-2");
        assert_eq!(last_event_id(br#"{"event_id":"c-3","trav"#), "c-3");
        assert_eq!(last_event_id(b"garbage"), "");
    }
}
