//! What the field does to a clean stream: messages that are repeated, swapped, held back or broken.
//!
//! **How late anything can be.** An event is held back by at most 15 minutes, its repetition by 3 more, and a device re-sends
//! at most one minute's worth of what was not acknowledged (see `link`). So nothing reaches the gateway more than 19
//! minutes behind the latest event of its sensor, and the allowed lateness is 20.

use domain::time::Span;
use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::message::{Content, Displacement, Event, Kind, Message};
use crate::name::Names;
use crate::payload::{self, Breakage};
use crate::world::Sighting;

/// Shares of the events that the field treats badly, in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shares {
    /// Held back by two to fifteen minutes.
    pub late_percent: f64,
    /// Held back by seconds to three minutes.
    pub out_of_order_percent: f64,
    /// Sent a second time: half of them at once, the others up to three minutes later.
    pub duplicate_percent: f64,
    /// Accompanied by a broken message.
    pub invalid_percent: f64,
}

/// The longest time between an event and the first sending of it.
pub const LATE_MAX: Span = Span::from_secs(15 * 60);
const LATE_MIN: Span = Span::from_secs(2 * 60);
/// The longest time between an event that is out of order and its sending, and between a message and its repetition.
pub const SWAP_MAX: Span = Span::from_secs(3 * 60);
const SWAP_MIN: Span = Span::from_secs(2);

/// Turns sightings into messages.
#[derive(Debug)]
pub(crate) struct Disturber {
    shares: Shares,
    names: Names,
    rng: ChaCha8Rng,
    events: u64,
    broken: u64,
}

/// The messages of one sighting; most have one.
pub(crate) type Messages = Vec<Message>;

/// Broken messages count from here, so that their ids never meet those of good events.
const BROKEN_FROM: u64 = 36_u64.pow(7) / 2;

impl Disturber {
    pub(crate) fn new(shares: Shares, names: Names, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // A stream of its own: disturbing the same world more or less does not change who walks in it.
        rng.set_stream(1);
        Self {
            shares,
            names,
            rng,
            events: 0,
            broken: 0,
        }
    }

    /// How many events were made.
    pub(crate) const fn events(&self) -> u64 {
        self.events
    }

    pub(crate) fn disturb(&mut self, sighting: Sighting, into: &mut Messages) {
        let (displacement, delay) = self.displacement();
        let event = Event {
            number: self.events,
            sighting,
            displacement,
        };
        self.events += 1;
        if self.happens(self.shares.invalid_percent) {
            self.break_one(event, delay, into);
        } else {
            into.push(self.message(delay, event, Content::Event(event)));
        }
        if self.happens(self.shares.duplicate_percent) {
            let later = if self.rng.random_bool(0.5) {
                Span(0)
            } else {
                log_uniform(SWAP_MIN, SWAP_MAX, &mut self.rng)
            };
            into.push(self.message(
                Span(delay.0 + later.0),
                event,
                Content::Duplicate(event.number),
            ));
        }
    }

    /// The event and a broken message after it, or both in one.
    fn break_one(&mut self, event: Event, delay: Span, into: &mut Messages) {
        let breakage = Breakage::any(&mut self.rng);
        let number = BROKEN_FROM + self.broken;
        self.broken += 1;
        let with_event = breakage == Breakage::OneBadElement;
        if !with_event {
            into.push(self.message(delay, event, Content::Event(event)));
        }
        into.push(Message {
            payload: payload::broken(
                breakage,
                &self.names,
                number,
                (event.number, &event.sighting),
            ),
            ..self.message(
                delay,
                event,
                Content::Invalid {
                    reason: breakage.reason(),
                    beside: with_event.then_some(event),
                },
            )
        });
    }

    fn message(&self, delay: Span, event: Event, content: Content) -> Message {
        Message {
            send_at: event.sighting.at + delay,
            sensor: event.sighting.sensor,
            kind: Kind::Positions,
            payload: payload::position(&self.names, event.number, &event.sighting),
            content,
        }
    }

    fn displacement(&mut self) -> (Displacement, Span) {
        let draw = self.rng.random_range(0.0..100.0);
        if draw < self.shares.late_percent {
            let delay = self.rng.random_range(LATE_MIN.0..=LATE_MAX.0);
            (Displacement::Late, Span(delay))
        } else if draw < self.shares.late_percent + self.shares.out_of_order_percent {
            let delay = log_uniform(SWAP_MIN, SWAP_MAX, &mut self.rng);
            (Displacement::OutOfOrder, delay)
        } else {
            (Displacement::None, Span(0))
        }
    }

    fn happens(&mut self, percent: f64) -> bool {
        self.rng.random_range(0.0..100.0) < percent
    }
}

/// Between `from` and `to`, short ones as likely as long ones in proportion.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "minutes in µs are far below 2^53"
)]
fn log_uniform(from: Span, to: Span, rng: &mut ChaCha8Rng) -> Span {
    let (low, high) = ((from.0 as f64).ln(), (to.0 as f64).ln());
    Span(rng.random_range(low..high).exp() as i64)
}
