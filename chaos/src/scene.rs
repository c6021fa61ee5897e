//! What a fault may touch: the site, the load, the clock, and a seeded chance. What it does is written down with its time.

mod commit;

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::Context;
use chassis::clock::Clock;
use domain::topic::{DEAD_LETTERS, SENSOR_MOVEMENTS};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::check::{Checker, Finding, heal, progress};
use crate::load::Load;
use crate::log::{Heads, Offsets, Reader};
use crate::site::Site;
use crate::store;
use crate::watch::Watch;

/// How long a restarted role may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A kill, a freeze or a stop within a row comes at most so much later, by chance: longer than what goes by a clock of its own, a
/// flush (50 ms) or a checkpoint (500 ms).
pub(crate) const JITTER: Duration = Duration::from_millis(600);

/// How long a row takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// As short as it still shows something, for `make test`.
    Short,
    /// As the fault table says.
    Full,
    /// So long, for rows that have no end of their own.
    Lasting(Duration),
}

impl Length {
    /// For people and for results: runs of different lengths have shown different things.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Short => "short".to_owned(),
            Self::Full => "full".to_owned(),
            Self::Lasting(time) => format!("{} min", time.as_secs() / 60),
        }
    }
}

/// Something that was done to the system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When, ms after the load began.
    pub after_ms: u64,
    /// What.
    pub what: String,
}

/// A fault's stage.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The system.
    pub site: &'a mut Site,
    /// What publishes meanwhile.
    pub load: &'a Load,
    /// What looks on meanwhile.
    pub watch: &'a Watch,
    /// All chance of a fault comes from here.
    pub random: ChaCha8Rng,
    /// How long to go on.
    pub length: Length,
    /// Lines of [`Scene::note`].
    pub steps: Vec<Step>,
    /// What was found broken on the way.
    pub findings: Vec<Finding>,
    /// When nothing must have been acknowledged, µs since 1970.
    pub silences: Vec<Range<i64>>,
    /// How often offsets were compared (D4).
    pub offset_looks: u64,
    /// When the load began.
    pub began: Instant,
}

impl Scene<'_> {
    /// One of two figures, by the length of the run.
    #[must_use]
    pub fn pick<T>(&self, short: T, full: T) -> T {
        match self.length {
            Length::Short => short,
            Length::Full | Length::Lasting(_) => full,
        }
    }

    /// Writes down what is done now, or what was measured.
    pub fn note(&mut self, what: impl Into<String>) {
        let after = self.began.elapsed().as_millis();
        self.steps.push(Step {
            after_ms: u64::try_from(after).unwrap_or(u64::MAX),
            what: what.into(),
        });
    }

    /// Notes a finding unless `holds`.
    pub fn expect(&mut self, holds: bool, checker: Checker, sentence: impl Into<String>) {
        if !holds {
            self.findings.push(Finding::new(checker, sentence));
        }
    }

    /// Notes how long something took, and a finding if it took too long.
    pub fn bound(&mut self, what: &str, took: Duration, within: Duration) {
        self.note(format!("{what}: {:.2} s", took.as_secs_f64()));
        self.findings.extend(heal::bound(what, took, within));
    }

    /// The wall clock, µs since 1970, as the ledger has it.
    #[must_use]
    pub fn now(&self) -> i64 {
        Clock::System.now().0
    }

    /// Waits for a time by chance, so that each seed hits another phase of what goes by a clock.
    pub async fn pause(&mut self, most: Duration) {
        let share: f64 = self.random.random();
        sleep(most.mul_f64(share)).await;
    }

    /// Kills a role or a server, a little earlier or later by chance.
    ///
    /// # Errors
    /// When there is no such process.
    pub async fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        self.pause(JITTER).await;
        self.kill_now(name).await
    }

    /// Kills a role or a server at this very moment, and looks at once whether commits lead the ledger: the partitions of a consumer that is
    /// dead stand still until its session ends.
    ///
    /// # Errors
    /// When there is no such process.
    pub async fn kill_now(&mut self, name: &str) -> anyhow::Result<()> {
        self.note(format!("SIGKILL {name}"));
        self.site.kill(name).await?;
        // Who is away cannot be asked; the row looks again when it is back.
        if self.site.has_server("kafka")
            && self.site.has_server("postgres")
            && let Err(error) = self.check_offsets().await
        {
            let sentence = format!("offsets cannot be compared after the kill: {error:#}");
            self.expect(false, Checker::D4, sentence);
        }
        Ok(())
    }

    /// Holds a role or a server still, a little earlier or later by chance.
    ///
    /// # Errors
    /// When there is no such process.
    pub async fn freeze(&mut self, name: &str) -> anyhow::Result<()> {
        self.pause(JITTER).await;
        self.note(format!("SIGSTOP {name}"));
        self.site.freeze(name)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn thaw(&mut self, name: &str) -> anyhow::Result<()> {
        self.note(format!("SIGCONT {name}"));
        self.site.thaw(name)
    }

    /// Asks a role to leave, a little earlier or later by chance; says how long it took.
    ///
    /// # Errors
    /// When it does not end within `within`, or not with success.
    pub async fn term(&mut self, name: &str, within: Duration) -> anyhow::Result<Duration> {
        self.pause(JITTER).await;
        self.note(format!("SIGTERM {name}"));
        self.site.term(name, within).await
    }

    /// Starts a role or a server, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become so.
    pub async fn start(&mut self, name: &str) -> anyhow::Result<()> {
        self.note(format!("start {name}"));
        self.site.launch_or_start(name).await?;
        self.site.wait_ready(READY_WITHIN).await?;
        Ok(())
    }

    /// Waits until every role is ready and the ledger has what Kafka had at this moment; says how long it took.
    ///
    /// # Errors
    /// When it is not so in time.
    pub async fn wait_healed(&mut self, within: Duration) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let heads = heads(self.site.kafka()).await?;
        self.site.wait_ready(within).await?;
        wait_drained(self.site, &heads, within.saturating_sub(began.elapsed())).await?;
        Ok(began.elapsed())
    }

    /// The longest that a partition's live view stood still since then.
    #[must_use]
    pub fn worst_gap(&self, since: Instant) -> Duration {
        progress::worst_gap(&self.watch.samples(), since, Instant::now())
    }

    /// How many records the live view has taken in since then, all partitions together.
    #[must_use]
    pub fn shown(&self, since: Instant) -> u64 {
        progress::shown(&self.watch.samples(), since)
    }

    /// Waits until every partition has moved on since `since`; says how long after it the last of them did.
    ///
    /// # Errors
    /// When one does not in time.
    pub async fn wait_moved(&self, since: Instant, within: Duration) -> anyhow::Result<Duration> {
        let samples = self.watch.samples();
        let partitions = samples.first().map_or(0, |sample| sample.offsets.len());
        let mut last = since;
        for partition in 0..partitions {
            let moved = loop {
                if let Some(moved) = self.watch.moved(partition, since) {
                    break moved;
                }
                anyhow::ensure!(
                    since.elapsed() < within,
                    "partition {partition} stands still for {within:?}"
                );
                sleep(LOOK_EVERY).await;
            };
            last = last.max(moved);
        }
        Ok(last - since)
    }
}

/// How far the topics go now.
///
/// # Errors
/// When Kafka does not answer.
pub async fn heads(kafka: &str) -> anyhow::Result<Heads> {
    let reader = Reader::new(kafka);
    tokio::task::spawn_blocking(move || reader.heads())
        .await
        .context("looking at Kafka")?
}

/// Waits until the ledger has everything up to `heads`.
///
/// # Errors
/// When it has not in time; says what is missing.
pub async fn wait_drained(
    site: &Site,
    heads: &Heads,
    within: Duration,
) -> anyhow::Result<Duration> {
    let began = Instant::now();
    loop {
        let missing = match missing(site, heads).await {
            Ok(0) => return Ok(began.elapsed()),
            Ok(records) => format!("{records} records are not in the ledger"),
            Err(error) => format!("{error:#}"),
        };
        anyhow::ensure!(began.elapsed() < within, "{missing} after {within:?}");
        sleep(LOOK_EVERY * 2).await;
    }
}

async fn missing(site: &Site, heads: &Heads) -> anyhow::Result<i64> {
    let mut records = 0;
    for (topic, heads) in [
        (SENSOR_MOVEMENTS, &heads.movements),
        (DEAD_LETTERS, &heads.dead_letters),
    ] {
        let ledger = store::ledger(site.postgres(), topic).await?;
        records += behind(heads, &ledger);
    }
    Ok(records)
}

fn behind(heads: &Offsets, ledger: &Offsets) -> i64 {
    let of = |(partition, head): (&i32, &i64)| {
        (head - ledger.get(partition).copied().unwrap_or(0)).max(0)
    };
    heads.iter().map(of).sum()
}
