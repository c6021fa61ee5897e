//! The machine that everything runs on: how busy it is besides us. Figures taken while others work are worth less, so this is
//! printed beside them.

use std::fs;

/// CPU time of the whole machine so far, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct MachineCpu {
    /// Used by anything.
    pub(crate) busy: f64,
    /// Taken away by the hypervisor.
    pub(crate) steal: f64,
}

/// Reads `/proc/stat`.
pub(crate) fn machine_cpu() -> MachineCpu {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    parse(text.lines().next().unwrap_or_default())
}

/// What the machine is: cores and kernel.
pub(crate) fn description() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown CPU", |(_, model)| model.trim());
    format!("{cores} cores ({model}), Linux {}", kernel.trim())
}

/// `cpu user nice system idle iowait irq softirq steal …` in hundredths of a second.
fn parse(line: &str) -> MachineCpu {
    let fields: Vec<f64> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|field| field.parse().ok())
        .collect();
    let sum = |indexes: &[usize]| {
        indexes
            .iter()
            .filter_map(|&index| fields.get(index))
            .sum::<f64>()
            / 100.0
    };
    MachineCpu {
        busy: sum(&[0, 1, 2, 5, 6]),
        steal: sum(&[7]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_waiting_are_not_busy() {
        let cpu = parse("cpu  100 10 200 5000 900 3 7 40 0 0");
        assert_eq!(
            cpu,
            MachineCpu {
                busy: 3.2,
                steal: 0.4
            }
        );
        assert!(machine_cpu().busy > 0.0);
    }
}
