//! The movement fold: positions of travelers become visits, panes and live occupancy.
//!
//! The definitions are those of the design: *speed* between consecutive samples of one traveler at one sensor, ordered by
//! event time and then by event id; *visit* = samples without a gap above `idle_gap`; *pane* = ten seconds. The answer
//! depends on the set of events, never on the order in which they arrived. One that is older than its sensor's watermark
//! amends what was final, at the next tick, within 48 h.
//!
//! - `sensor`: one sensor's tracks, panes and clocks; `closing`: when visits close; `expiry`: what is final and let go;
//! - `track`: one traveler's samples and visits, and what a new sample changes; `visit`: one visit;
//! - `panes`: the panes of a sensor, changed by differences; `types`: its types of traveler;
//! - `late`: events behind the watermark; `recall`: how they are folded; `recalled`: into what, and `archive`: the same, packed;
//! - `rows`: what goes to Postgres; `live`: what goes to Redis; `snapshot`: the state as bytes.

mod archive;
mod closing;
mod expiry;
mod late;
mod live;
mod panes;
mod recall;
mod recalled;
mod rows;
mod sensor;
mod snapshot;
mod track;
mod types;
mod visit;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use archive::fuzz_block;
pub use rows::{
    BlockRow, LateRow, MovementRows, PaneRow, Past, SensorRow, Stretch, UpRow, VisitKey, VisitRow,
    Want,
};

use crate::canary::Canary;
use crate::envelope;
use crate::event::{Body, Event};
use crate::fold::{Fold, Outcome, RestoreError};
use crate::id::DeviceId;
use crate::live::LiveWrite;
use crate::rejection::{Reason, Rejection};
use crate::time::{Micros, Span};
use crate::topic;
use late::AMEND_EVERY;
use recalled::Recalled;
use sensor::Sensor;

/// The parameters of the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovementConfig {
    /// A longer pause between two samples of a traveler starts a new visit.
    pub idle_gap: Span,
    /// How far behind its sensor's newest event an event may be and still be folded.
    pub lateness: Span,
    /// How long after its end a pane settles, so that its row is written.
    pub settle: Span,
    /// A longer silence of a sensor is not covered, unless it is usual ([`crate::coverage::rhythm`]).
    pub silent_after: Span,
    /// Ticks make everything final that is older than this, even at a sensor that never returns.
    pub amend_horizon: Span,
    /// A sensor that said nothing for this long is moved on by ticks.
    pub quiet_after: Span,
}

impl Default for MovementConfig {
    fn default() -> Self {
        Self {
            idle_gap: Span::from_secs(30),
            lateness: Span::from_secs(20 * 60),
            settle: Span::from_secs(30),
            silent_after: Span::from_secs(60),
            amend_horizon: Span::from_secs(48 * 3600),
            quiet_after: Span::from_secs(20),
        }
    }
}

/// The state of one partition of `sensor-movements`.
#[derive(Debug)]
pub struct MovementFold {
    config: MovementConfig,
    /// The newest tick.
    tick: Micros,
    /// The tick at which late events were folded last.
    amended_at: Micros,
    /// How many late events wait for a tick.
    late_waiting: usize,
    sensors: HashMap<DeviceId, Sensor>,
    /// Rows that the next checkpoint takes.
    rows: MovementRows,
}

impl Fold for MovementFold {
    const NAME: &'static str = "movement";
    const TOPIC: &'static str = topic::SENSOR_MOVEMENTS;
    const VERSION: i32 = 3;
    type Config = MovementConfig;
    type Record = Event;
    type Rows = MovementRows;

    fn decode(value: &[u8]) -> Result<Event, Rejection> {
        envelope::decode(value)
            .map_err(|error| Rejection::new(Reason::Undecodable, error.to_string()))
    }

    fn received_at(record: &Event) -> Option<Micros> {
        // Ticks as well: while every sensor is silent, they tell that the live view is not behind.
        Some(record.received_at)
    }

    fn canary(record: &Event) -> Option<(Canary, Micros)> {
        Some((Canary::of(record)?, record.event_time))
    }

    fn new(config: &MovementConfig) -> Self {
        Self {
            config: config.clone(),
            tick: Micros::MIN,
            amended_at: Micros::MIN,
            late_waiting: 0,
            sensors: HashMap::new(),
            rows: MovementRows::default(),
        }
    }

    fn apply(&mut self, event: Event, offset: i64) -> Outcome {
        let Event {
            device,
            event_time,
            received_at,
            time_source,
            key,
            has_event_id,
            body,
        } = event;
        if matches!(body, Body::Tick) {
            self.tick(event_time, offset);
            return Outcome::Marker;
        }
        let sensor = self
            .sensors
            .entry(device)
            .or_insert_with_key(|name| Sensor::new(name.clone()));
        let mut step = sensor::Step {
            config: &self.config,
            rows: &mut self.rows,
            tick: self.tick,
            offset,
            event_time,
            received_at,
            is_late: false,
        };
        let outcome = match body {
            Body::Position(position) => {
                let identity = track::Identity {
                    key,
                    time_source,
                    has_event_id,
                };
                sensor.position(position, identity, &mut step)
            }
            Body::Status(status) => sensor.status(&status, &mut step),
            Body::Tick => Outcome::Ignored,
        };
        self.late_waiting += usize::from(outcome == Outcome::Late);
        outcome
    }

    fn is_due(&self, event: &Event) -> bool {
        self.late_waiting > 0
            && matches!(event.body, Body::Tick)
            && event.event_time - self.amended_at >= AMEND_EVERY
    }

    fn wants(&self) -> Want {
        let mut stretches: Vec<_> = self
            .sensors
            .values()
            .flat_map(|sensor| sensor.stretches(&self.config))
            .collect();
        stretches.sort_unstable_by(|a, b| (&a.sensor, a.from).cmp(&(&b.sensor, b.from)));
        Want { stretches }
    }

    fn amend(&mut self, past: Past, tick: &Event, offset: i64) -> Option<Want> {
        let mut want = Want::default();
        let mut is_short = false;
        let mut recalled = Vec::new();
        let mut of_each = Recalled::of_each(past);
        for sensor in self
            .sensors
            .values()
            .filter(|sensor| !sensor.late.is_empty())
        {
            let mut of_it = of_each.remove(&sensor.name).unwrap_or_default();
            of_it.unpack(sensor, &self.config);
            let grown = sensor.short_of(&of_it, self.tick, &self.config);
            is_short |= grown.is_some();
            want.stretches
                .extend(grown.unwrap_or_else(|| of_it.stretches.clone()));
            recalled.push((sensor.name.clone(), of_it));
        }
        if is_short {
            return Some(want);
        }
        for (name, of_it) in recalled {
            let mut step = sensor::Step {
                config: &self.config,
                rows: &mut self.rows,
                tick: self.tick,
                offset,
                event_time: tick.event_time,
                received_at: tick.received_at,
                is_late: true,
            };
            if let Some(sensor) = self.sensors.get_mut(&name) {
                sensor.amend(&of_it, &mut step);
            }
        }
        self.amended_at = tick.event_time;
        self.late_waiting = 0;
        None
    }

    fn give_up(&mut self) {
        for sensor in self.sensors.values_mut() {
            sensor.give_up(&mut self.rows);
        }
        self.late_waiting = 0;
    }

    fn drain_rows(&mut self) -> MovementRows {
        for sensor in self.sensors.values_mut() {
            sensor.drain_rows(&self.config, &mut self.rows);
        }
        std::mem::take(&mut self.rows)
    }

    fn drain_live(&mut self, with_visits: bool) -> Vec<LiveWrite> {
        let mut writes = Vec::new();
        for sensor in self.sensors.values_mut() {
            sensor.drain_live(&self.config, with_visits, &mut writes);
        }
        writes
    }

    fn all_live(&mut self) -> Vec<LiveWrite> {
        let mut writes = Vec::new();
        for sensor in self.sensors.values_mut() {
            sensor.all_live(&self.config, &mut writes);
        }
        writes
    }

    fn watermark(&self) -> Option<Micros> {
        let active_from = self.tick - self.config.amend_horizon;
        self.sensors
            .values()
            .filter(|sensor| sensor.last_event >= active_from)
            .map(|sensor| sensor.watermark)
            .min()
    }

    fn snapshot(&mut self) -> Vec<u8> {
        for sensor in self.sensors.values_mut() {
            sensor.refresh_all_extremes(self.config.idle_gap);
        }
        snapshot::write(self)
    }

    fn restore(bytes: &[u8], config: &MovementConfig) -> Result<Self, RestoreError> {
        snapshot::read(bytes, config)
    }
}

impl MovementFold {
    /// A gateway's clock: moves on the sensors that are silent, so that visits close and panes settle.
    fn tick(&mut self, at: Micros, offset: i64) {
        if at <= self.tick {
            return;
        }
        self.tick = at;
        for sensor in self.sensors.values_mut() {
            sensor.tick(at, offset, &self.config, &mut self.rows);
        }
    }
}
