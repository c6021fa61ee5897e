use clap::Parser;

use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    config: Config,
}

const NOW: Micros = Micros(1_763_724_000_500_000);

fn settle(arguments: &[&str]) -> Result<Settings, String> {
    Cli::try_parse_from([&["simulate"], arguments].concat())
        .map_err(|error| error.to_string())?
        .config
        .settle(NOW)
        .map_err(|error| error.to_string())
}

#[track_caller]
fn check_start(arguments: &[&str], seconds_ago: f64) {
    let start = settle(arguments).unwrap().fleet.start;
    let ago = (NOW - start).as_secs_f64();
    assert!((ago - seconds_ago).abs() < 1.0, "{arguments:?}: {ago}");
}

#[test]
fn a_run_begins_where_its_mode_says() {
    check_start(&[], 0.0);
    check_start(&["--history", "45m"], 2_700.0);
    check_start(
        &["--mode", "burst", "--events", "1000", "--rate", "10"],
        190.0,
    );
    check_start(&["--mode", "burst", "--duration", "5m"], 300.0);
    check_start(&["--speed", "60", "--duration", "1h"], 3_540.0);
    check_start(&["--speed", "60"], 43_200.0);
    check_start(&["--start", "2025-11-21T11:00:00Z"], 1_200.5);
}

#[test]
fn the_rate_decides_how_many_people_there_are() {
    let people = |arguments: &[&str]| settle(arguments).unwrap().fleet.demand.people;
    assert!((people(&[]) - 800.0).abs() < 1e-6);
    assert!((people(&["--scenario", "crossing", "--rate", "1070"]) - 1_000.0).abs() < 1e-6);
}

#[test]
fn only_a_run_that_begins_now_is_live() {
    assert!(settle(&[]).unwrap().is_live);
    assert!(settle(&["--duration", "60s"]).unwrap().is_live);
    assert!(!settle(&["--history", "10m"]).unwrap().is_live);
    assert!(
        !settle(&["--mode", "burst", "--events", "10"])
            .unwrap()
            .is_live
    );
}

#[test]
fn a_wrong_value_is_named_with_what_was_expected() {
    for (arguments, part) in [
        (
            &["--late-percent", "101"][..],
            "--late-percent is \"101.0\", expected 0 to 100",
        ),
        (
            &["--late-percent", "60", "--out-of-order-percent", "60"],
            "together with --late-percent",
        ),
        (&["--rate", "0"], "--rate is \"0.0\""),
        (&["--rate", "NaN"], "--rate is \"NaN\""),
        (&["--mode", "burst"], "--events or --duration"),
        (&["--start", "2035-01-01T00:00:00Z"], "not in the future"),
        (&["--site", "a/b"], "--site"),
        (&["--tz", "Europe/Atlantis"], "IANA"),
        (
            &["--start", "2025-01-01T00:00:00Z", "--history", "1h"],
            "cannot be used with",
        ),
    ] {
        let error = settle(arguments).unwrap_err();
        assert!(error.contains(part), "{arguments:?}: {error}");
    }
}
