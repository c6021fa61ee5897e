//! `/series` against windows counted from the visits themselves, while panes are open, settled and final.

use domain::event::DeviceState;
use domain::time::Micros;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::Value;

use crate::owner::Owner;
use crate::world::{Instance, World, at, seconds};

/// A visit as it was walked.
#[derive(Clone, Debug)]
struct Walk {
    sensor: String,
    kind: &'static str,
    /// Instants and metres along a line.
    samples: Vec<(Micros, f64)>,
}

impl Walk {
    fn first(&self) -> Micros {
        self.samples[0].0
    }

    fn last(&self) -> Micros {
        self.samples[self.samples.len() - 1].0
    }

    fn speeds(&self) -> impl Iterator<Item = (Micros, f64)> + '_ {
        self.samples.windows(2).map(|pair| {
            let ((a, from), (b, to)) = (pair[0], pair[1]);
            (b, (to - from).abs() / (b - a).as_secs_f64())
        })
    }
}

/// Walks of so many sensors, one after another at random.
fn walks(sensors: &[String], n: usize, start: Micros, length_s: i64, seed: u64) -> Vec<Walk> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..n)
        .map(|_| {
            let mut at = start + seconds(1) * random.random_range(0..length_s);
            let mut x: f64 = 0.0;
            let samples = (0..random.random_range(1..12))
                .map(|_| {
                    let sample = (at, x);
                    at = at + domain::time::Span(random.random_range(500_000..25_000_000));
                    x += random.random_range(-20.0..20.0);
                    sample
                })
                .collect();
            Walk {
                sensor: sensors[random.random_range(0..sensors.len())].clone(),
                kind: ["student", "staff"][random.random_range(0..2)],
                samples,
            }
        })
        .collect()
}

/// What of the walks has happened at `now`, by the sample.
fn known(walks: &[Walk], now: Micros) -> Vec<Walk> {
    let mut known: Vec<Walk> = walks
        .iter()
        .filter(|walk| walk.first() <= now)
        .cloned()
        .collect();
    for walk in &mut known {
        walk.samples.retain(|(at, _)| *at <= now);
    }
    known
}

fn numbers(column: &Value) -> Vec<Option<f64>> {
    column["v"]
        .as_array()
        .unwrap()
        .iter()
        .map(Value::as_f64)
        .collect()
}

/// Compares an answer with the walks.
fn check(answer: &Value, walks: &[Walk], what: &str) {
    let stamp = |name: &str| at(answer[name].as_str().unwrap());
    let (start, step, window) = (
        stamp("start"),
        answer["step_s"].as_i64().unwrap(),
        answer["window_s"].as_i64().unwrap(),
    );
    for series in answer["series"].as_array().unwrap() {
        let key = &series["key"];
        let is = |name: &str, value: &str| key[name] == "all" || key[name] == value;
        let walks: Vec<&Walk> = walks
            .iter()
            .filter(|walk| is("sensor", &walk.sensor) && is("type", walk.kind))
            .collect();
        let points = usize::try_from(series["n"].as_u64().unwrap()).unwrap();
        for i in 0..points {
            let end = start + seconds(step) * (i64::try_from(i).unwrap() + 1);
            let inside = end - seconds(window)..end;
            let count = |hits: &dyn Fn(&Walk) -> bool| {
                walks.iter().filter(|walk| hits(walk)).count() as f64
            };
            let covered = series["coverage"][i].as_f64().unwrap() > 0.0;
            let counts = [
                ("entries", count(&|walk| inside.contains(&walk.first()))),
                ("exits", count(&|walk| inside.contains(&walk.last()))),
                (
                    "present",
                    count(&|walk| walk.first() < inside.end && walk.last() >= inside.start),
                ),
            ];
            // Nobody has left a live window for good.
            let is_open = series["state"][i] == "live";
            for (metric, expected) in counts {
                let found = numbers(&series[metric])[i];
                let is_known = !(metric == "exits" && is_open);
                let expected = (is_known && (expected > 0.0 || covered)).then_some(expected);
                assert_eq!(
                    found, expected,
                    "{what}: {metric} of {key}, point {i} of {points}, {inside:?}"
                );
            }
            let mut speeds: Vec<f64> = walks
                .iter()
                .flat_map(|walk| walk.speeds())
                .filter(|(at, _)| inside.contains(at))
                .map(|(_, speed)| speed)
                .collect();
            speeds.sort_by(f64::total_cmp);
            check_speeds(series, &speeds, i, what);
        }
    }
}

fn check_speeds(series: &Value, speeds: &[f64], i: usize, what: &str) {
    let quantile = |q: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank"
        )]
        let rank = (q * (speeds.len() - 1) as f64).floor() as usize;
        speeds[rank]
    };
    for metric in [
        "speed_avg",
        "speed_min",
        "speed_max",
        "speed_p50",
        "speed_p95",
    ] {
        if metric.starts_with("speed_p") && series[metric].is_null() {
            continue;
        }
        let found = numbers(&series[metric])[i];
        if speeds.is_empty() {
            assert_eq!(found, None, "{what}: {metric}, point {i}");
            continue;
        }
        let (expected, tolerance) = match metric {
            "speed_avg" => (speeds.iter().sum::<f64>() / speeds.len() as f64, 1e-8),
            "speed_min" => (speeds[0], 1e-8),
            "speed_max" => (speeds[speeds.len() - 1], 1e-8),
            "speed_p50" => (quantile(0.5), quantile(0.5) * 0.0101 + 1e-8),
            _ => (quantile(0.95), quantile(0.95) * 0.0101 + 1e-8),
        };
        let found = found.unwrap_or_else(|| panic!("{what}: {metric}, point {i} is null"));
        assert!(
            (found - expected).abs() <= tolerance,
            "{what}: {metric}, point {i}: {found}, expected {expected}"
        );
    }
}

const METRICS: &str = "entries,exits,present,speed_avg,speed_min,speed_max,speed_p50,speed_p95";
const COUNTS: &str = "entries,exits,present,speed_avg,speed_min,speed_max";

/// Feeds the samples between two instants, in order, and lets time pass to the later one.
async fn feed(world: &World, owner: &mut Owner, walks: &[(usize, Walk)], until: Micros) {
    let from = world.now();
    let mut samples: Vec<(Micros, usize, &Walk, f64)> = walks
        .iter()
        .flat_map(|(n, walk)| walk.samples.iter().map(move |(at, x)| (*at, *n, walk, *x)))
        .filter(|(at, ..)| *at > from && *at <= until)
        .collect();
    samples.sort_by_key(|(at, n, ..)| (*at, *n));
    for (at, n, walk, x) in samples {
        owner.position(&walk.sensor, (&format!("t{n}"), walk.kind), at, x);
    }
    world.clock.set(until);
}

async fn ask_all(instance: &Instance, walks: &[Walk], what: &str) {
    let questions = [
        format!("metric={METRICS}&start=2026-03-02T08:00:00Z&end=now&window=60s&step=60s"),
        format!(
            "metric={METRICS}&start=2026-03-02T08:00:00Z&end=now&window=5m&step=30s&group_by=type"
        ),
        format!(
            "metric={METRICS}&start=2026-03-02T08:07:10Z&end=2026-03-02T08:31:40Z&step=10m&mode=bucket&group_by=sensor"
        ),
        format!("metric={METRICS}&start=now-20m&window=10s&step=10s"),
    ];
    for question in questions {
        let answer = instance.ok(&format!("/api/v1/series?{question}")).await;
        check(&answer, walks, &format!("{what}: {question}"));
        // The same without distributions goes another way: Postgres merges.
        let merged = question.replace(METRICS, COUNTS);
        let answer_merged = instance.ok(&format!("/api/v1/series?{merged}")).await;
        for (merged, whole) in answer_merged["series"]
            .as_array()
            .unwrap()
            .iter()
            .zip(answer["series"].as_array().unwrap())
        {
            for metric in COUNTS.split(',') {
                assert_eq!(
                    merged[metric], whole[metric],
                    "{what}: {metric} of {merged}"
                );
            }
            assert_eq!(
                (&merged["coverage"], &merged["state"]),
                (&whole["coverage"], &whole["state"])
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_window_is_what_was_walked_while_panes_open_settle_and_become_final() {
    let world = World::new("2026-03-02T07:59:59Z").await;
    let mut owner = world.owner(0).await;
    let sensors: Vec<String> = (0..24).map(|n| format!("s-{n:02}")).collect();
    let all = walks(&sensors, 4000, at("2026-03-02T08:00:00Z"), 3000, 7);
    let numbered: Vec<(usize, Walk)> = all.iter().cloned().enumerate().collect();
    let (first, second) = (world.api(&[]).await, world.api(&[]).await);
    let mut checkpointed = 0;
    for minute in (5..=55).step_by(10) {
        let now = at("2026-03-02T08:00:00Z") + seconds(60) * minute + seconds(minute % 7);
        feed(&world, &mut owner, &numbered, now).await;
        owner.tick(now);
        // Sometimes rows are not written yet when it is asked.
        if minute % 20 == 5 {
            owner.checkpoint().await;
            checkpointed += 1;
        }
        owner.flush().await;
        for instance in [&first, &second] {
            instance.caught_up(&owner).await;
        }
        let walked = known(&all, now);
        ask_all(&first, &walked, &format!("at {now}")).await;
        let path =
            format!("/api/v1/series?metric={METRICS}&start=today&end=now&group_by=sensor&step=5m");
        assert_eq!(
            first.ok(&path).await,
            second.ok(&path).await,
            "two instances give the same answer"
        );
    }
    assert_eq!(checkpointed, 3);
    let answer = first.ok("/api/v1/series?start=2026-03-02T08:00:00Z").await;
    let states = answer["series"][0]["state"].as_array().unwrap();
    for state in ["live", "provisional", "final"] {
        assert!(
            states.iter().any(|found| found == state),
            "no point is {state}"
        );
    }
    first.stop().await;
    second.stop().await;
}

/// Of the first window.
fn entries_and_state(answer: &Value) -> (Option<u64>, Value) {
    let series = &answer["series"][0];
    (
        series["entries"]["v"][0].as_u64(),
        series["state"][0].clone(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn hours_that_are_final_are_answered_from_memory_until_an_older_event_is_heard_of() {
    let start = at("2026-03-02T08:00:00Z");
    let world = World::new("2026-03-02T07:59:59Z").await;
    let mut owner = world.owner(0).await;
    let sensors: Vec<String> = (0..3).map(|n| format!("s-{n}")).collect();
    let all = walks(&sensors, 900, start, 12_000, 11);
    let numbered: Vec<(usize, Walk)> = all.iter().cloned().enumerate().collect();
    let now = start + seconds(12_600);
    feed(&world, &mut owner, &numbered, now).await;
    owner.status("s-0", DeviceState::Heartbeat, now);
    owner.status("s-1", DeviceState::Heartbeat, now);
    owner.status("s-2", DeviceState::Heartbeat, now);
    owner.checkpoint().await;
    owner.flush().await;
    let api = world.api(&[]).await;
    api.caught_up(&owner).await;
    let questions = [
        format!("metric={METRICS}&start=2026-03-02T08:10:00Z&end=now&window=10m&step=60s"),
        format!(
            "metric={COUNTS}&start=2026-03-02T08:10:00Z&end=now&window=5m&step=5m&group_by=type"
        ),
        format!(
            "metric={COUNTS}&start=2026-03-02T09:00:00Z&end=2026-03-02T10:00:00Z&step=5m&mode=bucket"
        ),
    ];
    let morning = "/api/v1/series?start=2026-03-02T08:30:00Z&end=2026-03-02T09:00:00Z&step=30m";
    api.ok(morning).await;
    let mut answers = Vec::new();
    for question in &questions {
        let answer = api.ok(&format!("/api/v1/series?{question}")).await;
        check(&answer, &all, question);
        answers.push(answer);
    }
    sqlx::query("delete from pane where start_at < '2026-03-02 10:00:00+00'")
        .execute(&world.pool)
        .await
        .unwrap();
    for (question, answer) in questions.iter().zip(&answers) {
        assert_eq!(
            &api.ok(&format!("/api/v1/series?{question}")).await,
            answer,
            "{question}"
        );
    }
    let (kept, state) = entries_and_state(&api.ok(morning).await);
    assert_eq!(state, "final");
    assert!(kept > Some(1), "{kept:?} of the kept ones");
    // One of them was seen by nobody until now: the hour that is kept is read again, and says that it was revised. Its rows are
    // deleted, so only what was amended is found.
    owner.position("s-0", ("late", "bicycle"), at("2026-03-02T08:40:00Z"), 0.0);
    owner.amending_tick(now + seconds(10)).await;
    owner.flush().await;
    api.caught_up(&owner).await;
    assert_eq!(
        entries_and_state(&api.ok(morning).await),
        (Some(1), "revised".into())
    );
    let visits = api
        .ok("/api/v1/visits?type=bicycle&start=2026-03-02T08:00:00Z")
        .await;
    assert_eq!(visits["items"][0]["state"], "revised");
    // A sensor that was never heard of uploads what it saw in the morning: nothing that was kept counts any more.
    owner.position("gym-1", ("old", "student"), at("2026-03-02T08:30:00Z"), 0.0);
    owner.flush().await;
    api.caught_up(&owner).await;
    assert_eq!(
        api.ok(morning).await["series"][0]["entries"]["v"],
        serde_json::json!([2])
    );
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newer_copy_of_a_pane_counts_whichever_store_has_it() {
    let start = at("2026-03-02T08:00:00Z");
    let world = World::new("2026-03-02T08:02:00Z").await;
    let mut owner = world.owner(0).await;
    let api = world.api(&[]).await;
    owner.position("lib-1", ("a", "student"), start, 0.0);
    owner.position("lib-1", ("z", "student"), start + seconds(100), 0.0);
    owner.flush().await;
    owner.checkpoint().await;
    api.caught_up(&owner).await;
    let entries = async || {
        let mut found = Vec::new();
        for metric in ["entries", "entries,speed_p50"] {
            let path = format!(
                "/api/v1/series?metric={metric}&start=2026-03-02T08:00:00Z&end=2026-03-02T08:00:10Z&step=10s"
            );
            found.push(api.ok(&path).await["series"][0]["entries"]["v"][0].clone());
        }
        found
    };
    assert_eq!(entries().await, [1, 1]);
    // The live view is behind: only Postgres knows of the second visit.
    owner.position("lib-1", ("b", "student"), start + seconds(1), 0.0);
    owner.checkpoint().await;
    assert_eq!(entries().await, [2, 2]);
    // Postgres is behind: only the live view knows of the third.
    owner.position("lib-1", ("c", "student"), start + seconds(2), 0.0);
    owner.flush().await;
    api.caught_up(&owner).await;
    assert_eq!(entries().await, [3, 3]);
    api.stop().await;
}
