//! What the gateway does now and then: it says how it is doing, and makes sure that it still finds Kafka.

use std::sync::Arc;
use std::time::Duration;

use chassis::admin::Health;
use chassis::telemetry;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::gateway::PART;
use crate::producer::Producer;
use crate::shared::Shared;

/// How often the gateway looks at itself.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);
/// Share of the budget in use from which the gateway is not ready: Kafka is away, and new devices do better elsewhere.
const READY_RATIO_MAX: f64 = 0.8;
/// How many turns Kafka may keep records waiting before the gateway is not ready.
const UNREADY_AFTER: u32 = 5;
/// After how many such turns, and then again and again, it is asked whether Kafka answers others.
const ASK_AFTER: u32 = 30;

/// Tells health and metrics how the gateway is doing, and replaces a Kafka client that will not find Kafka again, until
/// `stop`.
pub(crate) async fn keep(
    shared: Arc<Shared>,
    health: Health,
    why: String,
    stop: CancellationToken,
) {
    let mut silence = Silence::default();
    let mut renewal = JoinSet::new();
    while next_turn(&stop).await {
        let ratio = shared.budget.used_ratio();
        shared.metrics.inflight_ratio.set(ratio);
        shared.metrics.produce_queue.set(shared.producer.queued());
        health.beat(PART);
        let turns = silence.turn(&shared.producer);
        if ratio >= READY_RATIO_MAX {
            health.set_ready(PART, false, "Kafka does not keep up: reading is paused");
        } else if turns >= UNREADY_AFTER {
            let why = format!(
                "Kafka has confirmed nothing for {UNREADY_AFTER} s: nothing is acknowledged meanwhile"
            );
            health.set_ready(PART, false, &why);
        } else {
            health.set_ready(PART, true, &why);
        }
        let is_long = turns > 0 && turns.is_multiple_of(ASK_AFTER);
        while renewal.try_join_next().is_some() {}
        if renewal.is_empty() && (is_long || shared.producer.is_cut_off()) {
            let shared = Arc::clone(&shared);
            renewal.spawn_blocking(move || renew(&shared));
        }
        // Without this, histograms would grow until somebody scrapes them.
        telemetry::metrics().run_upkeep();
    }
}

/// Replaces the client, unless it is just Kafka that is away; blocks.
fn renew(shared: &Shared) {
    let producer = &shared.producer;
    if !producer.is_cut_off() && !producer.does_kafka_answer() {
        return;
    }
    let queued = producer.queued();
    warn!("the Kafka client does not find Kafka again; a new one takes over its {queued} records");
    shared.metrics.clients_renewed.increment(1);
    if let Err(cause) = producer.renew() {
        warn!("renewing the Kafka client: {cause:#}");
    }
}

/// For how many turns Kafka has confirmed nothing although records wait.
#[derive(Debug, Default)]
struct Silence {
    confirmed: u64,
    turns: u32,
}

impl Silence {
    /// Takes in one more turn; says how many it has lasted. Ticks see to it that a quiet site has records too.
    fn turn(&mut self, producer: &Producer) -> u32 {
        let confirmed = producer.confirmed();
        if producer.queued() > 0 && confirmed == self.confirmed {
            self.turns += 1;
        } else {
            self.turns = 0;
        }
        self.confirmed = confirmed;
        self.turns
    }
}

/// Waits for the next turn; false once `stop` is cancelled.
async fn next_turn(stop: &CancellationToken) -> bool {
    tokio::select! {
        () = sleep(INTERVAL) => !stop.is_cancelled(),
        () = stop.cancelled() => false,
    }
}
