//! The admin server of a process: `/healthz`, `/readyz`, `/metrics`.
//!
//! Health is internal progress only: a part that stands still fails it. A dependency that is away never does, because
//! restarting every process at once heals nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use clap::Args;
use metrics::{describe_gauge, gauge};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info};

use crate::{address, port, telemetry};

/// Where the admin server listens.
#[derive(Args, Clone, Debug)]
pub struct AdminArgs {
    /// Address of /healthz, /readyz and /metrics; port 0 takes any free one, `off` serves none
    #[arg(
        long,
        env = "FOOTFALL_ADMIN_BIND",
        default_value = "off",
        value_name = "ADDRESS"
    )]
    pub admin_bind: AdminBind,
}

/// Where the admin server listens, if it does. The command gives each role a default of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminBind {
    /// Nowhere.
    Off,
    /// At this address.
    At(SocketAddr),
}

impl FromStr for AdminBind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let address = address::listen(text);
        address
            .map(Self::At)
            .map_err(|expected| format!("{expected}, or off"))
    }
}

/// Tasks of the process's runtime that are not finished. One that leaks with every connection or request shows here.
pub const TASKS: &str = "footfall_tasks";

/// How long a part may stand still before `/healthz` fails.
const STALL: Duration = Duration::from_secs(60);

/// What a process says about itself. Cheap to clone; every part reports through its own name.
#[derive(Clone, Debug, Default)]
pub struct Health {
    parts: Arc<Mutex<BTreeMap<String, Part>>>,
}

#[derive(Clone, Debug)]
struct Part {
    /// `None`: it never spoke of readiness, it only beats.
    ready: Option<bool>,
    why: String,
    beat: Option<Instant>,
}

impl Health {
    /// A process of which nothing is known yet: alive and not ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that `part` is ready to do its work, or why it is not.
    pub fn set_ready(&self, part: &str, ready: bool, why: &str) {
        self.update(part, |entry| {
            entry.ready = Some(ready);
            why.clone_into(&mut entry.why);
        });
    }

    /// Says that the loop of `part` turned. A part that ever did must do so again within a minute.
    pub fn beat(&self, part: &str) {
        self.update(part, |entry| entry.beat = Some(Instant::now()));
    }

    /// Forgets `part`: it ended in good order.
    pub fn remove(&self, part: &str) {
        self.parts
            .lock()
            .expect("no holder of this lock panics")
            .remove(part);
    }

    fn update(&self, part: &str, change: impl FnOnce(&mut Part)) {
        let mut parts = self.parts.lock().expect("no holder of this lock panics");
        if let Some(entry) = parts.get_mut(part) {
            change(entry);
        } else {
            let mut entry = Part {
                ready: None,
                why: "starting".to_owned(),
                beat: None,
            };
            change(&mut entry);
            parts.insert(part.to_owned(), entry);
        }
    }

    /// Whether every part that beats did so lately, and one line a part.
    #[must_use]
    pub fn live(&self) -> (bool, String) {
        self.report(|part| {
            let ago = part.beat?.elapsed();
            Some((ago < STALL, format!("turned {} s ago", ago.as_secs())))
        })
    }

    /// Whether every part that speaks of readiness is ready, and one line a part. Nobody speaking is not ready.
    #[must_use]
    pub fn ready(&self) -> (bool, String) {
        let (all, lines) = self.report(|part| Some((part.ready?, part.why.clone())));
        (all && !lines.is_empty(), lines)
    }

    /// Asks every part; one that has no answer does not count.
    fn report(&self, ask: impl Fn(&Part) -> Option<(bool, String)>) -> (bool, String) {
        let parts = self.parts.lock().expect("no holder of this lock panics");
        let mut all = true;
        let mut lines = String::new();
        for (name, part) in parts.iter() {
            if let Some((good, why)) = ask(part) {
                all &= good;
                lines.push_str(&format!(
                    "{} {name}: {why}\n",
                    if good { "ok  " } else { "FAIL" }
                ));
            }
        }
        (all, lines)
    }
}

/// Starts the admin server in `tracker` and says where it listens; `None` when it is off.
///
/// # Errors
/// A sentence when the address cannot be bound.
pub async fn serve(
    args: &AdminArgs,
    health: Health,
    tracker: &TaskTracker,
    shutdown: CancellationToken,
) -> anyhow::Result<Option<SocketAddr>> {
    let metrics = telemetry::metrics();
    describe_gauge!(TASKS, "Tasks of the runtime that are not finished");
    let AdminBind::At(address) = args.admin_bind else {
        return Ok(None);
    };
    let listener = port::listen(address, "health and metrics", "--admin-bind")?;
    let bound = listener.local_addr()?;
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route(
            "/metrics",
            get(move || async move {
                metrics.run_upkeep();
                count_tasks();
                (
                    [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
                    metrics.render(),
                )
            }),
        )
        .with_state(health);
    info!(net.address = %bound, "admin server on http://{bound}");
    tracker.spawn(async move {
        let served = axum::serve(listener, router)
            .with_graceful_shutdown(shutdown.cancelled_owned())
            .await;
        if let Err(cause) = served {
            error!(error = %cause, "the admin server ended: {cause}");
        }
    });
    Ok(Some(bound))
}

#[expect(clippy::cast_precision_loss, reason = "tasks of one process")]
fn count_tasks() {
    let alive = Handle::current().metrics().num_alive_tasks();
    gauge!(TASKS).set(alive as f64);
}

async fn healthz(State(health): State<Health>) -> impl IntoResponse {
    answer(health.live())
}

async fn readyz(State(health): State<Health>) -> impl IntoResponse {
    answer(health.ready())
}

fn answer((good, lines): (bool, String)) -> impl IntoResponse {
    (
        if good {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        },
        lines,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_admin_server_can_be_off_or_at_a_port() {
        assert_eq!("off".parse(), Ok(AdminBind::Off));
        let at = AdminBind::At(SocketAddr::from(([127, 0, 0, 1], 9101)));
        assert_eq!("9101".parse(), Ok(at));
        assert!("on".parse::<AdminBind>().unwrap_err().ends_with(", or off"));
    }

    #[test]
    fn a_process_is_ready_when_every_part_says_so() {
        let health = Health::new();
        assert!(!health.ready().0, "nothing is known yet");
        health.set_ready("kafka", true, "partitions known");
        health.set_ready("listener", false, "draining");
        assert!(!health.ready().0);
        health.set_ready("listener", true, "listening");
        health.beat("catalog");
        assert!(health.ready().0);
        assert!(health.live().0);
    }
}
