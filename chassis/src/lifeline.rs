//! Whether a Kafka client still finds Kafka.
//!
//! librdkafka since 2.10 forgets every broker, the bootstrap servers too, when a metadata response names none; and
//! then, if that response stops the re-bootstrap that was just scheduled, it asks nobody ever again (confluentinc/librdkafka
//! issue 5301; seen here with a single broker that was frozen past its session and fenced itself). Nothing inside the
//! client mends that, so its owner makes a new one.
//!
//! A client may also keep an address and lose only its group's coordinator (seen after the same fault). So a long silence
//! counts too, once somebody who asks for the first time gets an answer ([`answers`]): then Kafka is not away, the client is.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::producer::{BaseProducer, DefaultProducerContext, Producer as _};
use rdkafka::{ClientConfig, Statistics};

use crate::kafka::KafkaArgs;

/// A client re-bootstraps in between two of its threads' turns; only a second look in a row means that it will not.
const LOOKS: u32 = 2;
/// Where a broker's address comes from when it is one that the client can connect to by itself.
const ADDRESSES: [&str; 2] = ["configured", "learned"];

/// How often a client tells its statistics.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// How many looks in a row a group's coordinator may say nothing: half a minute. It answers a heartbeat every few seconds.
const SILENT_LOOKS: u32 = 15;
/// How long a stranger waits for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Fed with a client's statistics, which [`watch`] turns on.
#[derive(Debug, Default)]
pub struct Lifeline {
    looks_without_address: AtomicU32,
    coordinator_responses: AtomicU64,
    looks_without_coordinator: AtomicU32,
}

/// Makes a client tell its context which addresses it knows.
pub fn watch(settings: &mut ClientConfig) {
    let interval = LOOK_INTERVAL.as_millis().to_string();
    settings.set("statistics.interval.ms", interval);
}

/// Whether Kafka answers somebody who asks for the first time, with a leader for every partition of `topic` (a full name);
/// blocks for at most two seconds.
#[must_use]
pub fn answers(kafka: &KafkaArgs, topic: &str) -> bool {
    let stranger: Result<BaseProducer<DefaultProducerContext>, _> =
        kafka.client("footfall-stranger").create();
    let Ok(stranger) = stranger else {
        return false;
    };
    let metadata = stranger
        .client()
        .fetch_metadata(Some(topic), ANSWER_TIMEOUT);
    metadata.is_ok_and(|metadata| {
        let partitions = metadata
            .topics()
            .iter()
            .flat_map(|topic| topic.partitions());
        let leaders: Vec<i32> = partitions.map(|partition| partition.leader()).collect();
        !leaders.is_empty() && leaders.iter().all(|leader| *leader >= 0)
    })
}

impl Lifeline {
    /// Takes in the client's statistics.
    pub fn observe(&self, statistics: &Statistics) {
        let sources = statistics.brokers.values().map(|broker| &broker.source);
        self.look(sources.map(String::as_str));
        let coordinator = statistics
            .brokers
            .values()
            .find(|broker| broker.name.starts_with("GroupCoordinator"));
        self.hear(coordinator.map_or(0, |broker| broker.rx));
    }

    /// Whether the group's coordinator has said nothing for half a minute; once for each half minute, so that whoever asks
    /// can find out in peace whether Kafka is away. For members of a group only.
    #[must_use]
    pub fn take_silence(&self) -> bool {
        let silent = self.looks_without_coordinator.load(Ordering::Relaxed) >= SILENT_LOOKS;
        if silent {
            self.looks_without_coordinator.store(0, Ordering::Relaxed);
        }
        silent
    }

    /// Takes in how many responses of the coordinator there have been.
    fn hear(&self, responses: u64) {
        if self
            .coordinator_responses
            .swap(responses, Ordering::Relaxed)
            == responses
        {
            self.looks_without_coordinator
                .fetch_add(1, Ordering::Relaxed);
        } else {
            self.looks_without_coordinator.store(0, Ordering::Relaxed);
        }
    }

    /// Whether the client has lost every address and will not find Kafka again.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.looks_without_address.load(Ordering::Relaxed) >= LOOKS
    }

    fn look<'a>(&self, sources: impl IntoIterator<Item = &'a str>) {
        let mut sources = sources.into_iter();
        if sources.any(|source| ADDRESSES.contains(&source)) {
            self.looks_without_address.store(0, Ordering::Relaxed);
        } else {
            self.looks_without_address.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lifeline, SILENT_LOOKS};

    #[test]
    fn a_client_without_an_address_is_cut_off_at_the_second_look() {
        let lifeline = Lifeline::default();
        lifeline.look(["configured", "internal"]);
        lifeline.look(["learned", "logical"]);
        lifeline.look(["logical", "internal"]);
        assert!(!lifeline.is_cut(), "it may be re-bootstrapping");
        lifeline.look(["logical"]);
        assert!(lifeline.is_cut());
    }

    #[test]
    fn a_coordinator_that_says_nothing_for_long_is_told_of_once_each_time() {
        let lifeline = Lifeline::default();
        for responses in 1..100 {
            lifeline.hear(responses);
            assert!(!lifeline.take_silence());
        }
        let silences = (0..2 * SILENT_LOOKS).filter(|_| {
            lifeline.hear(99);
            lifeline.take_silence()
        });
        assert_eq!(silences.count(), 2);
    }

    #[test]
    fn a_client_that_found_an_address_again_is_not_cut_off() {
        let lifeline = Lifeline::default();
        lifeline.look([]);
        lifeline.look(["configured"]);
        lifeline.look([]);
        assert!(!lifeline.is_cut());
    }
}
