//! What the fuzzer in `fuzz/` calls. It takes any bytes and panics when a promise is broken.

use domain::envelope;
use domain::rejection::{DETAIL_BYTES_MAX, Reason};
use domain::time::Micros;
use jiff::tz::TimeZone;
use serde_json::value::RawValue;

use crate::text::check_name;
use crate::{Decoded, Decoder, ELEMENTS_MAX, Message, Overrides, Unit, decode};

/// A payload on a native topic; the first byte says which topic, and what the route knows.
///
/// Every event survives its way through Kafka, what is refused is named and found in the payload, and an element is judged
/// for itself: in an array it becomes what it becomes alone.
pub fn native(data: &[u8]) {
    let Some((&knobs, payload)) = data.split_first() else {
        return;
    };
    let overrides = Overrides {
        zone: None,
        timezone: (knobs & 4 != 0).then(central_european),
        unit: Unit::ALL[usize::from(knobs >> 4 & 3)],
    };
    let kind = ["positions", "status", "positions", "weather"][usize::from(knobs & 3)];
    let message = Message {
        topic: "footfall/main/ent-1/positions",
        device: (knobs & 8 == 0).then_some("ent-1"),
        kind,
        payload,
        received_at: Micros(1_742_375_113_000_000),
        overrides: &overrides,
    };
    let decoded = decode(Decoder::Native, &message);
    check(&decoded, payload);
    if kind != "weather" {
        elements_stand_alone(&message, &decoded);
    }
}

/// A zone with two offsets that needs no database.
fn central_european() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a POSIX zone")
}

fn check(decoded: &Decoded<'_>, payload: &[u8]) {
    for event in &decoded.events {
        let read = envelope::decode(&envelope::encode(event.clone()));
        assert_eq!(&read.expect("an event can be read back"), event);
        assert_eq!(check_name("device", event.device.as_str()), Ok(()));
    }
    let payload = payload.as_ptr_range();
    for refused in &decoded.refused {
        let bytes = refused.bytes.as_ptr_range();
        assert!(payload.start <= bytes.start && bytes.end <= payload.end);
        assert!(!refused.rejection.detail.is_empty());
        assert!(
            refused.rejection.detail.len() <= DETAIL_BYTES_MAX,
            "{refused:?}"
        );
    }
    assert_eq!(
        decoded.to_lines().len(),
        decoded.events.len() + decoded.refused.len()
    );
}

/// One bad element rejects that element only, and no element changes what another one means.
fn elements_stand_alone(message: &Message<'_>, decoded: &Decoded<'_>) {
    let Ok(text) = std::str::from_utf8(message.payload) else {
        return;
    };
    if !text.trim_ascii_start().starts_with('[') {
        return;
    }
    let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(text) else {
        return;
    };
    if elements.len() > ELEMENTS_MAX {
        assert_eq!(decoded.refused[0].rejection.reason, Reason::TooLarge);
        assert_eq!((decoded.events.len(), decoded.refused.len()), (0, 1));
        return;
    }
    let (mut events, mut refused) = (Vec::new(), Vec::new());
    for element in elements {
        let payload = format!("[{}]", element.get());
        let alone = decode(
            Decoder::Native,
            &Message {
                payload: payload.as_bytes(),
                ..*message
            },
        );
        assert_eq!(alone.events.len() + alone.refused.len(), 1, "{payload}");
        events.extend(alone.events);
        let reason = alone
            .refused
            .first()
            .map(|refused| refused.rejection.reason);
        refused.extend(reason.map(|reason| (reason, element.get().as_bytes())));
    }
    assert_eq!(decoded.events, events);
    let together: Vec<_> = decoded
        .refused
        .iter()
        .map(|refused| (refused.rejection.reason, refused.bytes))
        .collect();
    assert_eq!(together, refused);
}

#[cfg(test)]
#[path = "../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn the_corpus_of_native_payloads_holds() {
        replay("native", super::native);
    }
}
