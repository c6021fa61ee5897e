//! L2 over a long time: whether memory or descriptors of a process go on growing.
//!
//! The median of the last quarter of its life is held against the median of the second. Medians, because memory goes in steps and
//! a fault makes both peak for seconds; not the first quarter, because a process that begins fills its caches, its pools and its
//! share of the state. A line fitted through all looks would take that filling for a leak.

use std::time::Duration;

use super::bound::{Life, STATE_GROWS_FOR, Seen, Usage};
use super::{Checker, Finding};

/// What memory may grow for good, KiB in ten minutes: the pass line of the soak.
const GROWTH_KIB: f64 = 1024.0;
/// By how much two medians of a process that does not leak may differ, KiB: an allocator gives memory back when it likes.
const NOISE_KIB: f64 = 8.0 * 1024.0;
/// Pools of connections open one more and close it when it was idle. A leak with each fault is more than that.
const NOISE_DESCRIPTORS: f64 = 4.0;
/// What is kept of an event before it is final, KiB: a sample, its id twice, the room that a map leaves free. In a soak of ten
/// minutes at 1,700 events/s a consumer went to 163 MiB, and one that was crashed to the end to 137 MiB, which is 0.1 to 0.3 KiB
/// of each event that they held. So a short soak finds big leaks only; in one of an hour this allowance is gone.
const STATE_KIB_PER_EVENT: f64 = 0.25;

/// How a process went on.
#[derive(Clone, Debug, PartialEq)]
pub struct Slope {
    /// Which role.
    pub role: String,
    /// Its pid.
    pub pid: u32,
    /// What its memory grew from the second to the last quarter of its life, KiB.
    pub growth_kib: f64,
    /// How many descriptors more it had.
    pub descriptors: f64,
    /// When the middle of the second quarter was, and of the last.
    pub between: (Duration, Duration),
}

/// Of every process that lived for at least `long`.
#[must_use]
pub fn of(seen: &Seen, long: Duration) -> Vec<Slope> {
    let slope = |((role, pid), life): (&(String, u32), &Life)| {
        let (born, last) = (life.looks.first()?.0, life.looks.last()?.0);
        let lived = last - born;
        (lived >= long).then(|| {
            let quarter = |number: u32| {
                let (from, to) = (born + lived * number / 4, born + lived * (number + 1) / 4);
                medians(life, from, to)
            };
            let (early, late) = (quarter(1), quarter(3));
            Slope {
                role: role.clone(),
                pid: *pid,
                growth_kib: late.0 - early.0,
                descriptors: late.1 - early.1,
                between: (born + lived * 3 / 8, born + lived * 7 / 8),
            }
        })
    };
    seen.iter().filter_map(slope).collect()
}

/// Memory in KiB and descriptors.
fn medians(life: &Life, from: Duration, to: Duration) -> (f64, f64) {
    let during = life.looks.iter().filter(|(at, _)| (from..=to).contains(at));
    let usages: Vec<&Usage> = during.map(|(_, usage)| usage).collect();
    let median = |of: fn(&Usage) -> u64| {
        let mut values: Vec<u64> = usages.iter().map(|usage| of(usage)).collect();
        values.sort_unstable();
        float(values.get(values.len() / 2).copied().unwrap_or(0))
    };
    (
        median(|usage| usage.rss_kib),
        median(|usage| usage.descriptors),
    )
}

#[expect(
    clippy::cast_precision_loss,
    reason = "KiB and descriptors of a process"
)]
fn float(value: u64) -> f64 {
    value as f64
}

impl Slope {
    /// What memory grew in ten minutes, KiB.
    #[must_use]
    pub fn growth_in_ten_minutes(&self) -> f64 {
        let (early, late) = self.between;
        self.growth_kib * 600.0 / (late - early).as_secs_f64()
    }

    /// What it may have grown, KiB, while `rate` events a second came: what is kept of them counts only as long as there is more of
    /// it every minute, and only for consumers. A copy of the live view is small: an api grew by 2 MiB in such a soak.
    fn allowed_kib(&self, rate: f64) -> f64 {
        let (early, late) = self.between;
        let kept = if self.role.starts_with("consumer") {
            late.min(STATE_GROWS_FOR).saturating_sub(early)
        } else {
            Duration::ZERO
        };
        NOISE_KIB
            + GROWTH_KIB * (late - early).as_secs_f64() / 600.0
            + STATE_KIB_PER_EVENT * rate * kept.as_secs_f64()
    }
}

/// Each process that goes on growing; that none lived long enough, if so.
#[must_use]
pub fn check(slopes: &[Slope], rate: f64) -> Vec<Finding> {
    if slopes.is_empty() {
        let sentence = "no process lived long enough to see whether it grows";
        return vec![Finding::new(Checker::L2, sentence)];
    }
    let growing = |slope: &&Slope| {
        slope.growth_kib > slope.allowed_kib(rate) || slope.descriptors > NOISE_DESCRIPTORS
    };
    let finding = |slope: &Slope| {
        let sentence = format!(
            "{} ({}) goes on growing: {:.0} KiB and {} descriptors from the second to the last quarter of its life",
            slope.role, slope.pid, slope.growth_kib, slope.descriptors
        );
        Finding::new(Checker::L2, sentence)
    };
    slopes.iter().filter(growing).map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::bound;

    const RATE: f64 = 1500.0;

    /// Somebody who lived from `born` for an hour, with so many KiB and descriptors after so many seconds of it.
    fn life(role: &str, born: u64, usage: fn(u64) -> (u64, u64)) -> Seen {
        let mut seen = Seen::new();
        for second in 0..3600 {
            let (rss_kib, descriptors) = usage(second);
            let usage = Usage {
                rss_kib,
                descriptors,
                threads: 1,
            };
            let at = Duration::from_secs(born + second);
            bound::note(&mut seen, (role, 7), at, usage);
        }
        seen
    }

    fn check_life(seen: &Seen) -> Vec<Finding> {
        check(&of(seen, Duration::from_secs(600)), RATE)
    }

    #[test]
    fn who_fills_and_then_stays_passes_whatever_it_peaks() {
        let filling = life("consumer-0", 0, |second| {
            let peak = u64::from(second % 60 == 0) * 40_000;
            (50_000 + 20 * second.min(1200) + peak, 30 + second % 3)
        });
        assert_eq!(check_life(&filling), []);
    }

    #[test]
    fn who_leaks_is_noticed() {
        // 10 MiB in ten minutes, long after the state is full.
        let leaking = life("consumer-0", 1200, |second| (50_000 + 17 * second, 30));
        let slope = &of(&leaking, Duration::from_secs(600))[0];
        let ten_minutes = slope.growth_in_ten_minutes();
        assert!((ten_minutes - 10_200.0).abs() < 100.0, "{ten_minutes}");
        assert_eq!(check_life(&leaking)[0].checker, Checker::L2);
        // Only consumers keep state, so the others may not fill either.
        for role in ["gateway-0", "api-0"] {
            let filling = life(role, 0, |second| (50_000 + 17 * second, 30));
            assert_eq!(check_life(&filling).len(), 1, "{role}");
        }
        let descriptors = life("api-0", 0, |second| (50_000, 30 + second / 300));
        assert_eq!(check_life(&descriptors).len(), 1);
    }

    #[test]
    fn a_short_soak_allows_a_consumer_its_state_and_an_api_nothing_of_it() {
        let ten_minutes = |role: &str| {
            let mut seen = life(role, 0, |second| (50_000 + 60 * second, 30));
            for life in seen.values_mut() {
                life.looks.truncate(601);
            }
            check_life(&seen).len()
        };
        assert_eq!(ten_minutes("consumer-0"), 0);
        assert_eq!(ten_minutes("api-0"), 1);
    }

    #[test]
    fn nobody_to_look_at_is_no_pass() {
        let short = life("api-0", 0, |_| (50_000, 30));
        let slopes = of(&short, Duration::from_secs(7200));
        assert_eq!(check(&slopes, RATE).len(), 1);
    }
}
