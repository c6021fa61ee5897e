//! Makes sure that the log which is read is the one that the ledger was made from, before an offset of one is used in the other.

use std::time::Duration;

use anyhow::Context as _;
use rdkafka::ClientContext;
use rdkafka::client::Client;
use tokio::runtime::Handle;

use crate::store::ledger::Ledger;
use crate::store::origin;

/// How long Kafka may take to say which cluster it is.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

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
        .block_on(origin::note(&ledger.pool, &found))
        .context("reading which Kafka the ledger belongs to")?;
    origin::check(noted, &found)?;
    Ok(())
}
