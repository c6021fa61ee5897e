//! What `docs/` says is so: every reason and every metric stands there, and every example is one that counts.

use decoders::{Decoder, Message, Overrides, decode};
use domain::rejection::Reason;
use domain::time::Micros;

const DEVICES: &str = include_str!("../../docs/devices.md");
const RUNNING: &str = include_str!("../../docs/running.md");

/// Where each role names its metrics.
const METRICS: [&str; 3] = [
    include_str!("../../gateway/src/metrics.rs"),
    include_str!("../../consumer/src/metrics.rs"),
    include_str!("../../api/src/metrics.rs"),
];

#[test]
fn every_reason_for_a_rejection_is_explained() {
    for reason in Reason::ALL {
        let row = format!("\n| `{}` | ", reason.as_str());
        assert!(DEVICES.contains(&row), "{} is missing", reason.as_str());
    }
}

#[test]
fn every_metric_is_listed() {
    for source in METRICS {
        let names: Vec<&str> = source
            .split('"')
            .filter(|text| text.starts_with("footfall_"))
            .collect();
        assert!(names.len() > 3, "{names:?}");
        for name in names {
            let row = format!("\n| `{name}` | ");
            assert!(RUNNING.contains(&row), "{name} is missing");
        }
    }
}

#[test]
fn every_example_is_an_event() {
    let commands: Vec<&str> = DEVICES
        .split("```sh\n")
        .skip(1)
        .map(|block| block.split("```").next().unwrap())
        .collect();
    assert_eq!(commands.len(), 4);
    for command in commands {
        let mut words = command.split_whitespace().skip_while(|word| *word != "-t");
        let topic = words.nth(1).unwrap();
        let payload = command.split('\'').nth(1).unwrap();
        let levels: Vec<&str> = topic.split('/').collect();
        let overrides = Overrides::default();
        let decoded = decode(
            Decoder::Native,
            &Message {
                topic,
                device: Some(levels[2]),
                kind: levels[3],
                payload: payload.as_bytes(),
                received_at: Micros(1_790_000_000_000_000),
                overrides: &overrides,
            },
        );
        assert!(
            !decoded.events.is_empty() && decoded.refused.is_empty(),
            "{command}: {:?}",
            decoded.refused
        );
    }
}
