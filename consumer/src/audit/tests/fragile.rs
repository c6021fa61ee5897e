//! The movement fold does not panic, so a fold around it does.

use domain::canary::Canary;
use domain::event::{Body, Event};
use domain::fold::{Fold, Outcome, RestoreError, Rows};
use domain::live::{LiveMap, LiveWrite};
use domain::movement::{MovementConfig, MovementFold, MovementRows, Stretch, Want};
use domain::rejection::Rejection;
use domain::time::Micros;
use domain::topic::SENSOR_MOVEMENTS;

use crate::audit::cell::{Row, Table};
use crate::audit::live::Gone;
use crate::audit::rows::{Audited, ReadRows};
use crate::audit::store::Write;

/// Panics when it is read.
pub(super) const UNREADABLE: &[u8] = b"a bomb that goes off while it is decoded";
/// A traveler who makes the fold panic half way.
pub(super) const BOMB: &str = "bomb";
/// A traveler who makes it panic when the late event is folded.
pub(super) const LATE_BOMB: &str = "late bomb";

/// The movement fold, except that it panics.
#[derive(Debug)]
pub(super) struct Fragile {
    fold: MovementFold,
    /// A late event waits that makes it panic.
    is_armed: bool,
}

impl Fold for Fragile {
    const NAME: &'static str = "fragile";
    const TOPIC: &'static str = SENSOR_MOVEMENTS;
    const VERSION: i32 = MovementFold::VERSION;
    type Config = MovementConfig;
    type Record = Event;
    type Rows = MovementRows;

    fn decode(value: &[u8]) -> Result<Event, Rejection> {
        assert_ne!(value, UNREADABLE, "a bomb");
        MovementFold::decode(value)
    }

    fn received_at(record: &Event) -> Option<Micros> {
        MovementFold::received_at(record)
    }

    fn canary(record: &Event) -> Option<(Canary, Micros)> {
        MovementFold::canary(record)
    }

    fn new(config: &MovementConfig) -> Self {
        let fold = MovementFold::new(config);
        Self {
            fold,
            is_armed: false,
        }
    }

    fn apply(&mut self, record: Event, offset: i64) -> Outcome {
        let of = |name: &str| matches!(&record.body, Body::Position(position) if position.traveler.0 == name);
        let (is_bomb, is_late_bomb) = (of(BOMB), of(LATE_BOMB));
        let outcome = self.fold.apply(record, offset);
        assert!(!is_bomb, "a bomb");
        self.is_armed |= is_late_bomb;
        outcome
    }

    fn is_due(&self, record: &Event) -> bool {
        self.fold.is_due(record)
    }

    fn wants(&self) -> <MovementRows as Rows>::Want {
        self.fold.wants()
    }

    fn amend(
        &mut self,
        past: <MovementRows as Rows>::Past,
        record: &Event,
        offset: i64,
    ) -> Option<<MovementRows as Rows>::Want> {
        let more = self.fold.amend(past, record, offset);
        assert!(!self.is_armed, "a late bomb");
        more
    }

    fn give_up(&mut self) {
        self.is_armed = false;
        self.fold.give_up();
    }

    fn drain_rows(&mut self) -> MovementRows {
        self.fold.drain_rows()
    }

    fn drain_live(&mut self, with_visits: bool) -> Vec<LiveWrite> {
        self.fold.drain_live(with_visits)
    }

    fn all_live(&mut self) -> Vec<LiveWrite> {
        self.fold.all_live()
    }

    fn watermark(&self) -> Option<Micros> {
        self.fold.watermark()
    }

    fn snapshot(&mut self) -> Vec<u8> {
        let mut bytes = self.fold.snapshot();
        bytes.push(u8::from(self.is_armed));
        bytes
    }

    fn restore(bytes: &[u8], config: &MovementConfig) -> Result<Self, RestoreError> {
        let (armed, bytes) = bytes.split_last().unwrap();
        Ok(Self {
            fold: MovementFold::restore(bytes, config)?,
            is_armed: *armed == 1,
        })
    }
}

impl Audited for Fragile {
    const TABLES: &'static [Table] = MovementFold::TABLES;

    fn writes(rows: MovementRows, partition: i32) -> Vec<(&'static Table, Vec<Write>)> {
        MovementFold::writes(rows, partition)
    }

    fn stretches(want: &Want) -> &[Stretch] {
        MovementFold::stretches(want)
    }

    fn past(
        want: Want,
        read: &mut ReadRows<'_>,
    ) -> Result<<MovementRows as Rows>::Past, redb::Error> {
        MovementFold::past(want, read)
    }

    fn row_of_live(map: LiveMap, field: &[u8]) -> Option<(&'static Table, Row)> {
        MovementFold::row_of_live(map, field)
    }

    fn gone(row: &Row, found: &[u8]) -> Gone {
        MovementFold::gone(row, found)
    }
}
