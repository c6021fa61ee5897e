//! Letters as a person or a script reads them.

use std::fmt::Write as _;

use domain::time::Micros;
use serde_json::json;

use super::table::Letter;
use crate::output;

/// Longest explanation in a line of `list`.
const DETAIL_CHARS_MAX: usize = 80;

/// One line per letter.
pub(super) fn table(letters: &[Letter]) -> Vec<String> {
    let head = [
        "ID", "RECEIVED", "REASON", "DEVICE", "FROM", "BYTES", "REPLAYED", "DETAIL",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for letter in letters {
        rows.push(vec![
            letter.id.to_string(),
            Micros(letter.received_us).to_string(),
            letter.reason.clone(),
            letter.device.clone().unwrap_or_else(|| "-".to_owned()),
            from(letter),
            length(letter),
            replayed(letter),
            letter.detail.chars().take(DETAIL_CHARS_MAX).collect(),
        ]);
    }
    output::table(&rows)
}

/// Every field, the payload last.
pub(super) fn whole(letter: &Letter) -> Vec<String> {
    let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let rows = [
        ("id", letter.id.to_string()),
        ("received", Micros(letter.received_us).to_string()),
        ("reason", letter.reason.clone()),
        ("detail", letter.detail.clone()),
        ("device", or_dash(&letter.device)),
        ("mqtt topic", or_dash(&letter.mqtt_topic)),
        ("decoder", or_dash(&letter.decoder)),
        ("topic", letter.topic.clone()),
        ("partition", letter.partition.to_string()),
        ("offset", letter.record_offset.to_string()),
        ("replayed", replayed(letter)),
        ("bytes", length(letter)),
    ];
    let mut lines = output::table(&rows.map(|(name, value)| vec![name.to_owned(), value]));
    lines.push(payload(&letter.payload).0);
    lines
}

/// The letter as one JSON object.
pub(super) fn json(letter: &Letter) -> String {
    let (text, encoding) = payload(&letter.payload);
    json!({
        "id": letter.id,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.record_offset,
        "reason": letter.reason,
        "detail": letter.detail,
        "device": letter.device,
        "mqtt_topic": letter.mqtt_topic,
        "decoder": letter.decoder,
        "payload": text,
        "payload_encoding": encoding,
        "payload_bytes": letter.payload_bytes,
        "received_at": Micros(letter.received_us).to_string(),
        "replayed_at": letter.replayed_us.map(|at| Micros(at).to_string()),
    })
    .to_string()
}

/// The payload as text when it is one, else in hexadecimal; and which of the two.
fn payload(bytes: &[u8]) -> (String, &'static str) {
    let is_shown = |c: char| !c.is_control() || c == '\n' || c == '\t';
    match std::str::from_utf8(bytes) {
        Ok(text) if text.chars().all(is_shown) => (text.to_owned(), "text"),
        _ => {
            let mut hex = String::with_capacity(2 * bytes.len());
            for byte in bytes {
                write!(hex, "{byte:02x}").expect("a string takes everything");
            }
            (hex, "hex")
        }
    }
}

/// Where it came from: the MQTT topic, or the place in Kafka.
fn from(letter: &Letter) -> String {
    match &letter.mqtt_topic {
        Some(topic) => topic.clone(),
        None => format!(
            "{} {}@{}",
            letter.topic, letter.partition, letter.record_offset
        ),
    }
}

fn length(letter: &Letter) -> String {
    let kept = letter.payload.len();
    match letter.payload_bytes {
        Some(all) if usize::try_from(all) != Ok(kept) => format!("{kept} of {all}"),
        _ => kept.to_string(),
    }
}

fn replayed(letter: &Letter) -> String {
    let at = letter.replayed_us.map(|at| Micros(at).to_string());
    at.unwrap_or_else(|| "-".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_shown_in_hexadecimal() {
        assert_eq!(payload(b"{\"x\":1}\n"), ("{\"x\":1}\n".to_owned(), "text"));
        assert_eq!(payload(b"a\x1b[2J"), ("611b5b324a".to_owned(), "hex"));
        assert_eq!(payload(b"\xff"), ("ff".to_owned(), "hex"));
    }
}
