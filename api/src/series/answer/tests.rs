//! What stands at a point, by what was counted, what was covered and what was asked.

use domain::series::Speeds;

use super::*;

fn totals(entries: u64) -> Totals {
    Totals {
        entries,
        speeds: (entries > 0).then_some(Speeds {
            n: entries,
            mean: 1.25,
            min: 1.0,
            max: 1.5,
            p50: None,
            p95: None,
        }),
        ..Totals::default()
    }
}

fn check(fill: Fill, entries: u64, coverage: f64, expected: [Option<Number>; 2]) {
    let totals = totals(entries);
    let found =
        [Metric::Entries, Metric::SpeedAvg].map(|metric| cell(metric, &totals, coverage, fill).0);
    assert_eq!(
        found, expected,
        "{fill:?}, {entries} entries, coverage {coverage}"
    );
}

#[test]
fn zero_is_not_no_data() {
    let (zero, two) = (Some(Number::Count(0)), Some(Number::Count(2)));
    let speed = Some(Number::Measure(1.25));
    check(Fill::Auto, 2, 1.0, [two, speed]);
    check(Fill::Auto, 0, 0.5, [zero, None]);
    check(Fill::Auto, 0, 0.0, [None, None]);
    // Whoever was counted was there, whatever is known about the sensor.
    check(Fill::Auto, 2, 0.0, [two, speed]);
    check(Fill::Zero, 0, 0.0, [zero, Some(Number::Measure(0.0))]);
    check(Fill::Zero, 2, 0.0, [two, speed]);
    check(Fill::None, 0, 1.0, [None, None]);
    check(Fill::None, 2, 1.0, [two, speed]);
}
