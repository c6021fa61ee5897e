//! What the fuzzer in `fuzz/` calls. Each function takes any bytes and panics when a promise is broken.

mod movement;

use prost::Message as _;

pub use movement::movement;

use crate::canary::Canary;
use crate::dead_letter::DeadLetter;
use crate::envelope;
use crate::event::{Body, Event};
use crate::fold::{Fold as _, Outcome};
use crate::live::{Frame, pane_field, parse_pane_field};
use crate::movement::{MovementConfig, MovementFold};
use crate::sketch::Sketch;
use crate::time::Micros;

/// The value of a Kafka record, or of a field in Redis: what can be read is what would be written, and can be folded.
pub fn envelope(data: &[u8]) {
    if let Ok(event) = envelope::decode(data) {
        let written = envelope::encode(event.clone());
        let again = envelope::decode(&written).expect("what was read can be written and read");
        assert_eq!(again, event);
        if let Some(canary) = Canary::of(&event) {
            assert!(is_storable(&canary.gateway.0) && i64::try_from(canary.sequence).is_ok());
        }
        fold_twice(event);
    }
    if let Ok(letter) = DeadLetter::from_bytes(data) {
        let again = DeadLetter::from_bytes(&letter.to_bytes());
        assert_eq!(again.expect("a letter that was read can be read"), letter);
        assert!((Micros::FIRST..=Micros::LAST).contains(&letter.received_at()));
    }
    if let Ok(frame) = Frame::decode(data) {
        assert_eq!(Frame::decode(&*frame.encode_to_vec()), Ok(frame));
    }
    if let Some(key) = parse_pane_field(data) {
        assert_eq!(pane_field(&key), data);
    }
    if let Some(sketch) = Sketch::from_bytes(data) {
        assert_eq!(Sketch::from_bytes(&sketch.to_bytes()), Some(sketch));
    }
}

/// An event that can be decoded can be folded, is known when it comes again, and gives rows that Postgres takes.
fn fold_twice(event: Event) {
    let is_position = matches!(event.body, Body::Position(_));
    let mut fold = MovementFold::new(&MovementConfig::default());
    fold.apply(event.clone(), 0);
    let again = fold.apply(event, 1);
    assert!(!is_position || again == Outcome::Duplicate, "{again:?}");
    fold.apply(far_tick(), 2);
    for key in fold.drain_rows().visits.keys() {
        for name in [
            key.sensor.as_str(),
            key.traveler.as_str(),
            key.traveler_type.as_str(),
        ] {
            assert!(is_storable(name));
        }
        // Nor has it a year before 4714 BC.
        assert!((Micros::FIRST..=Micros::LAST).contains(&key.entered_at));
    }
    fold.all_live();
}

/// Postgres has no NUL in text, and no key above 2,704 bytes.
fn is_storable(name: &str) -> bool {
    !name.contains('\0') && (1..=256).contains(&name.len())
}

/// A tick after everything that a calendar can name.
fn far_tick() -> Event {
    Event {
        device: "".into(),
        event_time: Micros::LAST,
        received_at: Micros::LAST,
        time_source: crate::event::TimeSource::Device,
        key: crate::event_key::EventKey::default(),
        has_event_id: false,
        body: Body::Tick,
    }
}

/// A state from the ledger's database: broken bytes are refused, and a state that is taken is one that can be written.
pub fn snapshot(data: &[u8]) {
    let config = MovementConfig::default();
    let Ok(mut fold) = MovementFold::restore(data, &config) else {
        return;
    };
    fold.all_live();
    fold.watermark();
    let written = fold.snapshot();
    let mut again = MovementFold::restore(&written, &config).expect("what was written can be read");
    assert_eq!(again.snapshot(), written);
}

/// What a sensor saw once, from the ledger's database.
pub fn block(data: &[u8]) {
    crate::movement::fuzz_block(data);
}

#[cfg(test)]
#[path = "../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;
    use super::*;

    #[test]
    fn the_corpus_of_records_holds() {
        replay("envelope", envelope);
    }

    #[test]
    fn the_corpus_of_snapshots_holds() {
        replay("snapshot", snapshot);
    }

    #[test]
    fn the_corpus_of_blocks_holds() {
        replay("block", block);
    }

    #[test]
    fn a_state_that_no_fold_has_is_refused() {
        let config = MovementConfig::default();
        let is_taken = |bytes: &[u8]| MovementFold::restore(bytes, &config).is_ok();
        assert!(is_taken(include_bytes!("../../fuzz/corpus/snapshot/pane")));
        assert!(!is_taken(include_bytes!(
            "../../fuzz/findings/snapshot/a-pane-of-an-unknown-type"
        )));
        assert!(!is_taken(include_bytes!(
            "../../fuzz/findings/snapshot/a-sign-of-life-outside-of-its-pane"
        )));
    }

    #[test]
    fn the_corpus_of_folds_holds() {
        replay("movement", movement);
    }
}
