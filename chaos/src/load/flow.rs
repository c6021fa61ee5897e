//! What a load publishes, and when: events soon after they happen and, where it is asked for, a few that come late.
//!
//! What comes late is a second fleet on the same sensors, so long ago that each of its events stands behind its sensor's
//! watermark. Its visits are closed and final from their first event on, and every further one amends them.

use std::collections::HashSet;
use std::time::Duration;

use domain::time::{Micros, Span};
use jiff::tz::TimeZone;
use simulator::demand::{Demand, Profile};
use simulator::disturb::Shares;
use simulator::fleet::{Fleet, FleetConfig, Limit};
use simulator::message::{Content, Message};
use simulator::plan::{Plan, Scenario};
use simulator::world::Opening;

use super::device::Outgoing;
use super::{LoadPlan, last_event_id};
use crate::ledger::What;

/// What the field does to the messages, by the promise.
const SHARES: Shares = Shares {
    // Held back by minutes: an event would not come before a row is over, and would be no later than is allowed.
    late_percent: 0.0,
    out_of_order_percent: 10.0,
    duplicate_percent: 10.0,
    invalid_percent: 0.5,
};
const SCENARIO: Scenario = Scenario::Crossing;
/// How long before the first event of the load the last late one happened: more than the lateness that is allowed, 20 min.
const LATE_BY: Span = Span::from_secs(30 * 60);

/// How event time goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// The first event.
    pub(super) start: Micros,
    /// The longest that the load may take, in event time.
    pub(super) span: Span,
    /// How much faster than the wall clock.
    pub(super) speed: f64,
}

/// A message and its moment.
#[derive(Debug)]
pub(super) struct Due {
    /// Since the load began.
    pub(super) after: Duration,
    /// Index of the device that publishes it.
    pub(super) device: usize,
    pub(super) message: Outgoing,
}

/// Everything that is published, in the order in which it is due.
pub(super) struct Flows {
    usual: Flow,
    late: Option<Flow>,
    /// Devices that have published an event as it happened: nothing comes late before there is something to be later than.
    begun: HashSet<u16>,
    /// Events that were left out because nothing had begun yet: of those, a copy that is due later would be the only one.
    left_out: HashSet<String>,
}

impl Flows {
    pub(super) fn new(plan: &LoadPlan, pace: &Pace) -> Self {
        let usual = Flow::new(plan, plan.rate, *pace);
        let late = (plan.late_percent > 0.0).then(|| {
            let start = pace.start - pace.span - LATE_BY;
            Flow::new(
                plan,
                plan.rate * plan.late_percent / 100.0,
                Pace { start, ..*pace },
            )
        });
        Self {
            usual,
            late,
            begun: HashSet::new(),
            left_out: HashSet::new(),
        }
    }

    /// Names of the devices, by index.
    pub(super) fn devices(&self) -> Vec<String> {
        let sensors = self.usual.fleet.plan().sensors.iter();
        sensors.map(|sensor| sensor.id.clone()).collect()
    }

    /// The next late message, if it is due before the next usual one and its device has something to be later than.
    fn next_late(&mut self) -> Option<(Duration, Message, What)> {
        let late = self.late.as_mut()?;
        while late.due()? < self.usual.due()? {
            let next = late.take()?;
            let (_, message, what) = &next;
            let is_first = what.ids().all(|id| !self.left_out.contains(id));
            if self.begun.contains(&message.sensor) && is_first {
                return Some(next);
            }
            self.left_out.extend(what.ids().map(str::to_owned));
        }
        None
    }
}

impl Iterator for Flows {
    type Item = Due;

    fn next(&mut self) -> Option<Due> {
        let (after, message, what) = match self.next_late() {
            Some(late) => late,
            None => {
                let usual = self.usual.take()?;
                if matches!(usual.2, What::Position(_)) {
                    self.begun.insert(usual.1.sensor);
                }
                usual
            }
        };
        Some(Due {
            after,
            device: usize::from(message.sensor),
            message: Outgoing {
                kind: message.kind,
                payload: message.payload,
                what,
            },
        })
    }
}

/// The messages of one fleet.
struct Flow {
    fleet: Fleet,
    pace: Pace,
    ahead: Option<Message>,
}

impl Flow {
    fn new(plan: &LoadPlan, rate: f64, pace: Pace) -> Self {
        let fleet = Fleet::new(FleetConfig {
            scenario: SCENARIO,
            plan: tagged(SCENARIO.plan(Some(plan.devices)), &plan.tag),
            demand: Demand {
                profile: Profile::Busy,
                people: rate / pace.speed / SCENARIO.samples_per_person_second(),
                tz: TimeZone::UTC,
            },
            opening: Opening::Full,
            shares: SHARES,
            seed: plan.seed,
            start: pace.start,
            limit: Limit::None,
        });
        Self {
            fleet,
            pace,
            ahead: None,
        }
    }

    /// When the next message is due, since the load began.
    fn due(&mut self) -> Option<Duration> {
        if self.ahead.is_none() {
            self.ahead = self.fleet.next();
        }
        let since = self.ahead.as_ref()?.send_at - self.pace.start;
        let seconds = since.as_secs_f64() / self.pace.speed;
        Some(Duration::from_secs_f64(seconds.max(0.0)))
    }

    fn take(&mut self) -> Option<(Duration, Message, What)> {
        let due = self.due()?;
        let message = self.ahead.take()?;
        let what = self.what(&message);
        Some((due, message, what))
    }

    fn what(&self, message: &Message) -> What {
        let position = |event| self.fleet.sample(event).into();
        let event_id = || last_event_id(&message.payload);
        match &message.content {
            Content::Event(event) => What::Position(position(event)),
            Content::Duplicate(_) => What::Duplicate {
                event_id: event_id(),
            },
            Content::Invalid { beside, .. } => What::Invalid {
                event_id: event_id(),
                beside: beside.as_ref().map(position),
            },
            Content::Status => What::Status,
        }
    }
}

fn tagged(mut plan: Plan, tag: &str) -> Plan {
    for sensor in &mut plan.sensors {
        sensor.id = format!("{tag}-{}", sensor.id);
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEED: f64 = 2.0;
    const RATE: f64 = 1_500.0;
    const LONGEST: Duration = Duration::from_secs(60);

    fn flows(late_percent: f64) -> (Flows, Micros) {
        let plan = LoadPlan {
            rate: RATE,
            late_percent,
            devices: 16,
            longest: LONGEST,
            tag: "t".to_owned(),
            seed: 1,
            gateways: Vec::new(),
        };
        let pace = Pace {
            start: Micros(1_800_000_000_000_000),
            span: Span::from_secs(120),
            speed: SPEED,
        };
        (Flows::new(&plan, &pace), pace.start)
    }

    /// When each position happened that is due within the longest time, by device.
    fn positions(flows: Flows) -> Vec<(usize, Micros)> {
        let due = flows.take_while(|due| due.after <= LONGEST);
        let position = |due: Due| match due.message.what {
            What::Position(position) => Some((due.device, Micros(position.event_at))),
            _ => None,
        };
        due.filter_map(position).collect()
    }

    #[test]
    fn what_comes_late_is_behind_the_watermark_of_its_sensor_and_as_much_as_asked_for() {
        let (flows, start) = flows(1.0);
        let mut newest = [None; 16];
        let (mut usual, mut late) = (0, 0);
        for (device, at) in positions(flows) {
            if at < start {
                let watermark = newest[device].expect("something came in time before") - LATE_BY;
                assert!(at < watermark, "{device}: {at:?}");
                late += 1;
            } else {
                newest[device] = newest[device].max(Some(at));
                usual += 1;
            }
        }
        assert!(
            (usual / 200..usual / 50).contains(&late),
            "{late} of {usual}"
        );
    }

    #[test]
    fn no_copy_comes_of_what_did_not_come() {
        let (flows, _) = flows(50.0);
        let mut came = HashSet::new();
        let mut copies = 0;
        for due in flows.take_while(|due| due.after <= LONGEST) {
            let what = due.message.what;
            if let What::Duplicate { event_id } = &what {
                assert!(came.contains(event_id), "{event_id}");
                copies += 1;
            }
            came.extend(what.ids().map(str::to_owned));
        }
        assert!(copies > 1000, "{copies}");
    }

    #[test]
    fn nothing_comes_late_unless_asked_for_and_what_is_due_first_comes_first() {
        let (usual, start) = flows(0.0);
        assert!(positions(usual).iter().all(|(_, at)| *at >= start));
        let (both, _) = flows(10.0);
        let moments: Vec<Duration> = both.take(10_000).map(|due| due.after).collect();
        assert!(moments.is_sorted());
    }
}
