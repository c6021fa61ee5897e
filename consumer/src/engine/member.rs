//! One member of the consumer group: one OS thread, one Kafka client, one loop.
//!
//! Partitions change hands inside the rebalance callback, which the client calls on this thread from within `poll`: the
//! ledger's offset goes into the assignment before it is made, the partitions are paused until their states are there,
//! and a partition that is taken away is checkpointed before it is given up. Nothing ever seeks.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chassis::admin::Health;
use domain::fold::{Fold, Outcome};
use domain::time::Micros;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, ClientContext, Message, Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::owner::{Orders, Owner, Polled, Shared};
use crate::store::checkpoint::RowStatement;

/// At most this many records a turn, so that flushes and checkpoints are never starved.
const RECORDS_A_TURN: usize = 2_000;
/// How long a turn waits for the first record.
const POLL: Duration = Duration::from_millis(10);
/// How long the callback waits for the ledger; half of what the group protocol allows.
const ACQUIRE_PATIENCE: Duration = Duration::from_secs(15);
/// A group that has something for a new member has told it by then.
const ASSIGNED_WITHIN: Duration = Duration::from_secs(8);
const KAFKA_TIMEOUT: Duration = Duration::from_secs(10);

/// What a member needs to run.
pub(crate) struct Member<F: Fold> {
    pub(crate) shared: Arc<Shared<F>>,
    pub(crate) kafka: ClientConfig,
    pub(crate) worker: usize,
    pub(crate) health: Health,
    pub(crate) stats_interval: Duration,
    pub(crate) shutdown: CancellationToken,
}

/// Receives the group's rebalances.
struct Rebalances<F: Fold> {
    topic: String,
    owner: Mutex<Owner<F>>,
}

impl<F: Fold> Rebalances<F> {
    fn owner(&self) -> MutexGuard<'_, Owner<F>> {
        self.owner
            .lock()
            .expect("no holder of this lock panics: folds are caught")
    }
}

impl<F: Fold> Member<F>
where
    F::Rows: RowStatement,
{
    fn name(&self) -> String {
        format!("{}-{}", F::NAME, self.worker)
    }

    /// Consumes until shutdown; comes back to the group after a failure.
    pub(crate) fn run(self) {
        let mut pause = Duration::from_millis(200);
        while !self.shutdown.is_cancelled() {
            let started = Instant::now();
            if let Err(cause) = self.consume() {
                warn!(error = %cause, "{}: {cause:#}; joining again", self.name());
                self.health
                    .set_ready(&self.name(), false, &format!("{cause:#}"));
            }
            if started.elapsed() > Duration::from_secs(60) {
                pause = Duration::from_millis(200);
            }
            self.shared.handle.block_on(async {
                tokio::select! {
                    () = self.shutdown.cancelled() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            });
            pause = (pause * 2).min(Duration::from_secs(5));
        }
        self.health.remove(&self.name());
    }

    /// One membership, from joining to leaving.
    fn consume(&self) -> anyhow::Result<()> {
        let owner = Owner::new(Arc::clone(&self.shared), self.worker);
        let topic = self.shared.ledger.topic.clone();
        let context = Rebalances {
            topic: topic.clone(),
            owner: Mutex::new(owner),
        };
        let consumer: BaseConsumer<Rebalances<F>> = self
            .kafka
            .create_with_context(context)
            .context("creating the Kafka consumer")?;
        consumer
            .subscribe(&[&topic])
            .with_context(|| format!("subscribing to {topic}"))?;
        let joined = Instant::now();
        let mut report_due = joined + self.stats_interval;
        loop {
            if self.shutdown.is_cancelled() {
                // Dropping the client revokes its partitions, and the callback brings them to the ledger.
                return Ok(());
            }
            poll(&consumer)?;
            let mut owner = consumer.context().owner();
            owner.turn();
            let orders = std::mem::take(&mut owner.orders);
            if let Some(why) = owner.failure.take() {
                drop(owner);
                anyhow::bail!(why);
            }
            self.health.beat(&self.name());
            // A member without partitions gets no assignment at all: it waits for its turn, and that is being ready.
            if owner.watch.joined || joined.elapsed() > ASSIGNED_WITHIN {
                self.health.set_ready(&self.name(), true, "consuming");
            }
            if Instant::now() >= report_due {
                report_due = Instant::now() + self.stats_interval;
                self.report(&mut owner);
            }
            drop(owner);
            carry_out(&consumer, &topic, &orders)?;
        }
    }

    /// Throughput and mix since the last report, as a log line.
    fn report(&self, owner: &mut Owner<F>) {
        let assigned = owner.saved_offsets().len();
        let outcomes = owner.watch.report(assigned);
        let of = |wanted: Outcome| {
            outcomes
                .iter()
                .find(|(outcome, _)| *outcome == wanted)
                .map_or(0, |(_, records)| *records)
        };
        let total: u64 = outcomes.iter().map(|(_, records)| records).sum();
        if total == 0 {
            return;
        }
        info!(
            fold.name = F::NAME,
            fold.records = total,
            "{}: {total} records in {:?}: {} applied, {} duplicate, {} late, {} partitions",
            self.name(),
            self.stats_interval,
            of(Outcome::Applied),
            of(Outcome::Duplicate),
            of(Outcome::Late),
            assigned
        );
    }
}

/// Folds what is there, at most [`RECORDS_A_TURN`].
fn poll<F: Fold>(consumer: &BaseConsumer<Rebalances<F>>) -> anyhow::Result<()>
where
    F::Rows: RowStatement,
{
    let mut wait = POLL;
    for _ in 0..RECORDS_A_TURN {
        match consumer.poll(wait) {
            None => return Ok(()),
            Some(Ok(message)) => consumer.context().owner().record(polled(&message)),
            Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset))) => {
                latch_lost_offsets(consumer)?;
            }
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => {
                return Err(error).context("consuming");
            }
            // The broker is away, or the like: the client mends it.
            Some(Err(error)) => debug!(error = %error, "consuming: {error}"),
        }
        wait = Duration::ZERO;
    }
    Ok(())
}

fn polled<'a>(message: &'a BorrowedMessage<'_>) -> Polled<'a> {
    Polled {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key(),
        value: message.payload().unwrap_or_default(),
        timestamp: Micros(
            message
                .timestamp()
                .to_millis()
                .unwrap_or(0)
                .saturating_mul(1000),
        ),
    }
}

/// The client said once, without a partition, that a position is outside of the log: finds out which, and stops it.
fn latch_lost_offsets<F: Fold>(consumer: &BaseConsumer<Rebalances<F>>) -> anyhow::Result<()>
where
    F::Rows: RowStatement,
{
    let topic = consumer.context().topic.clone();
    let offsets = consumer.context().owner().saved_offsets();
    for (partition, saved) in offsets {
        let (oldest, next) = consumer
            .fetch_watermarks(&topic, partition, KAFKA_TIMEOUT)
            .with_context(|| format!("reading the watermarks of {topic} {partition}"))?;
        if !(oldest..=next).contains(&saved) {
            let why = format!(
                "the ledger is at offset {saved}, Kafka holds {oldest} to {next}: records between them were removed \
                 before they were folded. Set ledger.next_offset to {oldest} to go on without them, or restore the topic"
            );
            consumer.context().owner().stop(partition, &why);
        }
    }
    Ok(())
}

/// Does with the client what the owner decided.
fn carry_out<F: Fold>(
    consumer: &BaseConsumer<Rebalances<F>>,
    topic: &str,
    orders: &Orders,
) -> anyhow::Result<()>
where
    F::Rows: RowStatement,
{
    let list = |partitions: &[i32]| {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition(topic, *partition);
        }
        list
    };
    if !orders.pause.is_empty() {
        consumer.pause(&list(&orders.pause)).context("pausing")?;
    }
    if !orders.resume.is_empty() {
        consumer.resume(&list(&orders.resume)).context("resuming")?;
    }
    if !orders.commit.is_empty()
        && let Err(error) = consumer.commit(&offsets(topic, &orders.commit)?, CommitMode::Async)
    {
        // Only lag tools look at it.
        debug!(error = %error, "committing: {error}");
    }
    Ok(())
}

fn offsets(topic: &str, offsets: &[(i32, i64)]) -> anyhow::Result<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for (partition, offset) in offsets {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    Ok(list)
}

fn partitions_of(list: &TopicPartitionList) -> Vec<i32> {
    list.elements()
        .iter()
        .map(rdkafka::topic_partition_list::TopicPartitionListElem::partition)
        .collect()
}

impl<F: Fold> ClientContext for Rebalances<F> where F::Rows: RowStatement {}

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
        let mut owner = self.owner();
        let mut acquired = owner
            .acquire(partitions, ACQUIRE_PATIENCE)
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
                    .acquire(&unknown, ACQUIRE_PATIENCE)
                    .context("acquiring partitions")?,
            );
        }
        for mut element in list.elements() {
            let entry = acquired
                .iter()
                .find(|entry| entry.partition == element.partition())
                .with_context(|| {
                    format!("partition {} is not in the ledger", element.partition())
                })?;
            element.set_offset(Offset::Offset(entry.next_offset))?;
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
                && let Err(error) =
                    consumer.commit(&offsets(&self.topic, &saved)?, CommitMode::Sync)
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
