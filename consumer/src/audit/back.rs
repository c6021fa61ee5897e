//! Rows of the movement fold back from cells, for events that come late. `None` for a row of another form, which the audit itself
//! never writes.

use domain::coverage::from_stored;
use domain::id::DeviceId;
use domain::movement::{BlockRow, PaneRow, UpRow, VisitKey, VisitRow};
use domain::pane::{Pane, PaneKey, SpeedStats};
use domain::quantity::{Distance, Speed};
use domain::sketch::Sketch;
use domain::time::Micros;

use super::cell::{Cell, Row};

/// The cells of a row, one after another.
struct Cells<'a>(std::slice::Iter<'a, Cell>);

impl Cells<'_> {
    fn time(&mut self) -> Option<Micros> {
        match self.0.next()? {
            Cell::Time(at) => Some(*at),
            _ => None,
        }
    }

    fn text(&mut self) -> Option<String> {
        match self.0.next()? {
            Cell::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    fn int(&mut self) -> Option<i64> {
        match self.0.next()? {
            Cell::Int(number) => Some(*number),
            _ => None,
        }
    }

    fn count(&mut self) -> Option<u32> {
        u32::try_from(self.int()?).ok()
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        match self.0.next()? {
            Cell::Bytes(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }

    fn bool(&mut self) -> Option<bool> {
        match self.0.next()? {
            Cell::Bool(is_so) => Some(*is_so),
            _ => None,
        }
    }
}

/// A pane.
pub(super) fn pane(row: &Row) -> Option<(PaneKey, PaneRow)> {
    let mut cells = Cells(row.0.iter());
    let key = PaneKey {
        start: cells.time()?,
        sensor: cells.text()?.into(),
        traveler_type: cells.text()?.into(),
    };
    let mut pane = Pane {
        entered: cells.count()?,
        present: cells.count()?,
        speed: SpeedStats {
            n: cells.count()?,
            sum: Speed(cells.int()?),
            min: Speed(cells.int()?),
            max: Speed(cells.int()?),
            sketch: Sketch::from_bytes(&cells.bytes()?)?,
        },
        revised: 0,
    };
    let (changed_offset, revision) = (cells.int()?, cells.count()?);
    pane.revised = u32::from(cells.bool()?);
    let row = PaneRow {
        pane,
        changed_offset,
        revision,
    };
    Some((key, row))
}

/// A visit.
pub(super) fn visit(row: &Row) -> Option<(VisitKey, VisitRow)> {
    let mut cells = Cells(row.0.iter());
    let key = VisitKey {
        entered_at: cells.time()?,
        sensor: cells.text()?.into(),
        traveler: cells.text()?.into(),
        traveler_type: cells.text()?.into(),
    };
    let row = VisitRow {
        left_at: cells.time()?,
        samples: cells.count()?,
        distance: Distance(cells.int()?),
        speed_n: cells.count()?,
        speed_sum: Speed(cells.int()?),
        speed_min: Speed(cells.int()?),
        speed_max: Speed(cells.int()?),
        revision: cells.count()?,
        revised: cells.bool()?,
    };
    Some((key, row))
}

/// An hour of coverage.
pub(super) fn up(row: &Row) -> Option<((DeviceId, Micros), UpRow)> {
    let mut cells = Cells(row.0.iter());
    let (hour, sensor) = (cells.time()?, cells.text()?);
    let bits = from_stored(&cells.bytes()?)?;
    Some(((sensor.into(), hour), UpRow { bits }))
}

/// A block of samples.
pub(super) fn block(row: &Row) -> Option<BlockRow> {
    let mut cells = Cells(row.0.iter());
    Some(BlockRow {
        hour: cells.time()?,
        sensor: cells.text()?.into(),
        part: cells.int()?,
        bytes: cells.bytes()?,
    })
}
