//! Makes sure that the log which is read is the one that the ledger was made from, before an offset of one is used in the other.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use rdkafka::ClientContext;
use rdkafka::client::Client;
use tokio::runtime::Handle;

use crate::store::ledger::Ledger;
use crate::store::origin;
use crate::store::pause::Pause;

/// How long Kafka may take to say which cluster it is.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How long Postgres may be away: a third of what the group protocol allows to an assignment, of which acquiring takes half.
const POSTGRES_PATIENCE: Duration = Duration::from_secs(10);

/// Compares Kafka's cluster with the one beside the ledger, and notes it there the first time. Blocking.
pub(super) fn check<C: ClientContext>(
    client: &Client<C>,
    ledger: &Ledger,
    handle: &Handle,
) -> anyhow::Result<()> {
    let found = client
        .fetch_cluster_id(ANSWER_WITHIN)
        .context("Kafka does not say which cluster it is")?;
    let noted = handle
        .block_on(noted(ledger, &found))
        .context("reading which Kafka the ledger belongs to")?;
    origin::check(noted, &found)?;
    Ok(())
}

async fn noted(ledger: &Ledger, found: &str) -> sqlx::Result<Option<String>> {
    let started = Instant::now();
    let mut pause = Pause::default();
    loop {
        match origin::note(&ledger.pool, found).await {
            Err(error) if started.elapsed() < POSTGRES_PATIENCE => {
                pause
                    .wait(&error, "reading which Kafka the ledger belongs to")
                    .await;
            }
            outcome => return outcome,
        }
    }
}
