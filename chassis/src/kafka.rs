//! The settings of Kafka clients, and why each is what it is.
//!
//! The figures behind them were measured with librdkafka 2.12.1 and Kafka 4.3.1.

use std::time::Duration;

use clap::Args;
use rdkafka::ClientConfig;

use crate::address;
use crate::config::ConfigError;

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

/// What a list of bootstrap servers looks like, for messages.
const BOOTSTRAP: &str = "host:port such as 127.0.0.1:9092, or several separated by commas";

/// What [`is_name`] takes, for messages.
pub const NAME: &str = "at most 200 letters, digits, dots, dashes and underscores";

/// Kafka allows 249 bytes for a whole name, of which a prefix and a suffix take some.
const NAME_BYTES_MAX: usize = 200;

/// Whether a text is a list of bootstrap servers.
#[must_use]
pub fn is_bootstrap(servers: &str) -> bool {
    servers.split(',').all(address::is_host_and_port)
}

/// Whether a text may be part of the name of a topic or a group.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    text.len() <= NAME_BYTES_MAX && text.bytes().all(is_letter)
}

/// Checks that a prefix may begin the name of a topic.
///
/// # Errors
/// [`ConfigError`] for `--topic-prefix`.
pub fn check_prefix(prefix: &str) -> Result<(), ConfigError> {
    if is_name(prefix) {
        return Ok(());
    }
    Err(ConfigError::new("--topic-prefix", prefix, NAME))
}

impl KafkaArgs {
    /// Checks what can be checked without a connection.
    ///
    /// # Errors
    /// [`ConfigError`], which names the flag, its value and what was expected.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !is_bootstrap(&self.kafka) {
            return Err(ConfigError::new("--kafka", &self.kafka, BOOTSTRAP));
        }
        check_prefix(&self.topic_prefix)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kafka: &str, topic_prefix: &str) -> Result<(), String> {
        let args = KafkaArgs {
            kafka: kafka.to_owned(),
            topic_prefix: topic_prefix.to_owned(),
        };
        args.check().map_err(|error| error.to_string())
    }

    #[test]
    fn servers_and_prefix_are_checked_before_anything_is_connected() {
        assert_eq!(check("a:9092,[::1]:9092", "site-1."), Ok(()));
        for wrong in ["", "not a host!!", "host", "a:9092,", "a:0", "real"] {
            assert_eq!(
                check(wrong, "").unwrap_err(),
                format!("--kafka is {wrong:?}, expected {BOOTSTRAP}")
            );
        }
        assert!(
            check("a:1", "bad prefix/!!")
                .unwrap_err()
                .starts_with("--topic-prefix is \"bad prefix/!!\", expected at most 200 letters")
        );
    }
}
