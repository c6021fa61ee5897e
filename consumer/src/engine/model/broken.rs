//! The real movement fold with its mutants: what the product would be if it forgot, dropped, or looked at another clock.
//! Without one it is the movement fold itself.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use domain::event::{Body, Event};
use domain::event_key::EventKey;
use domain::fold::{Fold, Outcome, RestoreError};
use domain::live::LiveWrite;
use domain::movement::{MovementConfig, MovementFold, MovementRows, Past, Want};
use domain::rejection::Rejection;
use domain::time::Micros;

use super::movement::instant;
use super::mutant::Mutant;
use super::subject::{Fact, Key, Row, Subject, Surroundings, Table};

/// See the module.
#[derive(Debug)]
pub(super) struct Broken {
    fold: MovementFold,
    config: BrokenConfig,
    /// The events so far.
    seen: BTreeSet<EventKey>,
    /// Those of which [`Mutant::DedupeForgotten`] knows nothing any more.
    forgotten: BTreeSet<EventKey>,
}

#[derive(Clone, Debug)]
pub(super) struct BrokenConfig {
    movement: MovementConfig,
    surroundings: Surroundings,
    /// Where [`Mutant::DedupeOutside`] keeps what was seen: in the process.
    outside: Arc<Mutex<BTreeSet<EventKey>>>,
}

impl Broken {
    fn of(fold: MovementFold, config: &BrokenConfig, forgotten: BTreeSet<EventKey>) -> Self {
        Self {
            fold,
            config: config.clone(),
            seen: forgotten.clone(),
            forgotten,
        }
    }

    /// What the fold would make of an event, found out with a copy of it.
    fn foresee(&mut self, event: Event, offset: i64) -> Outcome {
        let bytes = self.fold.snapshot();
        let copy = MovementFold::restore(&bytes, &self.config.movement);
        copy.unwrap().apply(event, offset)
    }

    /// An event as the mutant sees it; `Err` says what becomes of it without being folded.
    fn seen_by(&mut self, mutant: Mutant, mut event: Event, offset: i64) -> Result<Event, Outcome> {
        let is_tick = matches!(event.body, Body::Tick);
        let other_key = || {
            let values = [event.key.0.as_slice(), &offset.to_le_bytes()];
            EventKey::from_values(&values.concat())
        };
        match mutant {
            Mutant::TickByWallClock if is_tick => {
                let wall = &self.config.surroundings.wall;
                event.event_time = instant(wall.load(Ordering::Relaxed));
                event.received_at = event.event_time;
            }
            _ if is_tick => {}
            Mutant::NoDedupe => event.key = other_key(),
            Mutant::DedupeForgotten if self.forgotten.contains(&event.key) => {
                event.key = other_key();
            }
            Mutant::DedupeForgotten => drop(self.seen.insert(event.key)),
            Mutant::DedupeOutside => {
                let is_new = self.config.outside.lock().unwrap().insert(event.key);
                return is_new.then_some(event).ok_or(Outcome::Duplicate);
            }
            Mutant::LateDropped => {
                let outcome = self.foresee(event.clone(), offset);
                let is_late = matches!(outcome, Outcome::Late | Outcome::TooLate);
                return if is_late { Err(outcome) } else { Ok(event) };
            }
            _ => {}
        }
        Ok(event)
    }
}

impl Fold for Broken {
    const NAME: &'static str = MovementFold::NAME;
    const TOPIC: &'static str = MovementFold::TOPIC;
    const VERSION: i32 = MovementFold::VERSION;
    type Config = BrokenConfig;
    type Record = Event;
    type Rows = MovementRows;

    fn decode(value: &[u8]) -> Result<Event, Rejection> {
        MovementFold::decode(value)
    }

    fn received_at(record: &Event) -> Option<Micros> {
        MovementFold::received_at(record)
    }

    fn new(config: &BrokenConfig) -> Self {
        Self::of(MovementFold::new(&config.movement), config, BTreeSet::new())
    }

    fn apply(&mut self, event: Event, offset: i64) -> Outcome {
        let event = match self.config.surroundings.mutant {
            Some(mutant) => self.seen_by(mutant, event, offset),
            None => Ok(event),
        };
        match event {
            Ok(event) => self.fold.apply(event, offset),
            Err(outcome) => outcome,
        }
    }

    fn is_due(&self, record: &Event) -> bool {
        self.fold.is_due(record)
    }

    fn wants(&self) -> Want {
        self.fold.wants()
    }

    fn amend(&mut self, past: Past, record: &Event, offset: i64) -> Option<Want> {
        self.fold.amend(past, record, offset)
    }

    fn drain_rows(&mut self) -> MovementRows {
        let mut rows = self.fold.drain_rows();
        if self.config.surroundings.mutant == Some(Mutant::DirtyEvicted)
            && let Some(first) = rows.visits.keys().min().cloned()
        {
            rows.visits.remove(&first);
        }
        rows
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
        let seen = self.seen.iter().flat_map(|key| key.0);
        let n = u64::try_from(self.seen.len()).unwrap();
        let seen: Vec<u8> = n.to_le_bytes().into_iter().chain(seen).collect();
        [seen, self.fold.snapshot()].concat()
    }

    fn restore(bytes: &[u8], config: &BrokenConfig) -> Result<Self, RestoreError> {
        let (n, bytes) = bytes.split_first_chunk().unwrap();
        let n = usize::try_from(u64::from_le_bytes(*n)).unwrap();
        let (keys, bytes) = bytes.split_at(n * 16);
        let forgotten = keys.chunks_exact(16).map(EventKey::from_bytes).collect();
        let fold = MovementFold::restore(bytes, &config.movement)?;
        Ok(Self::of(fold, config, forgotten))
    }
}

impl Subject for Broken {
    fn config(surroundings: &Surroundings) -> BrokenConfig {
        BrokenConfig {
            movement: MovementFold::config(surroundings),
            surroundings: surroundings.clone(),
            outside: Arc::default(),
        }
    }

    fn value(fact: Fact) -> Vec<u8> {
        MovementFold::value(fact)
    }

    fn rows(rows: &MovementRows) -> Vec<(Key, Option<Row>)> {
        <MovementFold as Subject>::rows(rows)
    }

    fn past(want: Want, rows: &Table) -> Past {
        MovementFold::past(want, rows)
    }

    fn pane(field: &[u8], value: &[u8]) -> (Key, Row) {
        MovementFold::pane(field, value)
    }

    fn counted(rows: &Table) -> i64 {
        MovementFold::counted(rows)
    }
}
