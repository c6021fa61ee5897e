//! What the model needs of a fold beside folding: records of its topic, and its rows and live values in one form.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use domain::fold::{Fold, Rows};
use domain::id::DeviceId;
use domain::live::LiveMap;
use domain::movement::{BlockRow, PaneRow, UpRow, VisitKey, VisitRow};
use domain::pane::PaneKey;
use domain::time::Micros;

use super::mutant::Mutant;

/// What a record says. Times are small numbers that each subject scales as it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    /// A device saw somebody. `id` is the identity of the event.
    Seen { device: u8, id: u16, at: i64 },
    /// The gateway's clock.
    Tick { at: i64 },
    /// Bytes that cannot be read.
    Junk,
    /// A record on which the fold panics half way.
    Poison,
}

/// A key of a table, the kind of row first.
pub(super) type Key = Vec<u8>;

/// Rows of panes, which stand in the live view too.
pub(super) const PANE: u8 = b'p';
/// Rows of late events.
pub(super) const LATE: u8 = b'l';

/// An absolute row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// Offset of the record that changed it last.
    pub(super) changed: i64,
    /// What it counts.
    pub(super) n: i64,
    pub(super) revision: u32,
    pub(super) rest: String,
    pub(super) kept: Kept,
}

/// A row in its own form, where a fold has to see it again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Kept {
    #[default]
    Nothing,
    Pane(PaneKey, PaneRow),
    Visit(VisitKey, VisitRow),
    Up((DeviceId, Micros), UpRow),
    Block(BlockRow),
}

/// Rows by key.
pub(super) type Table = BTreeMap<Key, Row>;

/// Live values by map and field.
pub(super) type View = BTreeMap<(LiveMap, Vec<u8>), Vec<u8>>;

/// The circumstances of a process.
#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings {
    pub(super) mutant: Option<Mutant>,
    /// The wall clock, which no fold may look at.
    pub(super) wall: Arc<AtomicI64>,
}

/// A fold that the model can drive.
pub(super) trait Subject: Fold {
    /// The parameters of a process that starts now.
    fn config(surroundings: &Surroundings) -> Self::Config;

    /// The value of a record.
    fn value(fact: Fact) -> Vec<u8>;

    /// The rows of a checkpoint in the model's form; `None` deletes.
    fn rows(rows: &Self::Rows) -> Vec<(Key, Option<Row>)>;

    /// What a fold wants to see of its own rows.
    fn past(want: <Self::Rows as Rows>::Want, rows: &Table) -> <Self::Rows as Rows>::Past;

    /// A pane of the live view in the form of its row, without the revision.
    fn pane(field: &[u8], value: &[u8]) -> (Key, Row);

    /// How many events the rows stand for once everything is final.
    fn counted(rows: &Table) -> i64;
}
