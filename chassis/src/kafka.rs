//! The settings of Kafka clients, and why each is what it is.
//!
//! The figures behind them were measured with librdkafka 2.12.1 and Kafka 4.3.1.

use std::time::Duration;

use clap::Args;
use rdkafka::ClientConfig;

/// Where Kafka is.
#[derive(Args, Clone, Debug)]
pub struct KafkaArgs {
    /// Bootstrap servers, comma separated
    #[arg(long, env = "FOOTFALL_KAFKA", default_value = "127.0.0.1:19092")]
    pub kafka: String,
    /// Prefix of every topic and consumer group, so that several deployments share one Kafka
    #[arg(long, env = "FOOTFALL_TOPIC_PREFIX", default_value = "")]
    pub topic_prefix: String,
}

impl KafkaArgs {
    /// The full name of a topic.
    #[must_use]
    pub fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.topic_prefix)
    }

    /// What every client needs.
    #[must_use]
    pub fn client(&self, client_id: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.kafka)
            .set("client.id", client_id)
            // A broker that comes back is found within a second.
            .set("reconnect.backoff.ms", "100")
            .set("reconnect.backoff.max.ms", "1000")
            .set("topic.metadata.refresh.interval.ms", "30000")
            .set("log.connection.close", "false");
        config
    }

    /// An idempotent producer that never gives a message up: a publish that cannot be produced is not acknowledged, and
    /// devices re-send only when they reconnect.
    #[must_use]
    pub fn producer(&self, client_id: &str, linger: Duration) -> ClientConfig {
        let mut config = self.client(client_id);
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", "0")
            .set("linger.ms", linger.as_millis().to_string())
            .set("batch.size", "1000000")
            .set("compression.type", "lz4");
        config
    }

    /// A member of a consumer group that takes its positions from the ledger and commits by hand.
    #[must_use]
    pub fn consumer(&self, client_id: &str, group: &str) -> ClientConfig {
        let mut config = self.client(client_id);
        config
            .set("group.id", format!("{}{group}", self.topic_prefix))
            // Past this a stuck member loses its partitions; the default of five minutes would hold them that long.
            .set("max.poll.interval.ms", "30000")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // A ledger that points outside the log must alarm, never skip.
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_uncommitted")
            // A third of the CPU at 20,000 records/s, for at most 50 ms of delay.
            .set("fetch.min.bytes", "65536")
            .set("fetch.wait.max.ms", "50")
            .set("queued.max.messages.kbytes", "32768")
            .set("fetch.queue.backoff.ms", "50");
        config
    }
}
