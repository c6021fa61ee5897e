//! What all sensors of a place publish, in the order in which they do: an iterator, without network and clock.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use domain::time::{Micros, Span};

use crate::demand::Demand;
use crate::disturb::{Disturber, Messages, Shares};
use crate::message::{Content, Event, Kind, Message};
use crate::name::Names;
use crate::payload;
use crate::plan::{Plan, Scenario};
use crate::silence::is_silent;
use crate::truth;
use crate::world::{Opening, Sighting, World, WorldConfig};

/// What a [`Fleet`] is made of.
#[derive(Clone, Debug)]
pub struct FleetConfig {
    /// What people do.
    pub scenario: Scenario,
    /// Where, and with which sensors.
    pub plan: Plan,
    /// How many people.
    pub demand: Demand,
    /// Whether they are there at the start.
    pub opening: Opening,
    /// What the field does to the messages.
    pub shares: Shares,
    /// Where all chance comes from.
    pub seed: u64,
    /// The first instant.
    pub start: Micros,
    /// When it ends.
    pub limit: Limit,
}

/// When a fleet ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Never.
    None,
    /// After that many different events; repetitions, broken messages and heartbeats come on top.
    Events(u64),
    /// Before that instant of event time.
    Until(Micros),
}

/// How often a sensor says that it works.
pub const HEARTBEAT: Span = Span::from_secs(30);

/// Messages in the order of sending. What is held back when the limit is reached comes at the end.
#[derive(Debug)]
pub struct Fleet {
    world: World,
    disturber: Disturber,
    names: Names,
    start: Micros,
    limit: Limit,
    ended: bool,
    held: BinaryHeap<Reverse<Held>>,
    order: u64,
    ahead: Option<Sighting>,
    heartbeats: BinaryHeap<Reverse<(Micros, u16)>>,
    fresh: Messages,
    now: Micros,
}

/// A message that waits for its turn.
#[derive(Debug)]
struct Held {
    order: u64,
    message: Message,
}

impl Held {
    const fn rank(&self) -> (Micros, u64) {
        (self.message.send_at, self.order)
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Held {}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl Fleet {
    /// A fleet at its first instant.
    #[must_use]
    pub fn new(config: FleetConfig) -> Self {
        let names = Names::new(config.start, config.seed);
        let heartbeats = (0..).take(config.plan.sensors.len()).map(|sensor: u16| {
            // Spread over the interval: sensors are not switched on at the same moment.
            let offset = i64::from(sensor) * 1_618_034 % HEARTBEAT.0;
            Reverse((config.start + Span(offset), sensor))
        });
        Self {
            heartbeats: heartbeats.collect(),
            disturber: Disturber::new(config.shares, names.clone(), config.seed),
            names,
            start: config.start,
            limit: config.limit,
            ended: false,
            held: BinaryHeap::new(),
            order: 0,
            ahead: None,
            fresh: Messages::new(),
            now: config.start,
            world: World::new(WorldConfig {
                scenario: config.scenario,
                plan: config.plan,
                demand: config.demand,
                opening: config.opening,
                seed: config.seed,
                start: config.start,
            }),
        }
    }

    /// The plan it stands on.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        self.world.plan()
    }

    /// People on site now.
    #[must_use]
    pub const fn inside(&self) -> u32 {
        self.world.inside()
    }

    /// What all names of this run begin with.
    #[must_use]
    pub fn run_name(&self) -> &str {
        self.names.run()
    }

    /// `event` as the brute-force computation of [`truth`] takes it.
    #[must_use]
    pub fn sample(&self, event: &Event) -> truth::Sample {
        let sighting = &event.sighting;
        truth::Sample {
            sensor: self.plan().sensors[usize::from(sighting.sensor)].id.clone(),
            traveler_id: self.names.traveler(sighting),
            traveler_type: sighting.traveler.traveler_type().to_owned(),
            at: sighting.at,
            event_id: self.names.event(event.number),
            x: f64::from(sighting.x_mm) / 1e3,
            y: f64::from(sighting.y_mm) / 1e3,
        }
    }

    /// Takes one step in time: the next heartbeat or the next sighting, whichever comes first.
    fn advance(&mut self) {
        if self.ahead.is_none() {
            self.ahead = self.world.next();
        }
        let beat = self
            .heartbeats
            .peek()
            .map_or(Micros(i64::MAX), |Reverse((at, _))| *at);
        let seen = self.ahead.map_or(Micros(i64::MAX), |sighting| sighting.at);
        self.now = beat.min(seen);
        self.ended = match self.limit {
            Limit::None => false,
            Limit::Events(events) => self.disturber.events() >= events,
            Limit::Until(end) => self.now >= end,
        };
        if self.ended {
            return;
        }
        if beat <= seen {
            self.beat();
        } else if let Some(sighting) = self
            .ahead
            .take()
            .filter(|sighting| !self.is_silent(sighting.sensor))
        {
            self.disturber.disturb(sighting, &mut self.fresh);
        }
        for message in self.fresh.drain(..) {
            self.order += 1;
            self.held.push(Reverse(Held {
                order: self.order,
                message,
            }));
        }
    }

    fn beat(&mut self) {
        let Some(Reverse((at, sensor))) = self.heartbeats.pop() else {
            return;
        };
        self.heartbeats.push(Reverse((at + HEARTBEAT, sensor)));
        if self.is_silent(sensor) {
            return;
        }
        let state = if at < self.start + HEARTBEAT {
            "online"
        } else {
            "heartbeat"
        };
        self.fresh.push(Message {
            send_at: at,
            sensor,
            kind: Kind::Status,
            payload: payload::status(state, at),
            content: Content::Status,
        });
    }

    fn is_silent(&self, sensor: u16) -> bool {
        self.plan().sensors[usize::from(sensor)].falls_silent && is_silent(self.now, self.start)
    }
}

impl Iterator for Fleet {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        loop {
            let due = self
                .held
                .peek()
                .is_some_and(|Reverse(held)| held.message.send_at <= self.now);
            if due || self.ended {
                return self.held.pop().map(|Reverse(held)| Message {
                    // Whatever is still held back when the run ends is sent with its end.
                    send_at: held.message.send_at.min(self.now),
                    ..held.message
                });
            }
            self.advance();
        }
    }
}

#[cfg(test)]
mod tests;
