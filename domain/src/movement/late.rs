//! Events that come after their sensor's watermark.
//!
//! They wait in the state until the next tick that is due, ten seconds of ticks after the last one, so that many of them are
//! folded together. Then the fold asks for its own rows around them ([`super::Want`]), puts what it had let go of back into memory,
//! folds them like any other event, and lets go again ([`super::recall`]). So what they change is exactly what they would
//! have changed in time. An event beyond the horizon (48 h), or in a visit that began long before it, is kept and changes
//! nothing.

use std::collections::BTreeMap;

use super::MovementConfig;
use super::recalled::Recalled;
use super::rows::{LateRow, MovementRows, Stretch};
use super::sensor::{Sensor, Step};
use super::track::Identity;
use crate::event::Position;
use crate::fold::Outcome;
use crate::id::{TravelerId, TravelerType};
use crate::pane::PANE;
use crate::time::{Micros, Span};

/// Late events are folded together, at most this often on the gateways' clock.
pub(super) const AMEND_EVERY: Span = Span::from_secs(10);
/// A visit that began longer than this before the horizon is not amended.
const FURTHER_BACK: Span = Span::from_secs(24 * 3600);
/// By how much a stretch grows at least, when a visit reaches over its edge.
const GROWS_BY: Span = Span::from_secs(600);

/// An event that waits for a tick.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LateEvent {
    pub(super) event_time: Micros,
    pub(super) received_at: Micros,
    pub(super) fact: LateFact,
}

/// What it says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum LateFact {
    /// A traveler was seen.
    Position(Position, Identity),
    /// The sensor was up; `false` when it said that it goes away.
    Sign(bool),
}

impl LateEvent {
    pub(super) fn position(position: Position, identity: Identity, step: &Step<'_>) -> Self {
        Self::of(LateFact::Position(position, identity), step)
    }

    pub(super) fn status(is_online: bool, step: &Step<'_>) -> Self {
        Self::of(LateFact::Sign(is_online), step)
    }

    fn of(fact: LateFact, step: &Step<'_>) -> Self {
        Self {
            event_time: step.event_time,
            received_at: step.received_at,
            fact,
        }
    }
}

/// When the late events of each traveler happened.
pub(super) type LateOf<'a> = BTreeMap<(&'a TravelerType, &'a TravelerId), Vec<Micros>>;

/// A traveler's samples without a gap above `idle_gap`, of which some are late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first: Micros,
    pub(super) last: Micros,
    has_late: bool,
    has_sealed: bool,
    is_in_memory: bool,
}

impl Run {
    fn at(at: Micros) -> Self {
        Self {
            first: at,
            last: at,
            has_late: false,
            has_sealed: false,
            is_in_memory: false,
        }
    }

    pub(super) fn contains(&self, at: Micros) -> bool {
        (self.first..=self.last).contains(&at)
    }

    /// Whether a late event is in it, or it must be whole because a visit in memory is.
    pub(super) fn matters(&self, touches_memory: bool) -> bool {
        self.has_late || (self.has_sealed && touches_memory)
    }
}

impl Sensor {
    /// Keeps a late event for the next tick, or only writes it down when nothing can be amended that far back.
    pub(super) fn put_off(&mut self, event: LateEvent, step: &mut Step<'_>) -> Outcome {
        // It speaks, whatever the time of which it speaks.
        self.last_received = self.last_received.max(step.received_at);
        self.live_changed = true;
        if event.event_time < self.newest(step.tick) - step.config.amend_horizon {
            step.rows.late.extend(self.late_row(&event, false));
            return Outcome::TooLate;
        }
        self.late.push(event);
        Outcome::Late
    }

    fn newest(&self, tick: Micros) -> Micros {
        self.last_event.max(tick)
    }

    pub(super) fn late_row(&self, event: &LateEvent, amended: bool) -> Option<LateRow> {
        let LateFact::Position(position, identity) = &event.fact else {
            return None;
        };
        Some(LateRow {
            sensor: self.name.clone(),
            traveler: position.traveler.clone(),
            traveler_type: position.traveler_type.clone(),
            event_at: event.event_time,
            key: identity.key,
            x: position.x,
            y: position.y,
            received_at: event.received_at,
            amended,
        })
    }

    /// Only writes the late events down.
    pub(super) fn give_up(&mut self, rows: &mut MovementRows) {
        for event in std::mem::take(&mut self.late) {
            rows.late.extend(self.late_row(&event, false));
        }
    }

    /// The stretches around the late events that decide what they change, apart from visits that reach further.
    pub(super) fn stretches(&self, config: &MovementConfig) -> Vec<Stretch> {
        let reach = reach(config);
        let mut instants: Vec<Micros> = self.late.iter().map(|event| event.event_time).collect();
        instants.sort_unstable();
        let around = instants.into_iter().map(|at| Stretch {
            sensor: self.name.clone(),
            from: (at - reach).floor(PANE),
            to: (at + reach).ceil(PANE),
        });
        joined(around.collect())
    }

    /// The runs of a traveler: what was recalled, what is in memory, and what is late.
    pub(super) fn runs(
        &self,
        whose: (&TravelerType, &TravelerId),
        late: &[Micros],
        recalled: &Recalled,
        idle_gap: Span,
    ) -> Vec<Run> {
        let forgotten = recalled.samples_of(whose).iter();
        let mut single: Vec<Run> = forgotten.map(|sample| Run::at(sample.at)).collect();
        if let Some(track) = self.track_named(whose) {
            let samples = track.samples.iter().enumerate();
            single.extend(samples.map(|(n, sample)| Run {
                has_sealed: n == 0 && track.sealed.is_some(),
                is_in_memory: true,
                ..Run::at(sample.at)
            }));
        }
        single.extend(late.iter().map(|at| Run {
            has_late: true,
            ..Run::at(*at)
        }));
        single.sort_unstable_by_key(|run| run.first);
        let mut runs: Vec<Run> = Vec::new();
        for next in single {
            match runs.last_mut() {
                Some(run) if next.first - run.last <= idle_gap => {
                    run.last = next.last;
                    run.has_late |= next.has_late;
                    run.has_sealed |= next.has_sealed;
                    run.is_in_memory |= next.is_in_memory;
                }
                _ => runs.push(next),
            }
        }
        runs
    }

    /// The stretches with those grown over whose edge a visit reaches that matters; `None` when there is none, or when it
    /// reaches too far back.
    pub(super) fn short_of(
        &self,
        recalled: &Recalled,
        tick: Micros,
        config: &MovementConfig,
    ) -> Option<Vec<Stretch>> {
        let floor = (self.newest(tick) - config.amend_horizon - FURTHER_BACK).floor(PANE);
        let mut stretches = recalled.stretches.clone();
        let mut grown = false;
        for (whose, late) in late_of(&self.late) {
            let runs = self.runs(whose, &late, recalled, config.idle_gap);
            let touches = self.touches_memory(&runs, config);
            for run in runs.iter().filter(|run| run.matters(touches)) {
                // Where it begins and where it ends, before anything grew: more than one step a round is not needed.
                let length =
                    |stretch: &Stretch| Span((stretch.to - stretch.from).0.max(GROWS_BY.0));
                let (first, last) = (run.first - config.idle_gap, run.last + config.idle_gap);
                match index_at(&recalled.stretches, run.first) {
                    None => {
                        stretches.push(Stretch {
                            sensor: self.name.clone(),
                            from: (run.first - reach(config)).floor(PANE),
                            to: (run.first + reach(config)).ceil(PANE),
                        });
                        grown = true;
                    }
                    Some(index) => {
                        let of_it = &recalled.stretches[index];
                        if first < of_it.from && of_it.from > floor {
                            stretches[index].from = (of_it.from - length(of_it)).max(floor);
                            grown = true;
                        }
                    }
                }
                if let Some(index) = index_at(&recalled.stretches, run.last) {
                    let of_it = &recalled.stretches[index];
                    if last >= of_it.to && of_it.to < self.watermark {
                        stretches[index].to = of_it.to + length(of_it);
                        grown = true;
                    }
                }
            }
        }
        grown.then(|| joined(stretches))
    }

    /// Whether what the late events of a traveler change is in memory, at least in part.
    pub(super) fn touches_memory(&self, runs: &[Run], config: &MovementConfig) -> bool {
        let horizon = self.horizon(config) - config.idle_gap;
        runs.iter()
            .any(|run| run.has_late && (run.is_in_memory || run.last >= horizon))
    }

    /// Whether a run was recalled from its beginning.
    pub(super) fn is_whole(run: &Run, recalled: &Recalled, idle_gap: Span) -> bool {
        index_at(&recalled.stretches, run.first)
            .is_some_and(|index| recalled.stretches[index].from <= run.first - idle_gap)
    }
}

/// The late events by traveler. Who looks at every traveler has to go through them once, not once for each.
pub(super) fn late_of(late: &[LateEvent]) -> LateOf<'_> {
    let mut of_each = LateOf::new();
    for event in late {
        if let LateFact::Position(position, _) = &event.fact {
            let whose = (&position.traveler_type, &position.traveler);
            of_each.entry(whose).or_default().push(event.event_time);
        }
    }
    of_each
}

/// Which of a sensor's stretches, disjoint and in order, holds an instant.
pub(super) fn index_at(stretches: &[Stretch], at: Micros) -> Option<usize> {
    let index = stretches.partition_point(|stretch| stretch.to <= at);
    stretches.get(index)?.contains(at).then_some(index)
}

/// How far around an event it may matter what happened: visits and coverage look back and ahead.
fn reach(config: &MovementConfig) -> Span {
    Span((2 * config.idle_gap.0).max(config.silent_after.0) + 3 * PANE.0)
}

/// Stretches of one sensor in order, with those put together that touch.
fn joined(mut stretches: Vec<Stretch>) -> Vec<Stretch> {
    stretches.sort_unstable_by_key(|stretch| stretch.from);
    let mut joined: Vec<Stretch> = Vec::new();
    for next in stretches {
        match joined.last_mut() {
            Some(last) if next.from <= last.to => last.to = last.to.max(next.to),
            _ => joined.push(next),
        }
    }
    joined
}
