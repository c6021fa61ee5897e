//! L2: memory, descriptors and threads of each role, looked at every second and held against the row's limits; and tasks, which
//! must be as many after the fault as before.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Checker, Finding};

/// What a role may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How much its memory may grow from the first look at a process, KiB.
    pub growth_kib: u64,
    /// How much memory it may have at all, KiB.
    pub rss_kib: u64,
    /// Open descriptors.
    pub descriptors: u64,
    /// Threads.
    pub threads: u64,
}

/// A consumer keeps state for the lateness that is allowed, 20 minutes: before that time its memory grows by what is kept.
pub const STATE_GROWS_FOR: Duration = Duration::from_secs(20 * 60);
/// What a consumer that has all partitions may keep of an event, KiB, on top of what every role may use. In a soak at 1,700 events/s
/// one with half of the partitions had 86 to 119 MiB in use after a quarter of an hour, which is 0.12 KiB of each event.
const STATE_KIB_PER_EVENT: f64 = 0.15;

/// What a process uses now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Its resident memory, KiB.
    pub rss_kib: u64,
    /// Its open descriptors.
    pub descriptors: u64,
    /// Its threads.
    pub threads: u64,
}

impl Limits {
    /// What every role keeps to unless a row says otherwise.
    pub const USUAL: Self = Self {
        growth_kib: 192 * 1024,
        rss_kib: 512 * 1024,
        descriptors: 512,
        threads: 64,
    };
}

impl Usage {
    /// The higher of each figure, on its own.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            rss_kib: self.rss_kib.max(other.rss_kib),
            descriptors: self.descriptors.max(other.descriptors),
            threads: self.threads.max(other.threads),
        }
    }

    /// From `/proc`; `None` when the process is gone.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
        Some(Self {
            rss_kib: field("VmRSS:")?,
            descriptors: u64::try_from(descriptors).expect("a usize fits"),
            threads: field("Threads:")?,
        })
    }
}

/// What was seen of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// At the first look.
    pub first: Usage,
    /// The highest of each, on its own.
    pub peak: Usage,
    /// Every look, with its time since the watch began.
    pub looks: Vec<(Duration, Usage)>,
}

/// What was seen of every process, by role and pid.
pub type Seen = BTreeMap<(String, u32), Life>;

/// Takes note of a look.
pub fn note(seen: &mut Seen, (role, pid): (&str, u32), at: Duration, usage: Usage) {
    let life = seen.entry((role.to_owned(), pid)).or_insert(Life {
        first: usage,
        peak: usage,
        looks: Vec::new(),
    });
    life.peak = life.peak.max(usage);
    life.looks.push((at, usage));
}

/// What was seen from then on: growth counts from the last look before, or from the first at all.
#[must_use]
pub fn since(seen: &Seen, from: Duration) -> Seen {
    let mut later = Seen::new();
    for ((role, pid), life) in seen {
        let before = life.looks.iter().take_while(|(at, _)| *at <= from).count();
        for (at, usage) in &life.looks[before.saturating_sub(1)..] {
            note(&mut later, (role, *pid), *at, *usage);
        }
    }
    later
}

/// The highest that any process of each role used.
#[must_use]
pub fn peaks(seen: &Seen) -> BTreeMap<String, Usage> {
    let mut peaks: BTreeMap<String, Usage> = BTreeMap::new();
    for ((role, _), life) in seen {
        let peak = peaks.entry(role.clone()).or_default();
        *peak = peak.max(life.peak);
    }
    peaks
}

/// The first process that went beyond its limits, if any; that nobody was looked at, if so. `rate` is how many events a second
/// came since the watch began.
#[must_use]
pub fn check(seen: &Seen, limits: &Limits, rate: f64) -> Option<Finding> {
    if seen.is_empty() {
        return Some(Finding::new(Checker::L2, "no process was looked at"));
    }
    seen.iter().find_map(|((role, pid), range)| {
        let state = state_kib(role, range, rate);
        let figures = [
            (
                "KiB of memory more than at first",
                range.peak.rss_kib - range.first.rss_kib,
                limits.growth_kib + state,
            ),
            ("KiB of memory", range.peak.rss_kib, limits.rss_kib + state),
            ("descriptors", range.peak.descriptors, limits.descriptors),
            ("threads", range.peak.threads, limits.threads),
        ];
        let beyond = figures.iter().find(|(_, found, limit)| found > limit)?;
        let (what, found, limit) = beyond;
        let sentence = format!("{role} ({pid}) had {found} {what}, at most {limit} are allowed");
        Some(Finding::new(Checker::L2, sentence))
    })
}

/// What a process may keep of the events that came before the last look at it; it may have taken over those of all partitions.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "KiB of a process"
)]
fn state_kib(role: &str, life: &Life, rate: f64) -> u64 {
    let last = life.looks.last().map_or(Duration::ZERO, |(at, _)| *at);
    if role.starts_with("consumer") {
        (STATE_KIB_PER_EVENT * rate * last.min(STATE_GROWS_FOR).as_secs_f64()) as u64
    } else {
        0
    }
}

/// Connections that are being closed, and timers, come and go.
const TASKS_SPARE: f64 = 32.0;

/// A role that has more tasks after the fault than before, by role: the same devices are connected, so a task for each broken
/// connection or request would show.
#[must_use]
pub fn check_tasks(
    before: &BTreeMap<String, f64>,
    after: &BTreeMap<String, f64>,
) -> Option<Finding> {
    let told = |tasks: &BTreeMap<String, f64>| {
        !tasks.is_empty() && tasks.values().all(|alive| *alive > 0.0)
    };
    if !told(before) || !told(after) {
        let sentence = format!("a role does not tell its tasks: {before:?}, then {after:?}");
        return Some(Finding::new(Checker::L2, sentence));
    }
    after.iter().find_map(|(role, now)| {
        let known = before.get(role)?;
        (*now > known + TASKS_SPARE).then(|| {
            let sentence =
                format!("{role} had {known} tasks before the fault and has {now} after it");
            Finding::new(Checker::L2, sentence)
        })
    })
}

/// A role that had more tasks when it was asked to leave than before the fault.
///
/// Whoever is started again after a fault shows nothing of what it had leaked. Roles that were not there before the fault are held
/// against nothing.
#[must_use]
pub fn check_left_with(before: &BTreeMap<String, f64>, left: &[(String, f64)]) -> Option<Finding> {
    left.iter().find_map(|(role, then)| {
        let known = before.get(role)?;
        (*then > known + TASKS_SPARE).then(|| {
            let sentence =
                format!("{role} had {known} tasks before the fault and left with {then}");
            Finding::new(Checker::L2, sentence)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f64 = 1500.0;

    #[test]
    fn only_a_consumer_may_keep_what_came_and_only_for_twenty_minutes() {
        let after = |role: &str, minutes: u64, rss_kib| {
            let mut seen = Seen::new();
            for (at, rss_kib) in [(0, 1000), (minutes * 60, rss_kib)] {
                let usage = Usage {
                    rss_kib,
                    ..Usage::default()
                };
                note(&mut seen, (role, 7), Duration::from_secs(at), usage);
            }
            check(&seen, &Limits::USUAL, RATE).is_some()
        };
        let usual = 1000 + Limits::USUAL.growth_kib;
        // 0.15 KiB of 1,500 events a second.
        assert!(!after("consumer-0", 10, usual + 135_000));
        assert!(after("consumer-0", 10, usual + 135_001));
        assert!(!after("consumer-0", 60, usual + 270_000));
        assert!(after("consumer-0", 60, usual + 270_001));
        assert!(after("api-0", 60, usual + 1));
    }

    #[test]
    fn what_grew_before_is_not_held_against_what_came_since() {
        let mut seen = Seen::new();
        for (second, rss_kib) in [(0, 1000), (5, 9000), (10, 9100), (15, 9600)] {
            let usage = Usage {
                rss_kib,
                ..Usage::default()
            };
            note(
                &mut seen,
                ("gateway-0", 7),
                Duration::from_secs(second),
                usage,
            );
        }
        let grown = |from| {
            let limits = Limits {
                growth_kib: 500,
                ..Limits::USUAL
            };
            let finding = check(&since(&seen, Duration::from_secs(from)), &limits, 0.0);
            finding.map(|finding| finding.sentence)
        };
        assert_eq!(grown(12), None, "from the last look before, at 10 s");
        for (from, found) in [(7, "600 KiB"), (0, "8600 KiB")] {
            let sentence = grown(from).unwrap();
            assert!(sentence.contains(&format!("had {found}")), "{sentence}");
        }
    }

    #[test]
    fn growth_counts_from_the_first_look_at_each_process() {
        let mut seen = Seen::new();
        let usage = |rss_kib, descriptors| Usage {
            rss_kib,
            descriptors,
            threads: 3,
        };
        let at = Duration::ZERO;
        note(&mut seen, ("gateway-0", 7), at, usage(1000, 10));
        note(&mut seen, ("gateway-0", 7), at, usage(1500, 90));
        note(&mut seen, ("gateway-0", 7), at, usage(1100, 20));
        note(&mut seen, ("gateway-0", 8), at, usage(9000, 10));
        let limits = Limits {
            growth_kib: 500,
            rss_kib: 10_000,
            descriptors: 90,
            threads: 3,
        };
        assert_eq!(check(&seen, &limits, RATE), None);
        let peak = peaks(&seen)["gateway-0"];
        assert_eq!((peak.rss_kib, peak.descriptors), (9000, 90));
        let growth = Limits {
            growth_kib: 499,
            ..limits
        };
        let finding = check(&seen, &growth, RATE).unwrap();
        assert!(finding.sentence.starts_with("gateway-0 (7) had 500 KiB"));
        for tight in [
            Limits {
                rss_kib: 8999,
                ..limits
            },
            Limits {
                descriptors: 89,
                ..limits
            },
            Limits {
                threads: 2,
                ..limits
            },
        ] {
            assert!(check(&seen, &tight, RATE).is_some(), "{tight:?}");
        }
    }

    #[test]
    fn tasks_that_stay_and_a_look_at_nobody_are_noticed() {
        let tasks = |gateway| BTreeMap::from([("gateway-0".to_owned(), gateway)]);
        assert_eq!(check_tasks(&tasks(80.0), &tasks(112.0)), None);
        let nobody = BTreeMap::new();
        for (before, after) in [(80.0, 113.0), (80.0, 0.0), (0.0, 80.0)] {
            let found = check_tasks(&tasks(before), &tasks(after)).unwrap();
            assert_eq!(found.checker, Checker::L2);
        }
        assert!(check_tasks(&tasks(80.0), &nobody).is_some());
        assert!(check(&Seen::new(), &Limits::USUAL, RATE).is_some());
    }

    #[test]
    fn who_leaks_and_is_started_again_is_noticed() {
        let before = BTreeMap::from([("gateway-0".to_owned(), 80.0)]);
        let left = |name: &str, tasks| check_left_with(&before, &[(name.to_owned(), tasks)]);
        assert_eq!(left("gateway-0", 112.0), None);
        assert_eq!(left("gateway-1", 500.0), None);
        let found = left("gateway-0", 113.0).unwrap();
        assert_eq!(found.checker, Checker::L2);
        let again = [
            ("gateway-0".to_owned(), 80.0),
            ("gateway-0".to_owned(), 144.0),
        ];
        assert!(check_left_with(&before, &again).is_some());
    }

    #[test]
    fn our_own_process_can_be_looked_at() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.rss_kib > 1000 && usage.descriptors >= 3 && usage.threads >= 1);
    }
}
