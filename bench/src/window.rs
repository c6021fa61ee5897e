//! What all processes did between two moments.

use std::collections::BTreeMap;
use std::time::Instant;

use sqlx::postgres::PgPool;

use crate::machine::{MachineCpu, machine_cpu};
use crate::postgres::{Activity, activity};
use crate::process::{CpuSeconds, cpu_seconds, forget_peaks, own_cpu_seconds, peak_bytes};
use crate::target::Target;

/// The name under which the bench's own process is accounted.
pub(crate) const GENERATOR: &str = "generator";

/// The beginning of a window.
#[derive(Debug)]
pub(crate) struct Begun {
    at: Instant,
    pids: BTreeMap<String, u32>,
    cpu: CpuSeconds,
    machine: MachineCpu,
    activity: Activity,
    checkpoints: u64,
}

/// A window that is over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    pub(crate) seconds: f64,
    /// CPU seconds by process.
    pub(crate) cpu: CpuSeconds,
    /// Highest resident memory by process.
    pub(crate) peak_bytes: BTreeMap<String, u64>,
    /// CPU seconds of the machine that none of them used: our own servers' kernel threads, and whoever else is here.
    pub(crate) others: f64,
    /// CPU seconds that the hypervisor took.
    pub(crate) steal: f64,
    pub(crate) activity: Activity,
    /// Checkpoints that the running consumers made, by their own count.
    pub(crate) checkpoints: u64,
}

impl Begun {
    /// Begins a window over the processes of `target`, those in `extra` and our own.
    pub(crate) async fn now(
        target: &Target,
        extra: &[(&str, u32)],
        pool: &PgPool,
    ) -> anyhow::Result<Self> {
        let mut pids = target.pids.clone();
        pids.extend(extra.iter().map(|&(name, pid)| (name.to_owned(), pid)));
        forget_peaks(&pids);
        let activity = activity(pool).await?;
        let checkpoints = target.checkpoints().await;
        Ok(Self {
            at: Instant::now(),
            cpu: cpu_now(&pids),
            machine: machine_cpu(),
            activity,
            checkpoints,
            pids,
        })
    }

    /// Ends it.
    pub(crate) async fn end(self, target: &Target, pool: &PgPool) -> anyhow::Result<Window> {
        let (machine, after) = (machine_cpu(), cpu_now(&self.pids));
        let seconds = self.at.elapsed().as_secs_f64();
        let cpu: CpuSeconds = after
            .into_iter()
            .map(|(name, after)| {
                let before = self.cpu.get(&name).copied().unwrap_or(0.0);
                (name, (after - before).max(0.0))
            })
            .collect();
        let activity = activity(pool).await?;
        let others = machine.busy - self.machine.busy - cpu.values().sum::<f64>();
        Ok(Window {
            seconds,
            peak_bytes: peak_bytes(&self.pids),
            others: others.max(0.0),
            steal: machine.steal - self.machine.steal,
            checkpoints: target.checkpoints().await.saturating_sub(self.checkpoints),
            activity: Activity {
                rows: activity.rows - self.activity.rows,
                bookkeeping_rows: activity.bookkeeping_rows - self.activity.bookkeeping_rows,
                transactions: activity.transactions - self.activity.transactions,
            },
            cpu,
        })
    }
}

/// Our own process without its children: the suite is the parent of the stack that it measures.
fn cpu_now(pids: &BTreeMap<String, u32>) -> CpuSeconds {
    let mut cpu = cpu_seconds(pids);
    cpu.insert(GENERATOR.to_owned(), own_cpu_seconds());
    cpu
}

impl Window {
    /// CPU seconds of the processes whose name begins with one of `roles`.
    pub(crate) fn cpu_of(&self, roles: &[&str]) -> f64 {
        let of_role = |name: &str| roles.iter().any(|role| name.starts_with(role));
        self.cpu
            .iter()
            .filter(|(name, _)| of_role(name))
            .map(|(_, seconds)| seconds)
            .sum()
    }

    /// The same in cores.
    pub(crate) fn cores_of(&self, roles: &[&str]) -> f64 {
        self.cpu_of(roles) / self.seconds.max(1e-9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_summed_by_their_names() {
        let window = Window {
            seconds: 10.0,
            cpu: BTreeMap::from([
                ("gateway-0".to_owned(), 1.0),
                ("gateway-1".to_owned(), 2.0),
                ("redis".to_owned(), 4.0),
            ]),
            ..Window::default()
        };
        assert!((window.cpu_of(&["gateway", "redis"]) - 7.0).abs() < 1e-9);
        assert!((window.cores_of(&["gateway"]) - 0.3).abs() < 1e-9);
    }
}
