//! Kafka clients that ask instead of work: their failures are answers, so nothing of them is logged.

use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{ClientConfig, ClientContext};

/// Swallows what librdkafka would log while a broker is away, which is expected by those who wait for it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, _message: &str) {}

    fn error(&self, _error: KafkaError, _reason: &str) {}
}

impl ConsumerContext for Quiet {}

/// A client for the cluster behind `bootstrap`.
pub(crate) fn client<T: FromClientConfigAndContext<Quiet>>(bootstrap: &str) -> KafkaResult<T> {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("reconnect.backoff.max.ms", "200")
        .create_with_context(Quiet)
}
