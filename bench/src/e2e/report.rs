//! What `bench e2e` prints.

use std::io;

use hdrhistogram::Histogram;

use super::{Report, float};
use crate::table::{Table, say};
use crate::window::{GENERATOR, Window};

/// Everything but Kafka and the generator.
pub(crate) const PRODUCT: [&str; 5] = ["gateway", "consumer", "api", "redis", "postgres"];
/// What the consumer side is: itself and what it writes to.
pub(crate) const CONSUMER_SIDE: [&str; 3] = ["consumer", "redis", "postgres"];

impl Report {
    /// Events that did not arrive where they belong: samples missing in Postgres, entries missing in `/series`, canaries that
    /// were never seen, late ones. Too many count as much as too few.
    pub(crate) fn lost(&self) -> u64 {
        let samples = self.sent.events.abs_diff(self.held.samples.unsigned_abs());
        let visits = self.visits.abs_diff(self.held.visits.unsigned_abs());
        let entries = self.visits.abs_diff(self.entries);
        samples + visits + entries + self.watched.missing + self.held.late.unsigned_abs()
    }

    /// Events of the measured window, canaries included.
    pub(crate) fn events(&self) -> f64 {
        (self.shape.rate + self.shape.canaries) * self.window.seconds
    }

    /// CPU seconds per million events.
    pub(crate) fn per_million(&self, roles: &[&str]) -> f64 {
        self.window.cpu_of(roles) / self.events() * 1e6
    }

    /// Rows of Postgres per event.
    pub(crate) fn rows_per_event(&self) -> f64 {
        signed(self.window.activity.rows) / self.events()
    }

    /// Statements of the consumers per event: a checkpoint is one.
    pub(crate) fn statements_per_event(&self) -> f64 {
        float(self.window.checkpoints) / self.events()
    }

    /// In one line: what the figures below were taken at.
    pub(crate) fn setting(&self) -> String {
        format!(
            "{} events/s for {:.0} s after {:.0} s of warm-up; linger {}, {} partitions, flush {}, checkpoint {}; {} travelers, {} sensors, {} connections",
            self.shape.rate,
            self.shape.duration.as_secs_f64(),
            self.shape.warmup.as_secs_f64(),
            self.settings.linger,
            self.settings.partitions,
            self.settings.flush,
            self.settings.checkpoint,
            self.shape.travelers,
            self.shape.sensors,
            self.shape.connections,
        )
    }

    /// Prints everything.
    pub(crate) fn print(&self) -> io::Result<()> {
        say(&format!(
            "## End to end, {} events/s\n\n{}.",
            self.shape.rate,
            self.setting()
        ))?;
        let mut table = Table::new(&[
            "from intended PUBLISH to",
            "n",
            "p50 ms",
            "p90 ms",
            "p99 ms",
            "p99.9 ms",
            "max ms",
        ]);
        table.row(latency("websocket frame", &self.watched.latency));
        table.row(latency("PUBACK", &self.sent.puback));
        say(&table.to_markdown())?;
        say(&processes(&self.window, self.events()).to_markdown())?;
        let activity = &self.window.activity;
        say(&format!(
            "Postgres: {:.4} rows and {:.5} checkpoints per event (besides {:.4} rows of ledger and state log; {:.5} transactions of all clients, the api and this bench included).\n\
             Sent {} events in {} visits and {} canaries; lost {} (samples in Postgres {}, visits {}, entries in /series {}, canaries unseen {}, late {}).\n\
             The generator was {:.1} ms behind its schedule at worst; the last PUBACK came {:.0} ms and the last canary {:.0} ms after the end; {} frames.",
            self.rows_per_event(),
            self.statements_per_event(),
            signed(activity.bookkeeping_rows) / self.events(),
            signed(activity.transactions) / self.events(),
            self.sent.events,
            self.visits,
            self.sent.canaries,
            self.lost(),
            self.held.samples,
            self.held.visits,
            self.entries,
            self.watched.missing,
            self.held.late,
            self.sent.behind_max.as_secs_f64() * 1e3,
            self.sent.last_ack_after.as_secs_f64() * 1e3,
            self.drained_after.as_secs_f64() * 1e3,
            self.watched.frames,
        ))
    }
}

/// A row of quantiles in ms.
pub(crate) fn latency(name: &str, histogram: &Histogram<u64>) -> Vec<String> {
    let quantiles =
        [0.5, 0.9, 0.99, 0.999, 1.0].map(|quantile| format!("{:.1}", ms(histogram, quantile)));
    [name.to_owned(), histogram.len().to_string()]
        .into_iter()
        .chain(quantiles)
        .collect()
}

/// A quantile in ms.
pub(crate) fn ms(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    float(histogram.value_at_quantile(quantile)) / 1e3
}

/// Cores, CPU seconds per million events and memory by process.
pub(crate) fn processes(window: &Window, events: f64) -> Table {
    let mut table = Table::new(&[
        "process",
        "cores",
        "CPU s per million events",
        "peak RSS MiB",
    ]);
    let row = |name: &str, cpu: f64| {
        let peak = window
            .peak_bytes
            .get(name)
            .map_or(String::new(), |&bytes| format!("{:.0}", mib(bytes)));
        [
            name.to_owned(),
            format!("{:.3}", cpu / window.seconds),
            format!("{:.2}", cpu / events * 1e6),
            peak,
        ]
    };
    for (name, &cpu) in window.cpu.iter().filter(|(name, _)| *name != GENERATOR) {
        table.row(row(name, cpu));
    }
    table.row(row(
        "consumer + Redis + Postgres",
        window.cpu_of(&CONSUMER_SIDE),
    ));
    table.row(row("all without Kafka", window.cpu_of(&PRODUCT)));
    table.row(row(GENERATOR, window.cpu_of(&[GENERATOR])));
    table.row(row("others on this machine", window.others));
    table.row(row("stolen by the hypervisor", window.steal));
    table
}

/// Bytes in MiB.
pub(crate) fn mib(bytes: u64) -> f64 {
    float(bytes) / 1_048_576.0
}

fn signed(count: i64) -> f64 {
    float(count.max(0).unsigned_abs())
}
