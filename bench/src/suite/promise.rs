//! What the project promises, beside what was measured.

use crate::audit;
use crate::backlog;
use crate::e2e;
use crate::e2e::report::{CONSUMER_SIDE, PRODUCT, mib, ms};
use crate::gateway;
use crate::table::Table;
use crate::takeover;

/// Everything that the suite measured.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) gateway: Vec<gateway::Report>,
    pub(super) end_to_end: Vec<e2e::Report>,
    pub(super) backlog: Option<backlog::Report>,
    pub(super) takeover: Option<takeover::Report>,
    pub(super) audit: Option<audit::Report>,
}

/// How much higher the audit's memory may be on the longer log: room for where the allocator puts pages, and far below the
/// several times that memory in step with the log would be.
const GROWTH_MAX: f64 = 1.15;

/// Travelers from which on memory is promised.
const MANY: u32 = 100_000;

impl Figures {
    /// Events that are not where they belong, over all measurements.
    pub(super) fn lost(&self) -> u64 {
        self.end_to_end.iter().map(e2e::Report::lost).sum::<u64>()
            + self.backlog.as_ref().map_or(0, backlog::Report::lost)
            + self.takeover.as_ref().map_or(0, takeover::Report::lost)
    }

    /// A row for each promise.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new(&["promise", "at", "limit", "measured", ""]);
        self.end_to_end_rows(&mut table);
        if let Some(report) = &self
            .gateway
            .iter()
            .find(|report| same(report.shape.rate, 1_500.0))
        {
            at_most(
                &mut table,
                ("gateway alone, cores", "1500 events/s, PUBACK only"),
                0.08,
                report.window.cores_of(&["gateway"]),
            );
        }
        if let Some(report) = &self
            .gateway
            .iter()
            .find(|report| same(report.shape.rate, 20_000.0))
        {
            at_most(
                &mut table,
                (
                    "gateway alone, CPU s per million",
                    "20000 events/s, PUBACK only",
                ),
                8.0,
                report.per_million(),
            );
        }
        if let Some(report) = &self.backlog {
            let at = format!(
                "{} events, {} workers, {} partitions",
                report.backlog.events, report.backlog.workers, report.settings.partitions
            );
            let what = ("backlog, events/s", at.as_str());
            at_least(&mut table, what, 100_000.0, report.rate);
        }
        self.care_rows(&mut table);
        let lost = self.lost();
        table.row([
            "lost, counted twice or late".to_owned(),
            "all of the above".to_owned(),
            "0".to_owned(),
            lost.to_string(),
            verdict(lost == 0),
        ]);
        table
    }

    fn care_rows(&self, table: &mut Table) {
        if let Some(report) = &self.takeover {
            let at = format!("{} open travelers, the slower of two", report.open());
            let what = ("partition taken over, s", at.as_str());
            at_most(table, what, 2.0, report.slowest());
        }
        if let Some(report) = &self.audit {
            let (shorter, longer) = (report.logs.events, report.logs.events * report.logs.times);
            let at = format!(
                "{shorter} and {longer} events, {} partitions",
                report.settings.partitions
            );
            let what = ("audit, records/s per core", at.as_str());
            at_least(table, what, 100_000.0, report.per_core());
            let what = (
                "audit, peak RSS of the longer log / the shorter",
                at.as_str(),
            );
            at_most(table, what, GROWTH_MAX, report.growth());
        }
    }

    fn end_to_end_rows(&self, table: &mut Table) {
        for report in &self.end_to_end {
            let shape = &report.shape;
            let at = format!(
                "{} events/s, linger {}, {} partitions, {} travelers",
                shape.rate, report.settings.linger, report.settings.partitions, shape.travelers
            );
            let promises = if shape.travelers >= MANY {
                memory(report)
            } else {
                speed(report)
            };
            for (promise, limit, measured) in promises {
                at_most(table, (&promise, &at), limit, measured);
            }
        }
    }
}

/// What is promised, its limit, and what was measured.
type Promise = (String, f64, f64);

fn memory(report: &e2e::Report) -> Vec<Promise> {
    let roles = report
        .window
        .peak_bytes
        .iter()
        .filter(|(name, _)| is_role(name));
    roles
        .map(|(name, &bytes)| (format!("{name}, peak RSS MiB"), 150.0, mib(bytes)))
        .collect()
}

fn speed(report: &e2e::Report) -> Vec<Promise> {
    let latency = &report.watched.latency;
    let mut promises = Vec::new();
    let mut promise =
        |text: &str, limit: f64, measured: f64| promises.push((text.to_owned(), limit, measured));
    if same(report.shape.rate, 1_500.0) {
        promise("PUBLISH to websocket, p50 ms", 100.0, ms(latency, 0.5));
        promise("PUBLISH to websocket, p99 ms", 300.0, ms(latency, 0.99));
        promise("gateway, cores", 0.08, report.window.cores_of(&["gateway"]));
        promise(
            "all without Kafka, cores",
            0.3,
            report.window.cores_of(&PRODUCT),
        );
    } else {
        promise("PUBLISH to websocket, p99 ms", 1_000.0, ms(latency, 0.99));
    }
    if same(report.shape.rate, 20_000.0) {
        promise(
            "gateway, CPU s per million",
            8.0,
            report.per_million(&["gateway"]),
        );
        promise(
            "consumer + Redis + Postgres, CPU s per million",
            12.0,
            report.per_million(&CONSUMER_SIDE),
        );
    }
    promise("Postgres rows per event", 0.1, report.rows_per_event());
    promise(
        "Postgres statements per event",
        0.002,
        report.statements_per_event(),
    );
    promises
}

fn at_most(table: &mut Table, (promise, at): (&str, &str), limit: f64, measured: f64) {
    table.row([
        promise.to_owned(),
        at.to_owned(),
        format!("≤ {limit}"),
        figure(measured),
        verdict(measured <= limit),
    ]);
}

fn at_least(table: &mut Table, (promise, at): (&str, &str), limit: f64, measured: f64) {
    table.row([
        promise.to_owned(),
        at.to_owned(),
        format!("≥ {limit}"),
        figure(measured),
        verdict(measured >= limit),
    ]);
}

/// As many digits as a person wants to read.
fn figure(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        0.01.. => format!("{value:.3}"),
        _ => format!("{value:.5}"),
    }
}

fn verdict(is_kept: bool) -> String {
    if is_kept { "kept" } else { "**missed**" }.to_owned()
}

fn is_role(name: &str) -> bool {
    ["gateway", "consumer", "api"]
        .iter()
        .any(|role| name.starts_with(role))
}

fn same(rate: f64, wanted: f64) -> bool {
    (rate - wanted).abs() < 0.5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_digits_that_matter() {
        let figures = [301_750.4, 89.855, 1.154, 0.128_04, 0.000_131].map(figure);
        assert_eq!(figures, ["301750", "89.9", "1.15", "0.128", "0.00013"]);
    }
}
