//! `footfall groups`: the consumer groups with their members, and how far they are behind.
//!
//! Kafka's client tells the members of groups of the classic protocol only. Those of ours (KIP-848) tell themselves, on the
//! admin servers of the consumers that `run.json` names.

use std::process::ExitCode;

use anyhow::Context;
use chassis::kafka::KafkaArgs;
use rdkafka::consumer::Consumer;

use crate::kafka_offsets::{self, Lag};
use crate::target::KafkaTarget;
use crate::{members, output};

/// Arguments of `groups`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    kafka: KafkaTarget,
}

/// One group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// `client@host`, or `process/worker: partitions`.
    members: Vec<String>,
    pub(crate) lag: Vec<Lag>,
}

/// Runs the subcommand.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let running = args.kafka.running()?;
    let kafka = args.kafka.resolve()?;
    let looking = kafka.clone();
    let mut groups = tokio::task::spawn_blocking(move || groups(&looking)).await??;
    if let Some(running) = running {
        for (fold, member) in members::ours(&running).await {
            let name = kafka.topic(&format!("footfall-{fold}"));
            if let Some(group) = groups.iter_mut().find(|group| group.name == name) {
                group.members.push(member);
            }
        }
    }
    let mut rows = vec![
        ["GROUP", "TOPIC", "COMMITTED", "LAG", "MEMBERS"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for group in &groups {
        rows.extend(lines(group));
    }
    for line in output::table(&rows) {
        output::say(&line);
    }
    Ok(ExitCode::SUCCESS)
}

/// One line per topic of the group, the group's own columns on the first.
fn lines(group: &Group) -> Vec<Vec<String>> {
    let members = if group.members.is_empty() {
        "-".to_owned()
    } else {
        group.members.join(", ")
    };
    if group.lag.is_empty() {
        let nothing = "-".to_owned();
        return vec![vec![
            group.name.clone(),
            nothing.clone(),
            nothing.clone(),
            nothing,
            members,
        ]];
    }
    let line = |(index, lag): (usize, &Lag)| {
        let own = |text: &String| {
            if index == 0 {
                text.clone()
            } else {
                String::new()
            }
        };
        vec![
            own(&group.name),
            lag.topic.clone(),
            format!("{} of {}", lag.committed, lag.partitions),
            lag.records
                .map_or("unknown".to_owned(), |records| records.to_string()),
            own(&members),
        ]
    };
    group.lag.iter().enumerate().map(line).collect()
}

/// Every group with the prefix, in order of name. Blocking.
pub(crate) fn groups(kafka: &KafkaArgs) -> anyhow::Result<Vec<Group>> {
    let topics = kafka_offsets::topics(kafka)?;
    let reader = kafka_offsets::reader(kafka, "footfall-look")?;
    let list = reader
        .fetch_group_list(None, kafka_offsets::REQUEST)
        .context("asking Kafka for its groups")?;
    let mut groups = Vec::new();
    for group in list.groups() {
        if !group.name().starts_with(&kafka.topic_prefix) {
            continue;
        }
        let member = |member: &rdkafka::groups::GroupMemberInfo| {
            format!("{}@{}", member.client_id(), member.client_host())
        };
        groups.push(Group {
            name: group.name().to_owned(),
            members: group.members().iter().map(member).collect(),
            lag: kafka_offsets::lag(kafka, group.name(), &topics)?,
        });
    }
    groups.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(groups)
}
