//! What Kafka has: read by a plain consumer that belongs to no group. It shares with the product how a record is read (`domain`), and
//! nothing of how one is written, consumed or counted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use domain::canary::Canary;
use domain::dead_letter::DeadLetter;
use domain::envelope;
use domain::event::{Body, Event};
use domain::event_key::EventKey;
use domain::topic::{DEAD_LETTERS, SENSOR_MOVEMENTS};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use stack::Quiet;

use crate::load::last_event_id;
use crate::writer::Writer;

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(10);
/// How long Kafka may be silent while it is read.
const SILENCE: Duration = Duration::from_secs(30);

const ASK_AGAIN: Duration = Duration::from_millis(100);

/// The next offset of each partition of a topic.
pub type Offsets = BTreeMap<i32, i64>;

/// The two topics that a load ends in, each as far as it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    /// Of `sensor-movements`.
    pub movements: Offsets,
    /// Of `dead-letters`.
    pub dead_letters: Offsets,
}

/// A copy of a position in Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Who sent it.
    pub device: String,
    /// Its id.
    pub event_id: String,
}

/// The rounds of each gateway that a partition holds.
pub type Ticks = BTreeMap<String, BTreeMap<i32, BTreeSet<u64>>>;

/// What the log holds of a run.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Positions by partition and offset.
    pub copies: Vec<Copy>,
    /// How many records in which a device speaks of itself.
    pub signs: u64,
    /// The canaries of every gateway that wrote any.
    pub ticks: Ticks,
    /// Ids of what was refused, as often as it was.
    pub dead: Vec<String>,
    /// Records that cannot be decoded, such as poison of ours.
    pub undecodable: u64,
}

impl Log {
    fn take(
        &mut self,
        (partition, offset): (i32, i64),
        event: Event,
        is_ours: impl Fn(&str) -> bool,
    ) {
        if let Some(Canary { gateway, sequence }) = Canary::of(&event) {
            let partitions = self.ticks.entry(gateway.0).or_default();
            partitions.entry(partition).or_default().insert(sequence);
        }
        if !is_ours(&event.device.0) {
            return;
        }
        match event.body {
            Body::Position(_) => {
                let id = String::from_utf8_lossy(&event.key.0);
                self.copies.push(Copy {
                    partition,
                    offset,
                    device: event.device.0,
                    event_id: id.trim_end_matches('\0').to_owned(),
                });
            }
            Body::Status(_) => self.signs += 1,
            Body::Tick => {}
        }
    }
}

/// A client that reads but never joins a group.
#[derive(Clone, Debug)]
pub struct Reader {
    bootstrap: String,
}

impl Reader {
    /// For the Kafka behind `bootstrap`.
    #[must_use]
    pub fn new(bootstrap: &str) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
        }
    }

    fn client(&self, group: &str) -> anyhow::Result<BaseConsumer<Quiet>> {
        ClientConfig::new()
            .set("bootstrap.servers", &self.bootstrap)
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .create_with_context(Quiet)
            .context("making a Kafka client")
    }

    /// How far both topics go. Blocking.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn heads(&self) -> anyhow::Result<Heads> {
        patiently(|| {
            // Anew each time: a client that was there while Kafka was away may never find it again.
            let client = self.client("chaos-look")?;
            Ok(Heads {
                movements: heads_of(&client, SENSOR_MOVEMENTS)?,
                dead_letters: heads_of(&client, DEAD_LETTERS)?,
            })
        })
    }

    /// What the consumers of `topic` have committed, where they have. Blocking.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn committed(&self, group: &str, heads: &Offsets, topic: &str) -> anyhow::Result<Offsets> {
        let mut wanted = TopicPartitionList::new();
        for partition in heads.keys() {
            wanted.add_partition(topic, *partition);
        }
        let ask = || {
            let client = self.client(group)?;
            Ok(client.committed_offsets(wanted.clone(), REQUEST)?)
        };
        let committed = patiently(ask)?;
        let offset = |partition: &i32| {
            let found = committed.find_partition(topic, *partition)?;
            let offset = found.offset().to_raw().filter(|offset| *offset >= 0)?;
            Some((*partition, offset))
        };
        Ok(heads.keys().filter_map(offset).collect())
    }

    /// Everything of the devices `is_ours` from `from` up to `to`. Blocking.
    ///
    /// # Errors
    /// When Kafka does not give all of it.
    pub fn read(
        &self,
        from: &Heads,
        to: &Heads,
        is_ours: impl Fn(&str) -> bool,
    ) -> anyhow::Result<Log> {
        let mut log = Log::default();
        self.each(
            SENSOR_MOVEMENTS,
            (&from.movements, &to.movements),
            |partition, offset, value| match envelope::decode(value) {
                Ok(event) => log.take((partition, offset), event, &is_ours),
                Err(_) => log.undecodable += 1,
            },
        )?;
        self.each(
            DEAD_LETTERS,
            (&from.dead_letters, &to.dead_letters),
            |_, _, value| match DeadLetter::from_bytes(value) {
                Ok(letter) if is_ours(&letter.device) => {
                    log.dead.push(last_event_id(&letter.payload));
                }
                Ok(_) => {}
                Err(_) => log.undecodable += 1,
            },
        )?;
        log.copies.sort_by_key(|copy| (copy.partition, copy.offset));
        Ok(log)
    }

    /// Keys of the positions that each partition of a topic holds. Blocking.
    ///
    /// # Errors
    /// When Kafka does not give all of them.
    pub fn spread(&self, topic: &str) -> anyhow::Result<Vec<Vec<EventKey>>> {
        let heads = heads_of(&self.client("chaos-look")?, topic)?;
        let mut positions: BTreeMap<i32, Vec<EventKey>> = heads
            .keys()
            .map(|partition| (*partition, Vec::new()))
            .collect();
        self.each(
            topic,
            (&Offsets::new(), &heads),
            |partition, _, value| match envelope::decode(value) {
                Ok(event) if matches!(event.body, Body::Position(_)) => {
                    positions.entry(partition).or_default().push(event.key);
                }
                Ok(_) | Err(_) => {}
            },
        )?;
        Ok(positions.into_values().collect())
    }

    /// Writes the records of a topic in `from..to` once more, each to its own partition; says how many. Blocking.
    ///
    /// # Errors
    /// When Kafka does not give or take them.
    pub fn repeat(&self, topic: &str, from: &Offsets, to: &Offsets) -> anyhow::Result<u64> {
        let writer = Writer::new(&self.bootstrap)?;
        let mut outcome = Ok(0);
        self.each(topic, (from, to), |partition, _, value| {
            if let Ok(records) = &outcome {
                let records = records + 1;
                outcome = writer.queue(topic, partition, value).map(|()| records);
            }
        })?;
        let records = outcome?;
        writer.finish()?;
        Ok(records)
    }

    /// Sets the committed offsets of a group that has no members back to the beginning. Blocking.
    ///
    /// # Errors
    /// When Kafka refuses it.
    pub fn rewind(&self, group: &str, topic: &str, partitions: &Offsets) -> anyhow::Result<()> {
        let client = self.client(group)?;
        let mut offsets = TopicPartitionList::new();
        for partition in partitions.keys() {
            offsets.add_partition_offset(topic, *partition, Offset::Offset(0))?;
        }
        client
            .commit(&offsets, CommitMode::Sync)
            .with_context(|| format!("setting {group} back"))
    }

    fn each(
        &self,
        topic: &str,
        (from, to): (&Offsets, &Offsets),
        mut take: impl FnMut(i32, i64, &[u8]),
    ) -> anyhow::Result<()> {
        let client = self.client("chaos-look")?;
        let mut assignment = TopicPartitionList::new();
        let mut missing = BTreeMap::new();
        for (&partition, &end) in to {
            let begin = from.get(&partition).copied().unwrap_or(0);
            if begin < end {
                assignment.add_partition_offset(topic, partition, Offset::Offset(begin))?;
                missing.insert(partition, end);
            }
        }
        client.assign(&assignment)?;
        let mut heard = Instant::now();
        while !missing.is_empty() {
            let Some(record) = client.poll(Duration::from_millis(200)) else {
                if heard.elapsed() > SILENCE {
                    bail!("Kafka gives no more of {topic}, {missing:?} not reached");
                }
                continue;
            };
            let record = record.with_context(|| format!("reading {topic}"))?;
            heard = Instant::now();
            let (partition, offset) = (record.partition(), record.offset());
            let Some(&end) = missing.get(&partition) else {
                continue;
            };
            if offset < end {
                take(partition, offset, record.payload().unwrap_or_default());
            }
            if offset + 1 >= end {
                missing.remove(&partition);
            }
        }
        Ok(())
    }
}

/// Asks again for a while: a Kafka that has just come back does not yet know who leads what.
fn patiently<T>(ask: impl Fn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let began = Instant::now();
    loop {
        match ask() {
            Err(_) if began.elapsed() < SILENCE => std::thread::sleep(ASK_AGAIN),
            answer => return answer,
        }
    }
}

fn heads_of(client: &BaseConsumer<Quiet>, topic: &str) -> anyhow::Result<Offsets> {
    let metadata = client
        .fetch_metadata(Some(topic), REQUEST)
        .with_context(|| format!("asking for the partitions of {topic}"))?;
    let topic_metadata = metadata.topics().first().context("no such topic")?;
    let head = |partition: i32| {
        let (_, head) = client.fetch_watermarks(topic, partition, REQUEST)?;
        Ok((partition, head))
    };
    topic_metadata
        .partitions()
        .iter()
        .map(|partition| head(partition.id()))
        .collect()
}
