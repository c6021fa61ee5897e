//! Any sequence of events, ticks, checkpoints and restarts through the movement fold.
//!
//! Besides that nothing panics: a restart changes nothing, and at the end every sample that was folded is in exactly one
//! visit, every visit was entered in one pane, and every speed is in one pane. So nothing is lost and nothing is twice.

use arbitrary::{Result, Unstructured};

use crate::event::{Body, DeviceState, Event, Position, Status, TimeSource};
use crate::event_key::EventKey;
use crate::fold::{Fold as _, Outcome, Rows as _};
use crate::live::LiveWrite;
use crate::movement::{MovementConfig, MovementFold, MovementRows, Past};
use crate::pane::PANE;
use crate::time::{Micros, Span};

/// More steps than this find nothing new.
const STEPS_MAX: usize = 400;

/// 2023-11-14T22:13:20Z, where the sensors' time begins.
const START: Micros = Micros(1_700_000_000_000_000);

/// The last instant that an event may have here, so that ticks can close what it opened: three days before the last of all.
const LATEST: Micros = Micros(Micros::LAST.0 - 3 * 86_400_000_000);

struct Run {
    config: MovementConfig,
    fold: MovementFold,
    rows: MovementRows,
    offset: i64,
    now: Micros,
    applied: u64,
}

/// See the module.
pub fn movement(data: &[u8]) {
    let mut script = Unstructured::new(data);
    let Ok(mut run) = Run::begin(&mut script) else {
        return;
    };
    for _ in 0..STEPS_MAX {
        if script.is_empty() || run.step(&mut script).is_err() {
            break;
        }
    }
    run.end();
}

impl Run {
    fn begin(script: &mut Unstructured<'_>) -> Result<Self> {
        let config = MovementConfig {
            idle_gap: Span::from_secs(script.int_in_range(1..=60)?),
            // Short, or so long that nothing is late.
            lateness: *script.choose(&[
                Span::from_secs(120),
                Span::from_secs(20 * 60),
                Micros::LAST - Micros::FIRST,
            ])?,
            ..MovementConfig::default()
        };
        Ok(Self {
            fold: MovementFold::new(&config),
            config,
            rows: MovementRows::default(),
            offset: 0,
            now: START,
            applied: 0,
        })
    }

    fn step(&mut self, script: &mut Unstructured<'_>) -> Result<()> {
        match script.int_in_range(0..=15_u8)? {
            0..=8 => {
                let position = position(script)?;
                let event_time = self.instant(script)?;
                let outcome = self.apply(script, event_time, Body::Position(position))?;
                // A late one is counted when it amends something: then it has a row.
                self.applied += u64::from(outcome == Outcome::Applied);
            }
            9 | 10 => {
                let status = status(script)?;
                let event_time = self.instant(script)?;
                self.apply(script, event_time, Body::Status(status))?;
            }
            11 | 12 => {
                let event_time = self.instant(script)?;
                self.apply(script, event_time, Body::Tick)?;
            }
            13 => self.rows.absorb(self.fold.drain_rows()),
            14 => drop(self.fold.drain_live(script.arbitrary()?)),
            _ => self.restart(),
        }
        Ok(())
    }

    /// Mostly near the last one, sometimes anywhere, often exactly on a pane.
    fn instant(&mut self, script: &mut Unstructured<'_>) -> Result<Micros> {
        let near = |tenths: i64| Micros(self.now.0 + tenths * 100_000);
        let at = match script.int_in_range(0..=7_u8)? {
            0..=3 => near(i64::from(script.arbitrary::<u8>()?)),
            4 => near(i64::from(script.arbitrary::<i16>()?)),
            5 => near(i64::from(script.arbitrary::<i16>()?)).floor(PANE),
            6 => Micros(self.now.0 + i64::from(script.arbitrary::<i8>()?)),
            _ => Micros(script.int_in_range(Micros::FIRST.0..=LATEST.0)?),
        };
        self.now = Micros(at.0.clamp(Micros::FIRST.0, LATEST.0));
        Ok(self.now)
    }

    fn apply(
        &mut self,
        script: &mut Unstructured<'_>,
        event_time: Micros,
        body: Body,
    ) -> Result<Outcome> {
        let event = Event {
            device: (*script.choose(&["ent-1", "ent-2"])?).into(),
            event_time,
            received_at: event_time,
            time_source: *script.choose(&[
                TimeSource::Device,
                TimeSource::Device,
                TimeSource::Received,
                TimeSource::Suspect,
            ])?,
            key: EventKey::from_bytes(&[script.int_in_range(0..=7)?; 16]),
            has_event_id: script.arbitrary()?,
            body,
        };
        Ok(self.fold_one(event))
    }

    /// Folds an event as the engine does: the fold sees its own past when it has to.
    fn fold_one(&mut self, event: Event) -> Outcome {
        if self.fold.is_due(&event) {
            self.rows.absorb(self.fold.drain_rows());
            let mut wanted = Some(self.fold.wants());
            while let Some(want) = wanted {
                let past = Past::of(&self.rows, want);
                wanted = self.fold.amend(past, &event, self.offset);
            }
        }
        let outcome = self.fold.apply(event, self.offset);
        self.offset += 1;
        outcome
    }

    /// A checkpoint, the end of the process, and the next owner: the same state, to the byte and in the live view.
    fn restart(&mut self) {
        self.rows.absorb(self.fold.drain_rows());
        let written = self.fold.snapshot();
        let mut restored =
            MovementFold::restore(&written, &self.config).expect("what was written can be read");
        assert_eq!(restored.snapshot(), written, "a restart keeps every byte");
        assert_eq!(restored.watermark(), self.fold.watermark());
        let (before, after) = (panes(&mut self.fold), panes(&mut restored));
        assert_eq!(before, after, "a restart keeps the live view");
        self.fold = restored;
    }

    /// Two ticks after everything close and settle all there is; then the rows have to add up.
    fn end(mut self) {
        for event_time in [Micros::LAST, Micros::LAST + PANE] {
            let tick = Event {
                event_time,
                ..super::far_tick()
            };
            self.fold_one(tick);
        }
        self.rows.absorb(self.fold.drain_rows());
        let visits: Vec<_> = self.rows.visits.values().flatten().collect();
        let samples: u64 = visits.iter().map(|visit| u64::from(visit.samples)).sum();
        let amended = self.rows.late.iter().filter(|row| row.amended).count() as u64;
        assert_eq!(
            samples,
            self.applied + amended,
            "each sample is in one visit"
        );
        let panes = || self.rows.panes.values().map(|row| &row.pane);
        let entered: u64 = panes().map(|pane| u64::from(pane.entered)).sum();
        assert_eq!(entered, visits.len() as u64, "each visit began in one pane");
        let speeds: u64 = panes().map(|pane| u64::from(pane.speed.n)).sum();
        let steps: u64 = visits.iter().map(|visit| u64::from(visit.speed_n)).sum();
        assert_eq!(speeds, steps, "each speed is in one pane");
        let sum: i128 = panes().map(|pane| i128::from(pane.speed.sum.0)).sum();
        let steps: i128 = visits
            .iter()
            .map(|visit| i128::from(visit.speed_sum.0))
            .sum();
        assert_eq!(sum, steps, "by its value");
    }
}

/// The panes and sensors of the live view. Visits that closed a moment ago are shown as long as the process lives.
fn panes(fold: &mut MovementFold) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let mut writes: Vec<_> = fold
        .all_live()
        .into_iter()
        .filter(|write| write.map != crate::live::LiveMap::Visits)
        .map(|LiveWrite { field, value, .. }| (field, value))
        .collect();
    writes.sort_unstable();
    writes
}

fn position(script: &mut Unstructured<'_>) -> Result<Position> {
    let coordinates = [0.0, 0.5, -3.0, 12.25, 1e-9, 1e3];
    Ok(Position {
        traveler: (*script.choose(&["a", "b", "c"])?).into(),
        traveler_type: (*script.choose(&["person", "student"])?).into(),
        x: *script.choose(&coordinates)?,
        y: *script.choose(&coordinates)?,
    })
}

fn status(script: &mut Unstructured<'_>) -> Result<Status> {
    let states = [
        DeviceState::Online,
        DeviceState::Offline,
        DeviceState::Heartbeat,
    ];
    Ok(Status {
        state: *script.choose(&states)?,
        battery_percent: None,
        firmware: None,
    })
}
