//! `footfall topics`: the topics with partitions, retention and offsets, and a look at their latest records.

mod peek;

use std::process::ExitCode;
use std::time::Duration;

use crate::kafka_offsets::{self, TopicOffsets};
use crate::output;
use crate::target::KafkaTarget;

/// Arguments of `topics`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these topics
    topics: Vec<String>,
    /// How many of each topic's latest records are shown, decoded; ticks are passed over
    #[arg(long, env = "FOOTFALL_PEEK", default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=1000))]
    peek: u16,
    #[command(flatten)]
    kafka: KafkaTarget,
}

/// Runs the subcommand.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let kafka = args.kafka.resolve()?;
    let looking = kafka.clone();
    let mut topics = tokio::task::spawn_blocking(move || kafka_offsets::topics(&looking)).await??;
    if !args.topics.is_empty() {
        topics.retain(|topic| {
            args.topics
                .iter()
                .any(|name| topic.name == kafka.topic(name))
        });
    }
    let mut rows = vec![
        ["TOPIC", "PARTITIONS", "RETENTION", "RECORDS", "OFFSETS"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for topic in &topics {
        let settings = stack::topic::settings(&kafka.kafka, &topic.name).await?;
        let retention = settings
            .get("retention.ms")
            .map_or("-".to_owned(), |text| retention(text));
        rows.push(line(topic, retention));
    }
    for line in output::table(&rows) {
        output::say(&line);
    }
    if args.peek > 0 {
        for topic in topics.into_iter().filter(|topic| topic.records() > 0) {
            let (looking, count) = (kafka.clone(), usize::from(args.peek));
            let shown = tokio::task::spawn_blocking(move || peek::latest(&looking, &topic, count))
                .await??;
            for line in shown {
                output::say(&line);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(topic: &TopicOffsets, retention: String) -> Vec<String> {
    let offsets = topic
        .partitions
        .iter()
        .map(|(partition, (low, high))| format!("{partition}:{low}..{high}"));
    vec![
        topic.name.clone(),
        topic.partitions.len().to_string(),
        retention,
        topic.records().to_string(),
        offsets.collect::<Vec<_>>().join(" "),
    ]
}

/// `7days` of `604800000`; Kafka's -1 keeps for ever.
fn retention(milliseconds: &str) -> String {
    match milliseconds.parse::<u64>() {
        Ok(milliseconds) => {
            let hours = Duration::from_millis(milliseconds).as_secs() / 3600;
            if hours >= 48 {
                format!("{} d", hours / 24)
            } else {
                format!("{hours} h")
            }
        }
        Err(_) => "for ever".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_reads_like_a_person_would_say_it() {
        assert_eq!(retention("604800000"), "7 d");
        assert_eq!(retention("3600000"), "1 h");
        assert_eq!(retention("-1"), "for ever");
    }
}
