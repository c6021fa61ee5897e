//! One member of the consumer group: one OS thread, one Kafka client, one loop.
//!
//! Partitions change hands inside the rebalance callback ([`super::rebalance`]), which the client calls on this thread from
//! within `poll`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chassis::admin::Health;
use chassis::kafka::KafkaArgs;
use chassis::lifeline;
use domain::fold::{Fold, Outcome};
use domain::time::Micros;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{ClientConfig, Message, TopicPartitionList};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::coordinator::Coordinator;
use super::orders::Orders;
use super::origin;
use super::owner::{Owner, Polled, Shared};
use super::rebalance::{LOOK_PATIENCE, Rebalances, look_at_log};
use super::slot::standstill;
use super::stop::Stop;
use crate::store::checkpoint::RowStatement;
use crate::store::origin::Origin;
use crate::store::report;

/// At most this many records a turn, so that flushes and checkpoints are never starved.
const RECORDS_A_TURN: usize = 2_000;
/// How long a turn waits for the first record.
const POLL: Duration = Duration::from_millis(10);
/// A group that has something for a new member has told it by then.
const ASSIGNED_WITHIN: Duration = Duration::from_secs(8);
/// How often Kafka is asked for the ends of logs that are not fetched.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// How often it is asked who else commits in the group.
const GROUP_INTERVAL: Duration = Duration::from_secs(10);

/// What a member needs to run.
pub(crate) struct Member<F: Fold> {
    pub(crate) shared: Arc<Shared<F>>,
    pub(crate) kafka: ClientConfig,
    pub(crate) kafka_args: KafkaArgs,
    pub(crate) worker: usize,
    pub(crate) health: Health,
    pub(crate) stats_interval: Duration,
    pub(crate) shutdown: CancellationToken,
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
        let mut said = String::new();
        let mut coordinator = Coordinator::new(F::NAME);
        while !self.shutdown.is_cancelled() {
            let started = Instant::now();
            let outcome = self.consume(&mut coordinator);
            if started.elapsed() > Duration::from_secs(60) {
                pause = Duration::from_millis(200);
                said.clear();
            }
            if let Err(cause) = outcome {
                let why = format!("{cause:#}");
                self.health.set_ready(&self.name(), false, &why);
                // What only a person can mend is said once, not every few seconds.
                if why != said {
                    warn!(error = %cause, "{}: {why}; joining again", self.name());
                    said = why;
                }
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
    fn consume(&self, coordinator: &mut Coordinator) -> anyhow::Result<()> {
        let owner = Owner::new(Arc::clone(&self.shared), self.worker);
        let topic = self.shared.ledger.topic.clone();
        let context = Rebalances::new(topic.clone(), owner);
        let consumer: BaseConsumer<Rebalances<F>> = self
            .kafka
            .create_with_context(context)
            .context("creating the Kafka consumer")?;
        let origin = self.origin(&consumer, coordinator);
        self.tell_origin(&consumer, &origin);
        let origin = origin?;
        consumer.context().belong_to(&origin);
        consumer
            .subscribe(&[&topic])
            .with_context(|| format!("subscribing to {topic}"))?;
        let joined = Instant::now();
        let mut report_due = joined + self.stats_interval;
        let mut look_due = joined + LOOK_INTERVAL;
        let mut group_due = joined + GROUP_INTERVAL;
        loop {
            if self.shutdown.is_cancelled() {
                // Dropping the client revokes its partitions, and the callback brings them to the ledger.
                return Ok(());
            }
            poll(&consumer)?;
            if self.has_lost_kafka(consumer.context()) {
                abandon(consumer);
                anyhow::bail!("the Kafka client does not find Kafka again");
            }
            let mut owner = consumer.context().owner();
            owner.turn();
            let orders = std::mem::take(&mut owner.orders);
            if let Some(why) = owner.failure.take() {
                drop(owner);
                anyhow::bail!(why);
            }
            self.health.beat(&self.name());
            if let Some(why) = standstill(&owner.slots) {
                self.health.set_ready(&self.name(), false, &why);
            // A member without partitions gets no assignment at all: it waits for its turn, and that is being ready.
            } else if owner.watch.joined || joined.elapsed() > ASSIGNED_WITHIN {
                self.health.set_ready(&self.name(), true, "consuming");
            }
            if Instant::now() >= report_due {
                report_due = Instant::now() + self.stats_interval;
                self.report(&mut owner);
            }
            if Instant::now() >= look_due {
                look_due = Instant::now() + LOOK_INTERVAL;
                let unseen = owner.unseen();
                look_at_log(&consumer, &mut owner, &topic, &unseen);
            }
            drop(owner);
            carry_out(&consumer, &topic, &orders)?;
            if Instant::now() >= group_due {
                group_due = Instant::now() + GROUP_INTERVAL;
                self.look_at_group(&consumer, &origin, LOOK_PATIENCE, coordinator)?;
            }
        }
    }

    /// Ledger, Kafka and group belong together, or nothing is consumed.
    fn origin(
        &self,
        consumer: &BaseConsumer<Rebalances<F>>,
        coordinator: &mut Coordinator,
    ) -> anyhow::Result<Origin> {
        let origin = origin::check(consumer, &self.shared.ledger, &self.shared.handle)?;
        let patience = origin::ANSWER_WITHIN;
        let answered = self.look_at_group(consumer, &origin, patience, coordinator)?;
        anyhow::ensure!(
            answered,
            "Kafka does not say what the group has committed within {patience:?}"
        );
        Ok(origin)
    }

    /// Whether another ledger moves the group's offsets, and whether Kafka answers for the group at all.
    fn look_at_group(
        &self,
        consumer: &BaseConsumer<Rebalances<F>>,
        origin: &Origin,
        patience: Duration,
        coordinator: &mut Coordinator,
    ) -> anyhow::Result<bool> {
        let topic = &self.shared.ledger.topic;
        let answered = origin::look_at_group(consumer, topic, origin, patience)?;
        let kafka_answers = || lifeline::answers(&self.kafka_args, topic);
        coordinator.look(answered, kafka_answers);
        Ok(answered)
    }

    /// That they do not is told where stopped partitions are, although nothing is assigned then.
    fn tell_origin(&self, consumer: &BaseConsumer<Rebalances<F>>, origin: &anyhow::Result<Origin>) {
        let stop = origin.as_ref().err().and_then(Stop::of_origin);
        let watch = &consumer.context().owner().watch;
        watch.kept_out(stop.as_ref().map(|stop| stop.reason));
        if let Some(stop) = stop {
            let marking = report::mark_unmoved(&self.shared.ledger, &stop);
            if let Err(error) = self.shared.handle.block_on(marking) {
                debug!(error = %error, "marking the ledger: {error}");
            }
        }
    }

    /// Whether the client will not find Kafka again by itself.
    fn has_lost_kafka(&self, context: &Rebalances<F>) -> bool {
        context.is_cut_off()
            || (context.take_silence() && lifeline::answers(&self.kafka_args, &context.topic))
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

/// Leaves a client that finds nobody: its partitions go to the ledger now, and it is closed by itself, because closing waits
/// for the group, and there is nobody who would answer.
fn abandon<F: Fold>(consumer: BaseConsumer<Rebalances<F>>)
where
    F::Rows: RowStatement,
{
    let mut owner = consumer.context().owner();
    let partitions: Vec<i32> = owner.saved_offsets().iter().map(|(id, _)| *id).collect();
    if !partitions.is_empty() {
        owner.release(&partitions);
    }
    drop(owner);
    std::thread::spawn(move || drop(consumer));
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
                come_back_to_the_log(consumer);
                return Ok(());
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

pub(crate) fn polled<'a>(message: &'a BorrowedMessage<'_>) -> Polled<'a> {
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

/// The client said once, without a partition, that a position is outside of its log: the member comes back, and brings what it
/// has folded to the ledger before. Who takes the partition over looks at its log first, and stops it ([`super::standing`]).
fn come_back_to_the_log<F: Fold>(consumer: &BaseConsumer<Rebalances<F>>)
where
    F::Rows: RowStatement,
{
    let why = "a position is outside of its partition's log";
    consumer.context().owner().fail(why.to_owned());
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
    let (pause, resume) = (orders.to_pause(), orders.to_resume());
    if !pause.is_empty() {
        consumer.pause(&list(&pause)).context("pausing")?;
    }
    if !resume.is_empty() {
        consumer.resume(&list(&resume)).context("resuming")?;
    }
    if !orders.commit.is_empty()
        && let Err(error) = consumer.commit(
            &consumer.context().offsets(&orders.commit)?,
            CommitMode::Async,
        )
    {
        // Only lag tools look at it.
        debug!(error = %error, "committing: {error}");
    }
    Ok(())
}
