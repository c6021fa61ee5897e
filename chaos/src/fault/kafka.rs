//! What can happen to a topic while Kafka is alive.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigSource, NewPartitions, ResourceSpecifier,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The setting that makes a topic refuse every record, for good and record by record, as a missing permission does. A broker
/// without an authorizer has no permissions to take away, and with one replica `min.insync.replicas` is no bound either.
const DENIAL: (&str, &str) = ("max.message.bytes", "1");

/// What [`deny_produce`] changed, for [`allow_produce`].
#[derive(Debug)]
pub struct Denied {
    topic: String,
    before: HashMap<String, String>,
}

fn admin(bootstrap: &str) -> anyhow::Result<AdminClient<DefaultClientContext>> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config.create().context("connecting to Kafka")
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWER_WITHIN))
}

/// Makes Kafka refuse whatever is produced to a topic.
///
/// # Errors
/// When Kafka cannot be asked.
pub async fn deny_produce(bootstrap: &str, topic: &str) -> anyhow::Result<Denied> {
    let before = own_settings(bootstrap, topic).await?;
    let mut settings = before.clone();
    let (name, value) = DENIAL;
    settings.insert(name.to_owned(), value.to_owned());
    set(bootstrap, topic, &settings).await?;
    Ok(Denied {
        topic: topic.to_owned(),
        before,
    })
}

/// Undoes [`deny_produce`].
///
/// # Errors
/// When Kafka cannot be asked.
pub async fn allow_produce(bootstrap: &str, denied: Denied) -> anyhow::Result<()> {
    set(bootstrap, &denied.topic, &denied.before).await
}

/// The settings of a topic that are its own. The call that changes settings forgets those it is not given.
async fn own_settings(bootstrap: &str, topic: &str) -> anyhow::Result<HashMap<String, String>> {
    let specifier = ResourceSpecifier::Topic(topic);
    let described = admin(bootstrap)?
        .describe_configs([&specifier], &options())
        .await?;
    let resource = described
        .into_iter()
        .next()
        .context("Kafka did not answer")?;
    let resource = resource.map_err(|code| anyhow!("settings of {topic}: {code}"))?;
    let own = resource
        .entries
        .into_iter()
        .filter(|entry| entry.source == ConfigSource::DynamicTopic);
    Ok(own
        .filter_map(|entry| Some((entry.name, entry.value?)))
        .collect())
}

async fn set(
    bootstrap: &str,
    topic: &str,
    settings: &HashMap<String, String>,
) -> anyhow::Result<()> {
    let change = AlterConfig::new(ResourceSpecifier::Topic(topic));
    let change = settings
        .iter()
        .fold(change, |change, (name, value)| change.set(name, value));
    for outcome in admin(bootstrap)?
        .alter_configs([&change], &options())
        .await?
    {
        outcome.map_err(|(_, code)| anyhow!("changing the settings of {topic}: {code}"))?;
    }
    Ok(())
}

/// Removes a topic with all of its records.
///
/// # Errors
/// When Kafka refuses.
pub async fn delete_topic(bootstrap: &str, topic: &str) -> anyhow::Result<()> {
    Ok(stack::topic::delete_topics(bootstrap, &[topic]).await?)
}

/// Gives a topic more partitions, up to `count`.
///
/// # Errors
/// When Kafka refuses.
pub async fn add_partitions(bootstrap: &str, topic: &str, count: usize) -> anyhow::Result<()> {
    let more = NewPartitions::new(topic, count);
    for outcome in admin(bootstrap)?
        .create_partitions([&more], &options())
        .await?
    {
        outcome.map_err(|(_, code)| anyhow!("adding partitions to {topic}: {code}"))?;
    }
    Ok(())
}

/// Puts a record into one partition that no consumer of ours can read; blocks until Kafka has it.
///
/// # Errors
/// When Kafka does not take it.
pub fn poison(bootstrap: &str, topic: &str, partition: i32, value: &[u8]) -> anyhow::Result<()> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("message.timeout.ms", "3000");
    let producer: BaseProducer<Outcome> = config.create_with_context(Outcome::default())?;
    let record = BaseRecord::to(topic)
        .partition(partition)
        .key("poison")
        .payload(value);
    producer.send(record).map_err(|(error, _)| error)?;
    producer.flush(ANSWER_WITHIN)?;
    let refused = producer
        .context()
        .refused
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    refused
        .map_or(Ok(()), Err)
        .with_context(|| format!("producing to {topic}"))
}

/// How the delivery of one record ended, if badly.
#[derive(Debug, Default)]
struct Outcome {
    refused: Mutex<Option<KafkaError>>,
}

impl ClientContext for Outcome {}

impl ProducerContext for Outcome {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let refused = result.as_ref().err().map(|(error, _)| error.clone());
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use stack::Topic;

    use super::*;

    fn partitions(bootstrap: &str, topic: &str) -> usize {
        let mut config = ClientConfig::new();
        let client: BaseConsumer = config.set("bootstrap.servers", bootstrap).create().unwrap();
        let metadata = client.fetch_metadata(Some(topic), ANSWER_WITHIN).unwrap();
        metadata.topics()[0].partitions().len()
    }

    #[tokio::test]
    async fn each_fault_bites_and_is_gone_afterwards() {
        let stack = stack::shared::stack().await.unwrap();
        let scratch = stack.scratch(&Topic::defaults()[..1]).await.unwrap();
        let topic = format!("{}{}", scratch.topic_prefix, Topic::defaults()[0].name);
        let kafka = scratch.kafka.as_str();
        poison(kafka, &topic, 0, b"fine").unwrap();
        let retention =
            stack::topic::settings(kafka, &topic).await.unwrap()["retention.ms"].clone();

        let denied = deny_produce(kafka, &topic).await.unwrap();
        wait(|| poison(kafka, &topic, 0, b"denied").is_err()).await;
        let settings = stack::topic::settings(kafka, &topic).await.unwrap();
        assert_eq!(
            settings["retention.ms"], retention,
            "others stay as they were"
        );
        allow_produce(kafka, denied).await.unwrap();
        wait(|| poison(kafka, &topic, 0, b"allowed").is_ok()).await;

        let before = partitions(kafka, &topic);
        add_partitions(kafka, &topic, before + 2).await.unwrap();
        delete_is_seen(kafka, &topic, before + 2).await;
        stack.remove(scratch).await.unwrap();
    }

    /// Metadata follows a moment later.
    async fn delete_is_seen(kafka: &str, topic: &str, partitions_before: usize) {
        wait(|| partitions(kafka, topic) == partitions_before).await;
        delete_topic(kafka, topic).await.unwrap();
        wait(|| partitions(kafka, topic) == 0).await;
        assert!(poison(kafka, topic, 0, b"nowhere").is_err());
    }

    async fn wait(holds: impl Fn() -> bool) {
        for _ in 0..100 {
            if holds() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("not within 5 s");
    }
}
