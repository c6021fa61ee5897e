//! How far the consumers are behind, and which partitions stand still: the ends of the log in Kafka against the offsets in the ledger. The ledger decides where a
//! consumer goes on; what is committed to Kafka is a copy for other tools, and may be missing or of another log.

use std::collections::BTreeMap;

use anyhow::Context;
use chassis::kafka::KafkaArgs;
use sqlx::{Connection, PgConnection};

use crate::kafka_offsets::{self, TopicOffsets};
use crate::run_file::RunFile;

/// Where a partition's effects end.
#[derive(Debug, Clone, sqlx::FromRow)]
struct Entry {
    fold: String,
    topic: String,
    partition: i32,
    next_offset: i64,
    /// Why it cannot go on without a person.
    stopped_reason: Option<String>,
}

/// Records that a fold has not folded yet, or why nobody can tell.
type Behind = Result<i64, String>;

/// One line for all folds, each under the name of its consumer group.
pub(crate) async fn line(run: &RunFile, topic_prefix: String) -> anyhow::Result<String> {
    let kafka = KafkaArgs {
        kafka: run.kafka.clone(),
        topic_prefix,
    };
    let looking = kafka.clone();
    // The ledger first: in the meantime it would overtake what Kafka said.
    let entries = entries(&run.postgres).await?;
    let topics = tokio::task::spawn_blocking(move || kafka_offsets::topics(&looking)).await??;
    let behind = behind(&entries, &topics);
    if behind.is_empty() {
        return Ok("lag unknown: no consumer has begun".to_owned());
    }
    let told = behind.iter().map(|(fold, behind)| {
        let group = kafka.topic(&format!("footfall-{fold}"));
        match behind {
            Ok(records) => format!("{group} {records}"),
            Err(why) => format!("{group} unknown ({why})"),
        }
    });
    let lag = told.collect::<Vec<_>>().join(", ");
    Ok(format!("lag {lag}{}", standstill(&entries)))
}

async fn entries(postgres_url: &str) -> anyhow::Result<Vec<Entry>> {
    let mut connection = PgConnection::connect(postgres_url)
        .await
        .context("connecting to Postgres")?;
    let entries = sqlx::query_as(
        "select fold, topic, partition, next_offset, stopped_reason
         from ledger
         order by fold, topic, partition",
    )
    .fetch_all(&mut connection)
    .await
    .context("reading the ledger")?;
    connection.close().await?;
    Ok(entries)
}

/// The partitions that stand still; what to do is told by the process that holds one, and by `/api/v1/pipeline`.
fn standstill(entries: &[Entry]) -> String {
    let stopped = entries.iter().filter_map(|entry| {
        let reason = entry.stopped_reason.as_ref()?;
        Some(format!("{} {}: {reason}", entry.topic, entry.partition))
    });
    match stopped.collect::<Vec<_>>() {
        stopped if stopped.is_empty() => String::new(),
        stopped => format!("; stopped: {}", stopped.join(", ")),
    }
}

/// Every fold of the ledger. A partition that the ledger does not know yet counts as a whole: nothing of it is folded.
fn behind(entries: &[Entry], topics: &[TopicOffsets]) -> BTreeMap<String, Behind> {
    let mut folds: BTreeMap<String, Behind> = BTreeMap::new();
    for topic in topics {
        let of_topic = |entry: &&Entry| entry.topic == topic.name;
        let Some(first) = entries.iter().find(of_topic) else {
            continue;
        };
        for (&partition, &(low, high)) in &topic.partitions {
            let entry = entries
                .iter()
                .filter(of_topic)
                .find(|entry| entry.partition == partition);
            let next = entry.map_or(low, |entry| entry.next_offset);
            let sum = folds.entry(first.fold.clone()).or_insert(Ok(0));
            if (low..=high).contains(&next) {
                if let Ok(sum) = sum {
                    *sum += high - next;
                }
            } else {
                *sum = Err(format!(
                    "the ledger is at offset {next} of {} {partition}, Kafka holds {low} to {high}",
                    topic.name
                ));
            }
        }
    }
    for entry in entries {
        folds
            .entry(entry.fold.clone())
            .or_insert_with(|| Err(format!("Kafka has no topic {}", entry.topic)));
    }
    folds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ledger: &[(i32, i64)], log: &[(i32, (i64, i64))]) -> Behind {
        let entry = |(partition, next_offset): &(i32, i64)| Entry {
            fold: "movement".to_owned(),
            topic: "sensor-movements".to_owned(),
            partition: *partition,
            next_offset: *next_offset,
            stopped_reason: None,
        };
        let entries: Vec<Entry> = ledger.iter().map(entry).collect();
        let topics = [TopicOffsets {
            name: "sensor-movements".to_owned(),
            partitions: log.iter().copied().collect(),
        }];
        let topics = if log.is_empty() { &[][..] } else { &topics };
        behind(&entries, topics).remove("movement").unwrap()
    }

    #[test]
    fn a_fold_is_behind_by_what_the_ledger_does_not_have() {
        assert_eq!(
            check(&[(0, 10), (1, 7)], &[(0, (0, 12)), (1, (5, 7))]),
            Ok(2)
        );
        assert_eq!(
            check(&[(0, 10)], &[(0, (0, 12)), (1, (5, 7))]),
            Ok(4),
            "nobody has begun partition 1"
        );
    }

    #[test]
    fn partitions_that_stand_still_are_named_with_their_reason() {
        let entry = |partition, stopped: Option<&str>| Entry {
            fold: "movement".to_owned(),
            topic: "sensor-movements".to_owned(),
            partition,
            next_offset: 0,
            stopped_reason: stopped.map(str::to_owned),
        };
        assert_eq!(standstill(&[entry(0, None)]), "");
        assert_eq!(
            standstill(&[entry(0, None), entry(1, Some("log_truncated"))]),
            "; stopped: sensor-movements 1: log_truncated"
        );
    }

    #[test]
    fn an_offset_outside_of_the_log_is_unknown_and_not_zero() {
        let why = check(&[(0, 1503), (1, 3)], &[(0, (0, 0)), (1, (0, 3))]).unwrap_err();
        assert_eq!(
            why,
            "the ledger is at offset 1503 of sensor-movements 0, Kafka holds 0 to 0"
        );
        assert!(
            check(&[(0, 3)], &[(0, (4, 9))]).is_err(),
            "records are gone"
        );
        assert!(check(&[(0, 3)], &[]).is_err(), "the topic is gone");
    }
}
