//! CPU time and memory of processes, with everything that they started, from `/proc`.

use std::collections::{BTreeMap, HashMap};
use std::fs;

/// CPU seconds by process name.
pub(crate) type CpuSeconds = BTreeMap<String, f64>;

/// What `/proc/PID/stat` says about a process.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stat {
    parent: u32,
    /// Its own time, in ticks.
    own: u64,
    /// That of its children that have ended.
    ended_children: u64,
}

/// Ticks a second in `/proc`: `USER_HZ`, which is 100 on every Linux that we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU seconds that each of `pids` and its descendants have used so far.
///
/// A child that ends hands its time to its parent, so the sum over a tree never falls.
pub(crate) fn cpu_seconds(pids: &BTreeMap<String, u32>) -> CpuSeconds {
    let stats = all_stats();
    let of = |pid| {
        let members = tree(pid, &stats);
        let members = members.iter().filter_map(|pid| stats.get(pid));
        members.map(|stat| stat.own + stat.ended_children).sum()
    };
    pids.iter()
        .map(|(name, &pid)| (name.clone(), seconds(of(pid))))
        .collect()
}

/// CPU seconds that this process has used so far, without its children.
pub(crate) fn own_cpu_seconds() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    parse_stat(&text).map_or(0.0, |stat| seconds(stat.own))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "ticks of a process are far below 2^53"
)]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / TICKS_PER_SECOND
}

/// Forgets the highest memory use so far, so that [`peak_bytes`] means the time from now on. Needs the same user or root.
pub(crate) fn forget_peaks(pids: &BTreeMap<String, u32>) {
    for &pid in pids.values() {
        // Without the right to do so the peak is that of the process's whole life, which is no smaller.
        fs::write(format!("/proc/{pid}/clear_refs"), "5").ok();
    }
}

/// The highest resident memory of each process, in bytes. For a process with children, such as Postgres, their private memory
/// now is added.
pub(crate) fn peak_bytes(pids: &BTreeMap<String, u32>) -> BTreeMap<String, u64> {
    let stats = all_stats();
    let peak = |pid| {
        let children = tree(pid, &stats).into_iter().filter(|&child| child != pid);
        let own = status_kb(pid, "VmHWM:").unwrap_or(0);
        own + children
            .filter_map(|child| status_kb(child, "RssAnon:"))
            .sum::<u64>()
    };
    pids.iter()
        .map(|(name, &pid)| (name.clone(), peak(pid) * 1_024))
        .collect()
}

/// The highest resident memory of one process so far, in bytes; `None` once it has ended.
pub(crate) fn own_peak_bytes(pid: u32) -> Option<u64> {
    Some(status_kb(pid, "VmHWM:")? * 1_024)
}

/// A setting of a running process: a flag on its command line, or a variable of its environment.
pub(crate) fn setting(pid: u32, flag: &str, variable: &str) -> Option<String> {
    let parts = |file: &str| {
        let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let parts = bytes
            .split(|&byte| byte == 0)
            .map(|part| String::from_utf8_lossy(part).into_owned());
        parts.collect::<Vec<_>>()
    };
    let arguments = parts("cmdline");
    let with_equals = format!("{flag}=");
    let given = arguments.iter().enumerate().find_map(|(index, argument)| {
        if argument == flag {
            arguments.get(index + 1).cloned()
        } else {
            argument.strip_prefix(&with_equals).map(str::to_owned)
        }
    });
    let assignment = format!("{variable}=");
    given.or_else(|| {
        parts("environ")
            .iter()
            .find_map(|part| part.strip_prefix(&assignment).map(str::to_owned))
    })
}

/// `pid` and its descendants.
fn tree(pid: u32, stats: &HashMap<u32, Stat>) -> Vec<u32> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(
            stats
                .iter()
                .filter(|(_, stat)| stat.parent == parent)
                .map(|(&child, _)| child),
        );
        next += 1;
    }
    found
}

fn all_stats() -> HashMap<u32, Stat> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return HashMap::new();
    };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some((pid, parse_stat(&text)?))
    })
    .collect()
}

/// The name in parentheses may hold anything, so fields are counted behind the last one.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(number(1)?).ok()?,
        own: number(11)? + number(12)?,
        ended_children: number(13)? + number(14)?,
    })
}

fn status_kb(pid: u32, field: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_behind_the_name() {
        let line = "42 (a) b) S 7 42 42 0 -1 4194304 100 200 0 0 11 22 33 44 20 0 1 0 5 6 7";
        assert_eq!(
            parse_stat(line),
            Some(Stat {
                parent: 7,
                own: 33,
                ended_children: 77
            })
        );
        assert_eq!(parse_stat("42 (a"), None);
    }

    #[test]
    fn descendants_are_found_at_any_depth() {
        let stat = |parent| Stat {
            parent,
            own: 1,
            ended_children: 0,
        };
        let stats = HashMap::from([
            (1, stat(0)),
            (2, stat(1)),
            (3, stat(2)),
            (4, stat(0)),
            (5, stat(3)),
        ]);
        let mut found = tree(2, &stats);
        found.sort_unstable();
        assert_eq!(found, [2, 3, 5]);
    }

    #[test]
    fn our_own_process_uses_cpu_and_memory() {
        let pids = BTreeMap::from([("me".to_owned(), std::process::id())]);
        let mut sum = 0_u64;
        let began = std::time::Instant::now();
        while began.elapsed().as_millis() < 60 {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(7));
        }
        assert!(cpu_seconds(&pids)["me"] >= 0.03 && own_cpu_seconds() >= 0.03);
        assert!(peak_bytes(&pids)["me"] > 1_000_000);
        assert_eq!(
            setting(
                std::process::id(),
                "--no-such-flag",
                "FOOTFALL_NO_SUCH_VARIABLE"
            ),
            None
        );
    }
}
