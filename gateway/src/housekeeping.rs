//! What the gateway does now and then: it says how it is doing, and makes sure that it still finds Kafka.

use std::sync::Arc;
use std::time::Duration;

use chassis::admin::Health;
use chassis::telemetry;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::gateway::PART;
use crate::shared::Shared;

/// How often the gateway looks at itself.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);
/// Share of the budget in use from which the gateway is not ready: Kafka is away, and new devices do better elsewhere.
const READY_RATIO_MAX: f64 = 0.8;
/// How many turns Kafka may keep records waiting before the gateway is not ready.
const SILENT_TURNS: u32 = 5;

/// Tells health and metrics how the gateway is doing, until `stop`.
pub(crate) async fn report(
    shared: Arc<Shared>,
    health: Health,
    why: String,
    stop: CancellationToken,
) {
    let mut silence = Silence::default();
    while next_turn(&stop).await {
        let ratio = shared.budget.used_ratio();
        shared.metrics.inflight_ratio.set(ratio);
        let queued = shared.producer.queued();
        shared.metrics.produce_queue.set(queued);
        health.beat(PART);
        let is_silent = silence.lasts(queued > 0, shared.producer.confirmed());
        if ratio >= READY_RATIO_MAX {
            health.set_ready(PART, false, "Kafka does not keep up: reading is paused");
        } else if is_silent {
            let why = format!(
                "Kafka has confirmed nothing for {SILENT_TURNS} s: nothing is acknowledged meanwhile"
            );
            health.set_ready(PART, false, &why);
        } else {
            health.set_ready(PART, true, &why);
        }
        // Without this, histograms would grow until somebody scrapes them.
        telemetry::metrics().run_upkeep();
    }
}

/// Replaces a Kafka client that will not find Kafka again, until `stop`.
pub(crate) async fn stay_connected(shared: Arc<Shared>, stop: CancellationToken) {
    while next_turn(&stop).await {
        if !shared.producer.is_cut_off() {
            continue;
        }
        let queued = shared.producer.queued();
        warn!("the Kafka client has lost every address; a new one takes over its {queued} records");
        let renewing = Arc::clone(&shared);
        let renewed = tokio::task::spawn_blocking(move || renewing.producer.renew()).await;
        match renewed.map_err(anyhow::Error::from).flatten() {
            Ok(()) => info!("a new Kafka client has taken over"),
            Err(cause) => warn!("renewing the Kafka client: {cause:#}"),
        }
        shared.metrics.clients_renewed.increment(1);
    }
}

/// For how many turns Kafka has confirmed nothing although records wait.
#[derive(Debug, Default)]
struct Silence {
    confirmed: u64,
    turns: u32,
}

impl Silence {
    /// Takes in one more turn; says whether it has lasted too long. Ticks see to it that a quiet site has records too.
    fn lasts(&mut self, is_waiting: bool, confirmed: u64) -> bool {
        if is_waiting && confirmed == self.confirmed {
            self.turns += 1;
        } else {
            self.turns = 0;
        }
        self.confirmed = confirmed;
        self.turns >= SILENT_TURNS
    }
}

/// Waits for the next turn; false once `stop` is cancelled.
async fn next_turn(stop: &CancellationToken) -> bool {
    tokio::select! {
        () = sleep(INTERVAL) => !stop.is_cancelled(),
        () = stop.cancelled() => false,
    }
}
