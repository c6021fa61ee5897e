//! An open-loop load of devices of its own: what they publish is due when it is due, whatever became of what went before.
//!
//! The simulator's fleet says what is published, duplicates, disorder and broken messages included. Event time runs faster than
//! the wall clock and stays at least a minute behind it, so that a heartbeat at the end closes every visit at once and nothing
//! has to wait for silence. Each load has sensors and travelers that no other load has.

mod device;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use chassis::clock::Clock;
use domain::time::{Micros, Span};
use jiff::tz::TimeZone;
use simulator::demand::{Demand, Profile};
use simulator::disturb::Shares;
use simulator::fleet::{Fleet, FleetConfig, Limit};
use simulator::message::{Content, Message};
use simulator::plan::{Plan, Scenario};
use simulator::world::Opening;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::ledger::{What, Writer};
use device::{Device, Outgoing};

/// What to publish.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// Events a second, all devices together.
    pub rate: f64,
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

/// What the field does to the messages, by the promise.
const SHARES: Shares = Shares {
    late_percent: 0.0,
    out_of_order_percent: 10.0,
    duplicate_percent: 10.0,
    invalid_percent: 0.5,
};
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
    /// PUBACKs with an error code that is not the refusal of a payload.
    pub errors: AtomicU64,
}

/// A running load.
#[derive(Debug)]
pub struct Load {
    /// Names of its devices, by index.
    pub devices: Vec<String>,
    /// When its first event happened.
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
        let fleet = Fleet::new(fleet(plan, speed, start));
        let counts = Arc::new(Counts::default());
        let mut tasks = JoinSet::new();
        let devices: Vec<String> = fleet
            .plan()
            .sensors
            .iter()
            .map(|sensor| sensor.id.clone())
            .collect();
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
            fleet,
            queues,
            speed,
            start,
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

fn fleet(plan: &LoadPlan, speed: f64, start: Micros) -> FleetConfig {
    let scenario = Scenario::Crossing;
    FleetConfig {
        scenario,
        plan: tagged(scenario.plan(Some(plan.devices)), &plan.tag),
        demand: Demand {
            profile: Profile::Busy,
            people: plan.rate / speed / scenario.samples_per_person_second(),
            tz: TimeZone::UTC,
        },
        opening: Opening::Full,
        shares: SHARES,
        seed: plan.seed,
        start,
        limit: Limit::None,
    }
}

fn tagged(mut plan: Plan, tag: &str) -> Plan {
    for sensor in &mut plan.sensors {
        sensor.id = format!("{tag}-{}", sensor.id);
    }
    plan
}

/// Hands each message to its device when it is due.
struct Conductor {
    fleet: Fleet,
    queues: Vec<mpsc::Sender<Outgoing>>,
    speed: f64,
    start: Micros,
    began: Instant,
    clock: Clock,
}

impl Conductor {
    async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        while !stop.is_cancelled() {
            let message = self.fleet.next().context("the fleet never ends")?;
            let due = (message.send_at - self.start).as_secs_f64() / self.speed;
            let wait = Duration::from_secs_f64(due.max(0.0)).saturating_sub(self.began.elapsed());
            if wait > NAP {
                tokio::select! {
                    () = sleep(wait) => {}
                    () = stop.cancelled() => break,
                }
            }
            let what = self.what(&message);
            let queue = &self.queues[usize::from(message.sensor)];
            queue
                .try_send(Outgoing {
                    kind: message.kind,
                    payload: message.payload,
                    what,
                })
                .context("a device has more waiting than an outage explains")?;
        }
        let last = Outgoing::heartbeat(self.clock.now());
        for queue in &self.queues {
            queue.try_send(last.clone()).context("a device is gone")?;
        }
        Ok(())
    }

    fn what(&self, message: &Message) -> What {
        let position = |event| self.fleet.sample(event).into();
        let event_id = || last_event_id(&message.payload);
        match &message.content {
            Content::Event(event) => What::Position(position(event)),
            Content::Duplicate(_) => What::Duplicate {
                event_id: event_id(),
            },
            Content::Invalid { beside, .. } => What::Invalid {
                event_id: event_id(),
                beside: beside.as_ref().map(position),
            },
            Content::Status => What::Status,
        }
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
