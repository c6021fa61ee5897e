//! What the rows must be: the definitions by brute force, and the fold run over the same samples.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::coverage::UP_BYTES;
use crate::fold::Rows as _;
use crate::pane::{PANE, Pane, PaneKey};
use crate::quantity::Speed;

/// What Postgres holds after some checkpoints.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) rows: MovementRows,
}

impl Store {
    pub(super) fn write(&mut self, rows: MovementRows) {
        for block in &rows.blocks {
            let is_it = |known: &&BlockRow| {
                (&known.sensor, known.hour, known.part) == (&block.sensor, block.hour, block.part)
            };
            let known = self.rows.blocks.iter().find(is_it);
            assert_eq!(known, None, "a block is written once");
        }
        self.rows.absorb(rows);
    }

    /// Applies an event as the engine does: the fold sees its own past when it has to.
    pub(super) fn apply(&mut self, fold: &mut MovementFold, event: Event, offset: i64) -> Outcome {
        if fold.is_due(&event) {
            self.write(fold.drain_rows());
            let mut wanted = Some(fold.wants());
            while let Some(want) = wanted {
                wanted = fold.amend(Past::of(&self.rows, want), &event, offset);
            }
            assert!(!fold.is_due(&event));
        }
        fold.apply(event, offset)
    }

    /// The visits that there are.
    pub(super) fn visits(&self) -> impl Iterator<Item = &VisitRow> {
        self.rows.visits.values().flatten()
    }

    /// Visits and panes without what depends on the way they came about.
    pub(super) fn answers(&self) -> Answers {
        let visits = self.rows.visits.iter().filter_map(|(key, row)| {
            let row = VisitRow {
                revision: 0,
                revised: false,
                ..row.clone()?
            };
            Some((key.clone(), row))
        });
        let panes = self.rows.panes.iter().map(|(key, row)| {
            let pane = Pane {
                revised: 0,
                ..row.pane.clone()
            };
            (key.clone(), pane)
        });
        let up = self.rows.up.iter().flat_map(|((_, hour), row)| {
            (0..UP_BYTES * 8)
                .filter(|pane| row.bits[pane / 8] & 1 << (pane % 8) != 0)
                .map(|pane| *hour + PANE * i64::try_from(pane).unwrap())
        });
        Answers {
            visits: visits.collect(),
            panes: panes.filter(|(_, pane)| !pane.is_empty()).collect(),
            up: up.collect(),
        }
    }
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct Answers {
    pub(super) visits: BTreeMap<VisitKey, VisitRow>,
    pub(super) panes: BTreeMap<PaneKey, Pane>,
    /// Starts of the panes in which the sensor is known to have been up.
    pub(super) up: BTreeSet<Micros>,
}

/// The definitions, word for word, over all samples at once.
pub(super) fn brute_force(samples: &[Seen], idle_gap: Span) -> Answers {
    let is_status = |seen: &&Seen| seen.0 >= HEARTBEAT;
    let positions = samples.iter().filter(|seen| !is_status(seen));
    let mut unique: Vec<Event> = positions.copied().map(position).collect();
    let subject = |event: &Event| match &event.body {
        Body::Position(p) => (p.traveler_type.clone(), p.traveler.clone(), p.x, p.y),
        _ => unreachable!("only positions are made here"),
    };
    unique.sort_by_key(|event| (subject(event).1, event.event_time, event.key));
    unique.dedup_by_key(|event| (subject(event).1, event.event_time, event.key));
    let mut answers = Answers {
        up: covered(samples),
        ..Answers::default()
    };
    for traveler in unique.chunk_by(|a, b| subject(a).1 == subject(b).1) {
        for visit in traveler.chunk_by(|a, b| b.event_time - a.event_time <= idle_gap) {
            let (traveler_type, traveler, ..) = subject(&visit[0]);
            let (first, last) = (visit[0].event_time, visit[visit.len() - 1].event_time);
            let mut pane = |at: Micros, change: &mut dyn FnMut(&mut Pane)| {
                let key = PaneKey {
                    sensor: "ent-1".into(),
                    traveler_type: traveler_type.clone(),
                    start: at.floor(PANE),
                };
                change(answers.panes.entry(key).or_default());
            };
            pane(first, &mut |pane| pane.entered += 1);
            let mut at = first.floor(PANE);
            while at <= last {
                pane(at, &mut |pane| pane.present += 1);
                at = at + PANE;
            }
            let mut speeds = Vec::new();
            let mut distance = 0;
            for pair in visit.windows(2) {
                let (a, b) = (subject(&pair[0]), subject(&pair[1]));
                let metres = (b.2 - a.2).hypot(b.3 - a.3);
                distance += crate::quantity::Distance::from_m(metres).0;
                let seconds = (pair[1].event_time - pair[0].event_time).as_secs_f64();
                if seconds > 0.0 {
                    let speed = Speed::from_m_s(metres / seconds);
                    speeds.push(speed);
                    pane(pair[1].event_time, &mut |pane| pane.speed.add(speed));
                }
            }
            let key = VisitKey {
                sensor: "ent-1".into(),
                traveler,
                traveler_type,
                entered_at: first,
            };
            let row = VisitRow {
                left_at: last,
                samples: u32::try_from(visit.len()).unwrap(),
                distance: crate::quantity::Distance(distance),
                speed_n: u32::try_from(speeds.len()).unwrap(),
                speed_sum: Speed(
                    speeds
                        .iter()
                        .fold(0, |sum, speed| sum.saturating_add(speed.0)),
                ),
                speed_min: speeds.iter().copied().min().unwrap_or_default(),
                speed_max: speeds.iter().copied().max().unwrap_or_default(),
                revision: 0,
                revised: false,
            };
            answers.visits.insert(key, row);
        }
    }
    answers
}

/// The panes in which a sensor that gave these signs is known to have been up.
fn covered(samples: &[Seen]) -> BTreeSet<Micros> {
    let signs = samples
        .iter()
        .map(|seen| (event_of(*seen).event_time, seen.0 != GOODBYE));
    // At the same instant a goodbye is the last word.
    let mut signs: Vec<(Micros, bool)> = signs.collect();
    signs.sort_unstable_by_key(|(at, online)| (*at, !online));
    let mut up: BTreeSet<Micros> = signs.iter().map(|(at, _)| at.floor(PANE)).collect();
    for pair in signs.windows(2) {
        let ((last, online), (next, _)) = (pair[0], pair[1]);
        if online && next - last <= MovementConfig::default().silent_after {
            let mut pane = last.floor(PANE);
            while pane < next {
                up.insert(pane);
                pane = pane + PANE;
            }
        }
    }
    up
}

/// What happens between two samples.
#[derive(Clone, Copy, Debug)]
pub(super) enum Between {
    Nothing,
    Tick,
    Checkpoint,
    Restart,
    Live,
}

/// Folds `samples` in that order and closes everything.
pub(super) fn folded_with(config: &MovementConfig, samples: &[(Seen, Between)]) -> Store {
    let mut fold = MovementFold::new(config);
    let mut store = Store::default();
    let mut newest = 0;
    let mut offset = 0;
    let mut apply = |store: &mut Store, fold: &mut MovementFold, event: Event| {
        offset += 1;
        store.apply(fold, event, offset)
    };
    for &(seen, between) in samples {
        newest = newest.max(seen.1);
        apply(&mut store, &mut fold, event_of(seen));
        match between {
            Between::Nothing => {}
            // A tick that is ahead of the sensor and one that it made quiet.
            Between::Tick => {
                apply(&mut store, &mut fold, tick(newest + 150));
                apply(&mut store, &mut fold, tick(newest + 700));
            }
            Between::Checkpoint => store.write(fold.drain_rows()),
            Between::Restart => {
                store.write(fold.drain_rows());
                fold = MovementFold::restore(&fold.snapshot(), config).unwrap();
            }
            Between::Live => drop(fold.drain_live(true)),
        }
    }
    // Two ticks: the first finds the sensor still talking.
    apply(&mut store, &mut fold, tick(newest + 100_000));
    apply(&mut store, &mut fold, tick(newest + 200_000));
    store.write(fold.drain_rows());
    store
}

pub(super) fn folded(samples: &[(Seen, Between)]) -> Store {
    folded_with(&MovementConfig::default(), samples)
}

pub(super) fn check_with(config: &MovementConfig, samples: &[(Seen, Between)]) {
    let seen: Vec<Seen> = samples.iter().map(|(seen, _)| *seen).collect();
    let (found, expected) = (
        folded_with(config, samples).answers(),
        brute_force(&seen, config.idle_gap),
    );
    same("visits", &found.visits, &expected.visits);
    same("panes", &found.panes, &expected.panes);
    let differing: Vec<_> = found.up.symmetric_difference(&expected.up).collect();
    assert!(differing.is_empty(), "up differs at {differing:?}");
}

/// Names the first that differs.
fn same<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    what: &str,
    found: &BTreeMap<K, V>,
    expected: &BTreeMap<K, V>,
) {
    for key in found.keys().chain(expected.keys()) {
        let (found, expected) = (found.get(key), expected.get(key));
        assert_eq!(found, expected, "{what} at {key:?}");
    }
}

pub(super) fn check(samples: &[(Seen, Between)]) {
    check_with(&MovementConfig::default(), samples);
}

pub(super) fn plain(samples: &[Seen]) -> Vec<(Seen, Between)> {
    samples
        .iter()
        .map(|seen| (*seen, Between::Nothing))
        .collect()
}
