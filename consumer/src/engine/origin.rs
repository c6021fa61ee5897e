//! Makes sure that the log which is read is the one that the ledger was made from, and that no other ledger moves the group's
//! offsets, before an offset of one is used in the other.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use domain::fold::Fold;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::runtime::Handle;
use tracing::debug;

use super::rebalance::Rebalances;
use crate::store::checkpoint::RowStatement;
use crate::store::ledger::Ledger;
use crate::store::origin::{self, Origin};
use crate::store::pause::Pause;

/// How long Kafka may take to say which cluster it is, and what the group has committed.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How long Postgres may be away: a third of what the group protocol allows to an assignment, of which acquiring takes half.
const POSTGRES_PATIENCE: Duration = Duration::from_secs(10);

/// Compares Kafka's cluster with the one beside the ledger, and notes it there the first time. Blocking.
pub(super) fn check<F: Fold>(
    consumer: &BaseConsumer<Rebalances<F>>,
    ledger: &Ledger,
    handle: &Handle,
) -> anyhow::Result<Origin>
where
    F::Rows: RowStatement,
{
    let found = consumer
        .client()
        .fetch_cluster_id(ANSWER_WITHIN)
        .context("Kafka does not say which cluster it is")?;
    let origin = handle
        .block_on(noted(ledger, &found))
        .context("reading which Kafka the ledger belongs to")?;
    origin::check(Some(origin.cluster_id.clone()), &found)?;
    Ok(origin)
}

/// Looks who committed the group's offsets of a topic last: before joining, and while partitions are consumed, because two
/// ledgers whose consumers joined an empty group together found nobody's marks then. Blocking. Says whether Kafka answered.
pub(super) fn look_at_group<F: Fold>(
    consumer: &BaseConsumer<Rebalances<F>>,
    topic: &str,
    origin: &Origin,
    patience: Duration,
) -> anyhow::Result<bool>
where
    F::Rows: RowStatement,
{
    match committed(consumer, topic, patience) {
        Ok(committed) => check_marks(topic, origin, &committed).map(|()| true),
        Err(error) => {
            debug!(error = %error, "looking who commits in the group: {error:#}");
            Ok(false)
        }
    }
}

fn check_marks(topic: &str, origin: &Origin, committed: &TopicPartitionList) -> anyhow::Result<()> {
    for element in committed.elements() {
        origin.check_mark(topic, element.metadata())?;
    }
    Ok(())
}

/// What the group has committed of every partition of a topic, with the marks beside it.
fn committed<F: Fold>(
    consumer: &BaseConsumer<Rebalances<F>>,
    topic: &str,
    patience: Duration,
) -> anyhow::Result<TopicPartitionList>
where
    F::Rows: RowStatement,
{
    let metadata = consumer
        .fetch_metadata(Some(topic), patience)
        .with_context(|| format!("asking Kafka for the partitions of {topic}"))?;
    let mut partitions = TopicPartitionList::new();
    for partition in metadata
        .topics()
        .iter()
        .flat_map(|topic| topic.partitions())
    {
        partitions.add_partition(topic, partition.id());
    }
    consumer
        .committed_offsets(partitions, patience)
        .context("asking Kafka what the group has committed")
}

async fn noted(ledger: &Ledger, found: &str) -> sqlx::Result<Origin> {
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
