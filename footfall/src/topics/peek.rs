//! The latest records of a topic, decoded.

use std::time::{Duration, Instant};

use anyhow::Context;
use chassis::kafka::KafkaArgs;
use domain::dead_letter::DeadLetter;
use domain::envelope;
use domain::event::{Body, Event};
use domain::time::Micros;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};
use stack::Quiet;

use crate::kafka_offsets::{TopicOffsets, reader};

/// How far back each partition is read: enough to find records between the ticks of an idle hour.
const LOOK_BACK: i64 = 400;

/// How long one topic may take.
const WITHIN: Duration = Duration::from_secs(5);

/// Longest text of one record.
const TEXT_CHARS_MAX: usize = 300;

/// A record as it is shown.
struct Shown {
    at_ms: i64,
    line: String,
}

/// Lines for the `count` latest records that are no ticks, oldest first. Blocking.
pub(super) fn latest(
    kafka: &KafkaArgs,
    topic: &TopicOffsets,
    count: usize,
) -> anyhow::Result<Vec<String>> {
    let consumer = reader(kafka, "footfall-look")?;
    let mut assignment = TopicPartitionList::new();
    let mut open = 0_usize;
    for (partition, (low, high)) in &topic.partitions {
        if high > low {
            let from = Offset::Offset((high - LOOK_BACK).max(*low));
            assignment.add_partition_offset(&topic.name, *partition, from)?;
            open += 1;
        }
    }
    consumer.assign(&assignment)?;
    let is_dead_letters = topic.name == kafka.topic(domain::topic::DEAD_LETTERS);
    let mut shown = read(&consumer, open, is_dead_letters)
        .with_context(|| format!("reading {}", topic.name))?;
    shown.sort_by_key(|record| record.at_ms);
    let latest = shown.split_off(shown.len().saturating_sub(count));
    let title = (!latest.is_empty()).then(|| format!("\n{}", topic.name));
    let lines = latest
        .into_iter()
        .map(|record| format!("  {}", record.line));
    Ok(title.into_iter().chain(lines).collect())
}

/// Reads until every partition has said that it is at its end.
fn read(
    consumer: &BaseConsumer<Quiet>,
    mut open: usize,
    is_dead_letters: bool,
) -> anyhow::Result<Vec<Shown>> {
    let deadline = Instant::now() + WITHIN;
    let mut shown = Vec::new();
    while open > 0 && Instant::now() < deadline {
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(record)) => shown.extend(show(&record, is_dead_letters)),
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) => return Err(error.into()),
            None => {}
        }
    }
    Ok(shown)
}

/// `None` for a tick.
fn show(record: &BorrowedMessage<'_>, is_dead_letters: bool) -> Option<Shown> {
    let value = record.payload().unwrap_or_default();
    let text = if is_dead_letters {
        dead_letter(value)
    } else {
        match decode(value) {
            Decoded::Tick => return None,
            Decoded::Text(text) => text,
        }
    };
    let key = String::from_utf8_lossy(record.key().unwrap_or_default()).into_owned();
    let text: String = text.chars().take(TEXT_CHARS_MAX).collect();
    Some(Shown {
        at_ms: record.timestamp().to_millis().unwrap_or_default(),
        line: format!("{}@{} {key}: {text}", record.partition(), record.offset()),
    })
}

enum Decoded {
    Tick,
    Text(String),
}

/// The envelope, or the documented JSON when the first byte is `{`.
fn decode(value: &[u8]) -> Decoded {
    if value.first() == Some(&b'{') {
        return Decoded::Text(String::from_utf8_lossy(value).into_owned());
    }
    match envelope::decode(value) {
        Ok(Event {
            body: Body::Tick, ..
        }) => Decoded::Tick,
        Ok(event) => Decoded::Text(describe(&event)),
        Err(error) => Decoded::Text(format!(
            "{} bytes that cannot be read: {error}",
            value.len()
        )),
    }
}

fn describe(event: &Event) -> String {
    let what = match &event.body {
        Body::Position(position) => format!(
            "{} ({}) at x {:.2} m, y {:.2} m",
            position.traveler, position.traveler_type, position.x, position.y
        ),
        Body::Status(status) => match status.battery_percent {
            Some(percent) => format!("{}, battery {percent} %", status.state.as_str()),
            None => status.state.as_str().to_owned(),
        },
        Body::Tick => "tick".to_owned(),
    };
    format!("{} {what}", instant(event.event_time))
}

fn dead_letter(value: &[u8]) -> String {
    match DeadLetter::from_bytes(value) {
        Ok(letter) => format!(
            "{} {}: {} ({} bytes to {})",
            instant(Micros(letter.received_at_us)),
            letter.reason,
            letter.detail,
            letter.payload_bytes,
            letter.mqtt_topic
        ),
        Err(error) => format!("{} bytes that cannot be read: {error}", value.len()),
    }
}

/// RFC 3339 in UTC; the number itself when no calendar reaches that far.
fn instant(time: Micros) -> String {
    jiff::Timestamp::from_microsecond(time.0)
        .map_or_else(|_| format!("{} µs", time.0), |time| time.to_string())
}
