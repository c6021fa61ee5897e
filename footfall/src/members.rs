//! The members of our consumer groups, as the consumers of a running `up` tell them on their admin servers.

use crate::http;
use crate::run_file::RunFile;

/// The gauge that every worker of a consumer keeps.
const ASSIGNED: &str = "footfall_consumer_assigned_partitions{";

/// Fold and member, such as `movement` and `consumer-0/1: 3 partitions`. A consumer that does not answer is left out.
pub(crate) async fn ours(run: &RunFile) -> Vec<(String, String)> {
    let mut members = Vec::new();
    for (name, admin) in run
        .admin
        .iter()
        .filter(|(name, _)| name.starts_with("consumer-"))
    {
        if let Ok(answer) = http::get(&format!("{admin}/metrics")).await {
            members.extend(read(name, &answer.text));
        }
    }
    members
}

fn read(process: &str, metrics: &str) -> Vec<(String, String)> {
    let member = |line: &str| {
        let (labels, value) = line.strip_prefix(ASSIGNED)?.split_once("} ")?;
        let label = |name: &str| {
            let mut labels = labels.split(',').filter_map(|label| label.split_once('='));
            labels
                .find(|(label, _)| *label == name)
                .map(|(_, value)| value.trim_matches('"').to_owned())
        };
        let partitions = if value.trim() == "1" {
            "1 partition".to_owned()
        } else {
            format!("{} partitions", value.trim())
        };
        Some((
            label("fold")?,
            format!("{process}/{}: {partitions}", label("worker")?),
        ))
    };
    metrics.lines().filter_map(member).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_from_the_gauge_and_nothing_else() {
        let metrics = "# TYPE footfall_consumer_assigned_partitions gauge\n\
            footfall_consumer_assigned_partitions{fold=\"movement\",worker=\"0\"} 3\n\
            footfall_consumer_assigned_partitions{fold=\"dead-letters\",worker=\"0\"} 1\n\
            footfall_consumer_fenced_writes_total{fold=\"movement\"} 0\n";
        let members = read("consumer-1", metrics);
        let expected = [
            ("movement", "consumer-1/0: 3 partitions"),
            ("dead-letters", "consumer-1/0: 1 partition"),
        ];
        assert_eq!(
            members,
            expected.map(|(fold, member)| (fold.to_owned(), member.to_owned()))
        );
    }
}
