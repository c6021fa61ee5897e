//! What clients that read got: when each frame of each subscription came, and how old what it said was.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::time::Micros;
use serde_json::Value;

/// The frames of one client.
#[derive(Debug)]
pub(super) struct Frames {
    began: Instant,
    /// When they came, by the id of the subscription.
    came: BTreeMap<u64, Vec<Instant>>,
    /// How old those were that say of when they are.
    ages: Vec<Duration>,
}

/// The worst that any client got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Worst {
    /// All frames together.
    pub(super) frames: usize,
    /// The time within which 95 % of the frames of a subscription followed the one before.
    pub(super) p95: Duration,
    /// The longest time without a frame of a subscription, up to the very end.
    pub(super) longest: Duration,
    /// The age that 95 % of the frames of a client did not exceed; `None` when one got none that says its age.
    pub(super) age: Option<Duration>,
}

impl Frames {
    /// For these subscriptions, of which each must go on.
    pub(super) fn of(subscriptions: &[u64], began: Instant) -> Self {
        Self {
            began,
            came: subscriptions.iter().map(|id| (*id, Vec::new())).collect(),
            ages: Vec::new(),
        }
    }

    /// Takes note of a change that came at `at`, which is `now` on the wall clock.
    pub(super) fn note(&mut self, delta: &Value, at: Instant, now: Micros) {
        let id = delta["id"].as_u64().unwrap_or_default();
        self.came.entry(id).or_default().push(at);
        let as_of = delta["d"]["as_of"].as_str();
        if let Some(as_of) = as_of.and_then(|text| text.parse().ok()) {
            let age = (now - Micros::from_timestamp(as_of)).0.max(0);
            self.ages.push(Duration::from_micros(age.unsigned_abs()));
        }
    }

    fn gaps(&self, ended: Instant) -> impl Iterator<Item = Vec<Duration>> {
        self.came.values().map(move |came| {
            let edges: Vec<Instant> = [self.began]
                .into_iter()
                .chain(came.iter().copied())
                .collect();
            let next = edges[1..].iter().chain([&ended]);
            let pairs = edges.iter().zip(next);
            pairs
                .map(|(from, to)| to.saturating_duration_since(*from))
                .collect()
        })
    }
}

/// The worst of all clients, which were watched until `ended`.
pub(super) fn worst(clients: &[Frames], ended: Instant) -> Worst {
    let gaps: Vec<Vec<Duration>> = clients.iter().flat_map(|one| one.gaps(ended)).collect();
    let ages = clients.iter().map(|one| p95(one.ages.clone()));
    Worst {
        frames: clients
            .iter()
            .flat_map(|one| one.came.values())
            .map(Vec::len)
            .sum(),
        p95: gaps
            .iter()
            .filter_map(|gaps| p95(gaps.clone()))
            .max()
            .unwrap_or_default(),
        longest: gaps.iter().flatten().max().copied().unwrap_or_default(),
        age: ages
            .collect::<Option<Vec<_>>>()
            .and_then(|ages| ages.into_iter().max()),
    }
}

fn p95(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len() * 95 / 100).copied()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Micros = Micros(1_800_000_000_000_000);

    /// A client with two subscriptions; the first has a frame every 100 ms for ten seconds, the second as long as it lives.
    fn client(began: Instant, second_lives: Duration, as_of: Micros) -> Frames {
        let mut frames = Frames::of(&[1, 2], began);
        for tenth in 1..=100 {
            let after = Duration::from_millis(100 * tenth);
            let overview =
                json!({"id": 1, "d": {"as_of": as_of.to_timestamp().unwrap().to_string()}});
            frames.note(&overview, began + after, NOW);
            if after <= second_lives {
                frames.note(&json!({"id": 2, "d": {"k": 0}}), began + after, NOW);
            }
        }
        frames
    }

    fn of(second_lives_s: u64, as_of: Micros) -> Worst {
        let began = Instant::now();
        let lives = Duration::from_secs(second_lives_s);
        worst(
            &[client(began, lives, as_of)],
            began + Duration::from_secs(10),
        )
    }

    #[test]
    fn a_subscription_that_ends_or_never_begins_is_not_hidden_by_the_other() {
        let fine = of(10, NOW);
        assert_eq!((fine.frames, fine.longest.as_millis()), (200, 100));
        assert_eq!(of(3, NOW).longest.as_secs(), 7);
        assert_eq!(of(0, NOW).longest.as_secs(), 10);
        assert_eq!(of(0, NOW).p95.as_secs(), 10);
    }

    #[test]
    fn frames_that_speak_of_long_ago_are_found_and_none_that_tells_is_no_age() {
        assert_eq!(of(10, NOW).age, Some(Duration::ZERO));
        let old = of(10, NOW - domain::time::Span::from_secs(30));
        assert_eq!(old.age.unwrap().as_secs(), 30);
        let began = Instant::now();
        assert_eq!(worst(&[Frames::of(&[1], began)], began).age, None);
    }
}
