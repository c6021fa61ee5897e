//! Partitions come and go: what the group tells a member, and what the member does about it.
//!
//! The ledger's offset goes into the assignment before it is made, the partitions are paused until their states are
//! there, and a partition that is taken away is checkpointed before it is given up. Nothing ever seeks.

use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chassis::lifeline::Lifeline;
use domain::fold::Fold;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, Statistics, TopicPartitionList};
use tracing::debug;

use super::origin;
use super::owner::Owner;
use super::slot::Slot;
use super::stop::LogRange;
use crate::store::checkpoint::RowStatement;
use crate::store::ledger::Acquired;
use crate::store::origin::Origin;

/// How long the callback waits for the ledger; half of what the group protocol allows.
const ACQUIRE_PATIENCE: Duration = Duration::from_secs(15);
const KAFKA_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a look at a log may take before it is given up for now.
pub(super) const LOOK_PATIENCE: Duration = Duration::from_secs(1);

/// Receives the group's rebalances.
pub(crate) struct Rebalances<F: Fold> {
    pub(crate) topic: String,
    lifeline: Lifeline,
    owner: Mutex<Owner<F>>,
    /// What stands beside every offset that is committed: which ledger it is of.
    mark: OnceLock<String>,
}

impl<F: Fold> Rebalances<F> {
    pub(crate) fn new(topic: String, owner: Owner<F>) -> Self {
        Self {
            topic,
            lifeline: Lifeline::default(),
            owner: Mutex::new(owner),
            mark: OnceLock::new(),
        }
    }

    /// Takes note of the ledger, before anything is committed.
    pub(crate) fn belong_to(&self, origin: &Origin) {
        self.mark.get_or_init(|| origin.mark());
    }

    /// The positions as the client wants them, marked as ours.
    pub(crate) fn offsets(&self, offsets: &[(i32, i64)]) -> anyhow::Result<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (partition, offset) in offsets {
            let mut element = list.add_partition(&self.topic, *partition);
            element.set_offset(Offset::Offset(*offset))?;
            element.set_metadata(self.mark.get().map_or("", String::as_str));
        }
        Ok(list)
    }

    /// Whether the client will not find Kafka again by itself.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.lifeline.is_cut()
    }

    /// Whether the group has been silent for long; see [`Lifeline::take_silence`].
    pub(crate) fn take_silence(&self) -> bool {
        self.lifeline.take_silence()
    }

    pub(crate) fn owner(&self) -> MutexGuard<'_, Owner<F>> {
        self.owner
            .lock()
            .expect("no holder of this lock panics: folds are caught")
    }
}

/// Asks Kafka what the logs of some partitions hold. Kafka may be away: whoever then fetches outside of a log hears of it.
pub(super) fn look_at_log<F: Fold>(
    consumer: &BaseConsumer<Rebalances<F>>,
    owner: &mut Owner<F>,
    topic: &str,
    partitions: &[i32],
) where
    F::Rows: RowStatement,
{
    for partition in partitions {
        match consumer.fetch_watermarks(topic, *partition, LOOK_PATIENCE) {
            Ok((begin, end)) => owner.saw_log(*partition, LogRange { begin, end }),
            Err(error) => {
                debug!(error = %error, "reading the watermarks of {topic} {partition}: {error}");
                return;
            }
        }
    }
}

/// Where the client is to fetch from: the record before the ledger's offset comes first, to see whether the log is the one that was
/// folded. Nothing of a partition that is stopped is folded, and where it would go on may be outside of its
/// log: the client may ask for that before it is paused, and would then say that a position is outside of some log.
fn position<F: Fold>(owner: &Owner<F>, entry: &Acquired) -> Offset {
    let log = owner.log.get(&entry.partition).copied();
    match owner.slots.get(&entry.partition) {
        Some(Slot::Stopped { .. }) => Offset::End,
        _ => Offset::Offset(
            entry
                .witness()
                .map_or(entry.next_offset, |witness| witness.position(log)),
        ),
    }
}

fn partitions_of(list: &TopicPartitionList) -> Vec<i32> {
    list.elements()
        .iter()
        .map(rdkafka::topic_partition_list::TopicPartitionListElem::partition)
        .collect()
}

impl<F: Fold> ClientContext for Rebalances<F>
where
    F::Rows: RowStatement,
{
    fn stats(&self, statistics: Statistics) {
        self.lifeline.observe(&statistics);
        let partitions = statistics.topics.get(&self.topic);
        let mut owner = self.owner();
        for (id, seen) in partitions.into_iter().flat_map(|topic| &topic.partitions) {
            let shown = LogRange {
                begin: seen.lo_offset,
                end: seen.hi_offset,
            };
            owner.saw_progress(*id, shown);
        }
    }
}

impl<F: Fold> ConsumerContext for Rebalances<F>
where
    F::Rows: RowStatement,
{
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let incremental = matches!(
            consumer.rebalance_protocol(),
            RebalanceProtocol::Cooperative
        );
        let outcome = match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                self.assign(consumer, list, incremental)
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => {
                self.revoke(consumer, list, incremental)
            }
            other => Err(anyhow::anyhow!("rebalance: {other:?}")),
        };
        if let Err(cause) = outcome {
            self.owner().fail(format!("{cause:#}"));
        }
    }
}

impl<F: Fold> Rebalances<F>
where
    F::Rows: RowStatement,
{
    /// An empty assignment must be answered too, or the group waits.
    fn assign(
        &self,
        consumer: &BaseConsumer<Self>,
        list: &mut TopicPartitionList,
        incremental: bool,
    ) -> anyhow::Result<()> {
        let partitions = partitions_of(list);
        let acquired = if partitions.is_empty() {
            Ok(())
        } else {
            self.acquire(consumer, list, &partitions)
        };
        self.owner().watch.joined = true;
        let assigned = if incremental {
            consumer.incremental_assign(list)
        } else {
            consumer.assign(list)
        };
        assigned.context("assigning")?;
        if !partitions.is_empty() {
            consumer
                .pause(list)
                .context("pausing until the states are there")?;
        }
        acquired
    }

    /// Puts the ledger's offsets into the assignment.
    fn acquire(
        &self,
        consumer: &BaseConsumer<Self>,
        list: &mut TopicPartitionList,
        partitions: &[i32],
    ) -> anyhow::Result<()> {
        let since = Instant::now();
        let mut owner = self.owner();
        // Here too: another Kafka may have come up at the same address under a living client.
        origin::check(consumer, &owner.shared.ledger, &owner.shared.handle)?;
        let mut acquired = owner
            .acquire(partitions, since, ACQUIRE_PATIENCE)
            .context("acquiring partitions")?;
        let unknown: Vec<i32> = partitions
            .iter()
            .copied()
            .filter(|id| acquired.iter().all(|entry| entry.partition != *id))
            .collect();
        if !unknown.is_empty() {
            // Never consumed before: it begins at the oldest record that Kafka still has.
            let mut oldest = Vec::new();
            for partition in &unknown {
                let (low, _) = consumer.fetch_watermarks(&self.topic, *partition, KAFKA_TIMEOUT)?;
                oldest.push((*partition, low));
            }
            owner
                .shared
                .handle
                .block_on(owner.shared.ledger.ensure::<F>(&oldest))
                .context("entering partitions")?;
            acquired.extend(
                owner
                    .acquire(&unknown, since, ACQUIRE_PATIENCE)
                    .context("acquiring partitions")?,
            );
        }
        look_at_log(consumer, &mut owner, &self.topic, partitions);
        for mut element in list.elements() {
            let entry = acquired
                .iter()
                .find(|entry| entry.partition == element.partition())
                .with_context(|| {
                    format!("partition {} is not in the ledger", element.partition())
                })?;
            element.set_offset(position(&owner, entry))?;
        }
        Ok(())
    }

    fn revoke(
        &self,
        consumer: &BaseConsumer<Self>,
        list: &TopicPartitionList,
        incremental: bool,
    ) -> anyhow::Result<()> {
        let partitions = partitions_of(list);
        if consumer.assignment_lost() {
            self.owner().forget(&partitions);
        } else if !partitions.is_empty() {
            let saved = self.owner().release(&partitions);
            if !saved.is_empty()
                && let Err(error) = consumer.commit(&self.offsets(&saved)?, CommitMode::Sync)
            {
                debug!(error = %error, "committing: {error}");
            }
        }
        let unassigned = if incremental {
            consumer.incremental_unassign(list)
        } else {
            consumer.unassign()
        };
        unassigned.context("unassigning")
    }
}
