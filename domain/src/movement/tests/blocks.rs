//! Blocks as sensors leave them. They stand in `fuzz/corpus/block`, byte for byte: the fuzzer begins with them, and what is in
//! Postgres has to stay readable.

use std::fs;
use std::path::Path;

use super::super::archive::Leaving;
use super::super::track::Sample;
use super::*;
use crate::coverage::HOUR;

/// A sample `micros` into the hour.
fn sample(micros: i64, key: u8, x: f64, y: f64) -> Sample {
    Sample {
        at: Micros(micros),
        key: EventKey([key; 16]),
        x,
        y,
    }
}

/// One of one traveler.
fn one() -> Leaving {
    let mut leaving = Leaving::default();
    leaving.add(0, &"t1".into(), &[sample(1_500_000, 7, 1.25, -3.5)]);
    leaving
}

/// A busy minute: four travelers of two types, and the sensor's own words.
fn many() -> Leaving {
    let mut leaving = Leaving::default();
    for traveler in 0..4_u8 {
        let walk = (0..120_u8).map(|n| {
            let micros = i64::from(n) * 500_123 + i64::from(traveler) * 250_000;
            sample(micros, n, f64::from(n) * 0.61, f64::from(traveler) / 3.0)
        });
        let name = format!("traveler-{traveler}").as_str().into();
        let walk: Vec<Sample> = walk.collect();
        leaving.add(u16::from(traveler % 2), &name, &walk);
    }
    leaving.signs = vec![
        (Micros(0), true),
        (Micros(30_000_000), true),
        (Micros(59_999_999), false),
    ];
    leaving
}

/// The ends of every range: instants, keys, names, and coordinates that millionths of a metre cannot tell.
fn extreme() -> Leaving {
    let mut leaving = Leaving::default();
    let last = HOUR.0 - 1;
    let samples = [
        sample(0, 0, 1e6, -1e6),
        sample(0, 255, -1e6, 1e6),
        sample(1, 1, -0.0, 0.0),
        sample(last - 1, 2, 1e-9, f64::MIN_POSITIVE),
        sample(last, 3, 1.0 / 3.0, 999_999.999_999_9),
    ];
    leaving.add(0, &"n".repeat(256).as_str().into(), &samples);
    leaving.add(1, &"\u{10ffff}".into(), &samples[..1]);
    leaving.signs = vec![(Micros(last), false), (Micros(0), true)];
    leaving
}

/// A sensor that saw nobody.
fn signs() -> Leaving {
    Leaving {
        signs: (0..120)
            .map(|n| (Micros(n * 30_000_000), n != 119))
            .collect(),
        ..Leaving::default()
    }
}

#[test]
fn the_blocks_of_the_corpus_are_those_that_sensors_leave() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/block");
    let types = ["person".into(), "student".into()];
    for (name, mut leaving) in [
        ("one-sample", one()),
        ("many-samples", many()),
        ("extreme-samples", extreme()),
        ("signs-only", signs()),
    ] {
        let blocks = leaving.pack(&types);
        let bytes = &blocks[&Micros(0)];
        assert_eq!(blocks.len(), 1, "{name} lies within one hour");
        let file = corpus.join(name);
        if !file.exists() {
            fs::write(&file, bytes).unwrap();
            panic!("{name} was not in the corpus: it is now, commit it");
        }
        assert!(
            fs::read(&file).unwrap() == *bytes,
            "{name} is packed otherwise now"
        );
    }
}
