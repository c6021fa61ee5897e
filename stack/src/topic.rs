//! Making the topics, which may be repeated at will. Which topics there are is said in `domain`.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::metadata::{MetadataPartition, MetadataTopic};
use rdkafka::types::RDKafkaErrorCode;

use crate::error::{Result, StackError};
use crate::quiet::{self, Quiet};

/// How long Kafka may take to make the topics and to elect their leaders.
const MADE_WITHIN: Duration = Duration::from_secs(30);

/// How long one request may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Kafka never removes the segment it writes to, so what is kept is retention plus one segment. One segment therefore holds at
/// most this share of the retention.
const SEGMENTS_PER_RETENTION: u32 = 24;

/// One hour: shorter segments cost more files than they keep promises.
const SEGMENT_MIN: Duration = Duration::from_secs(60 * 60);

/// A topic to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name, prefix included.
    pub name: String,
    /// How many partitions it gets when it is made. Never changed afterwards: the partition of a key depends on it.
    pub partitions: i32,
    /// How long Kafka keeps its records.
    pub retention: Duration,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Topic {
    /// Every topic of the system with its default partitions and retention.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        let topic = |topic: &domain::topic::Topic| Self {
            name: topic.name.to_owned(),
            partitions: topic.partitions,
            retention: DAY * topic.retention_days,
        };
        domain::topic::TOPICS.iter().map(topic).collect()
    }

    /// The same topic under a prefix.
    #[must_use]
    pub fn prefixed(&self, prefix: &str) -> Self {
        Self {
            name: format!("{prefix}{}", self.name),
            ..self.clone()
        }
    }

    fn segment(&self) -> Duration {
        (self.retention / SEGMENTS_PER_RETENTION).max(SEGMENT_MIN)
    }
}

/// Makes the topics that do not exist and waits until each can be written to. One that exists with another number of
/// partitions stays as it is, with a warning.
///
/// # Errors
/// When Kafka refuses one of them, or does not get them ready in time.
pub async fn create_topics(bootstrap: &str, topics: &[Topic]) -> Result<()> {
    if topics.is_empty() {
        // Kafka's client refuses an empty list.
        return Ok(());
    }
    let admin: AdminClient<Quiet> =
        quiet::client(bootstrap).map_err(|source| StackError::Kafka {
            what: format!("connecting to Kafka at {bootstrap}"),
            source,
        })?;
    let settings: Vec<(String, String)> = topics
        .iter()
        .map(|topic| {
            (
                topic.retention.as_millis().to_string(),
                topic.segment().as_millis().to_string(),
            )
        })
        .collect();
    let new_topics: Vec<NewTopic<'_>> = topics
        .iter()
        .zip(&settings)
        .map(|(topic, (retention_ms, segment_ms))| {
            // Kafka's own clock stamps the records, so that no sender's clock can stretch their retention.
            NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(-1))
                .set("retention.ms", retention_ms)
                .set("segment.ms", segment_ms)
                .set("message.timestamp.type", "LogAppendTime")
        })
        .collect();
    let options = AdminOptions::new().request_timeout(Some(MADE_WITHIN));
    let results = admin
        .create_topics(&new_topics, &options)
        .await
        .map_err(|source| StackError::Kafka {
            what: "creating the topics".to_owned(),
            source,
        })?;
    for result in results {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => {
                return Err(StackError::Topic {
                    topic,
                    reason: code.to_string(),
                });
            }
        }
    }
    wait_until_ready(bootstrap, topics).await
}

/// Removes topics; those that do not exist are passed over.
///
/// # Errors
/// When Kafka cannot be asked.
pub async fn delete_topics(bootstrap: &str, names: &[&str]) -> Result<()> {
    let fail = |source| StackError::Kafka {
        what: "deleting topics".to_owned(),
        source,
    };
    let admin: AdminClient<Quiet> = quiet::client(bootstrap).map_err(fail)?;
    let options = AdminOptions::new().request_timeout(Some(MADE_WITHIN));
    for result in admin.delete_topics(names, &options).await.map_err(fail)? {
        if let Err((topic, code)) = result
            && code != RDKafkaErrorCode::UnknownTopicOrPartition
        {
            return Err(StackError::Topic {
                topic,
                reason: code.to_string(),
            });
        }
    }
    Ok(())
}

/// The settings of a topic, those left at their defaults included.
///
/// # Errors
/// When Kafka cannot be asked or does not know the topic.
pub async fn settings(bootstrap: &str, topic: &str) -> Result<HashMap<String, String>> {
    let fail = |source| StackError::Kafka {
        what: format!("asking for the settings of topic {topic}"),
        source,
    };
    let admin: AdminClient<Quiet> = quiet::client(bootstrap).map_err(fail)?;
    let options = AdminOptions::new().request_timeout(Some(MADE_WITHIN));
    let specifier = ResourceSpecifier::Topic(topic);
    let mut found = HashMap::new();
    for resource in admin
        .describe_configs([&specifier], &options)
        .await
        .map_err(fail)?
    {
        let resource = resource.map_err(|code| StackError::Topic {
            topic: topic.to_owned(),
            reason: code.to_string(),
        })?;
        let entries = resource.entries.into_iter();
        found.extend(entries.filter_map(|entry| Some((entry.name, entry.value?))));
    }
    Ok(found)
}

/// Every partition answers. The mock cluster needs no wait, but passes.
pub(crate) async fn wait_until_ready(bootstrap: &str, topics: &[Topic]) -> Result<()> {
    let client: BaseConsumer<Quiet> =
        quiet::client(bootstrap).map_err(|source| StackError::Kafka {
            what: format!("connecting to Kafka at {bootstrap}"),
            source,
        })?;
    let topics = topics.to_vec();
    tokio::task::spawn_blocking(move || {
        let deadline = Instant::now() + MADE_WITHIN;
        loop {
            let waiting = match missing(&client, &topics) {
                Ok(None) => return Ok(()),
                Ok(Some(topic)) => topic,
                Err(source) if Instant::now() >= deadline => {
                    return Err(StackError::Kafka {
                        what: "asking Kafka for its topics".to_owned(),
                        source,
                    });
                }
                Err(_) => String::new(),
            };
            if Instant::now() >= deadline {
                return Err(StackError::Topic {
                    topic: waiting,
                    reason: format!(
                        "not every partition answers after {} s",
                        MADE_WITHIN.as_secs()
                    ),
                });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    })
    .await
    .unwrap_or_else(|panic| {
        Err(StackError::Process {
            what: "waiting for the topics".to_owned(),
            source: std::io::Error::other(panic),
        })
    })
}

/// The first topic of which a partition does not answer, if any. Metadata names a leader a moment before that leader knows, so
/// each partition is asked for its offsets.
fn missing(client: &BaseConsumer<Quiet>, topics: &[Topic]) -> Result<Option<String>, KafkaError> {
    let metadata = client.fetch_metadata(None, ANSWER_WITHIN)?;
    let mut others = Vec::new();
    for topic in topics {
        let found = metadata
            .topics()
            .iter()
            .find(|found| found.name() == topic.name);
        let partitions = found.map_or(&[][..], MetadataTopic::partitions);
        let answers = |partition: &MetadataPartition| {
            partition.leader() >= 0
                && client
                    .fetch_watermarks(&topic.name, partition.id(), ANSWER_WITHIN)
                    .is_ok()
        };
        if partitions.is_empty() || !partitions.iter().all(answers) {
            return Ok(Some(topic.name.clone()));
        }
        if i32::try_from(partitions.len()) != Ok(topic.partitions) {
            others.push((topic, partitions.len()));
        }
    }
    for (topic, found) in others {
        tracing::warn!(
            kafka.topic = topic.name,
            "topic {} has {found} partitions, {} were asked for: left as it is, because the partition of a key \
             depends on the number",
            topic.name,
            topic.partitions
        );
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_a_small_share_of_the_retention_but_never_less_than_an_hour() {
        let with = |retention| Topic {
            name: "t".to_owned(),
            partitions: 1,
            retention,
        };
        assert_eq!(with(DAY * 7).segment(), Duration::from_secs(7 * 60 * 60));
        assert_eq!(with(Duration::from_secs(60)).segment(), SEGMENT_MIN);
    }

    #[test]
    fn a_prefix_changes_the_name_and_nothing_else() {
        let topic = Topic::defaults().remove(0);
        let prefixed = topic.prefixed("t1-");
        assert_eq!(prefixed.name, "t1-sensor-movements");
        assert_eq!(
            (prefixed.partitions, prefixed.retention),
            (topic.partitions, topic.retention)
        );
    }
}
