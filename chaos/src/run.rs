//! One repetition of a row: a load with devices of its own, the fault, the drain, and every checker.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::time::sleep;

use crate::audit::{self, Verdict};
use crate::check::conserve::{self, Counts};
use crate::check::{Checker, Finding, bound, heal, loss, order, progress, refuse, replay, stand};
use crate::fault::Unavailable;
use crate::ledger::{Ledger, What};
use crate::load::{Load, LoadPlan};
use crate::log::{Heads, Log, Reader};
use crate::report::Outcome;
use crate::row::Row;
use crate::scene::{self, Length, Scene, wait_drained};
use crate::site::Site;
use crate::store;
use crate::watch::Watch;

/// How many devices publish.
const DEVICES: u16 = 64;
/// The load runs so long before the fault begins, and after it has healed.
const CALM: Duration = Duration::from_secs(2);
/// How long devices may take to get everything acknowledged once nothing is broken any more.
const ACKED_WITHIN: Duration = Duration::from_secs(60);
/// How long the ledger may take to have everything after that.
const DRAINED_WITHIN: Duration = Duration::from_secs(60);
/// How long the api may take to answer what Postgres has.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);

/// A repetition.
#[derive(Clone, Debug)]
pub struct Repetition {
    /// What is repeated.
    pub row: Row,
    /// Which time, from 1.
    pub number: u32,
    /// Where all chance comes from.
    pub seed: u64,
    /// How long it takes.
    pub length: Length,
    /// Where its ledger goes.
    pub dir: PathBuf,
}

/// What was observed besides the fault itself.
struct Observed {
    from: Heads,
    /// What the ledger counted then.
    counted: Counts,
    devices: Vec<String>,
    ledger: PathBuf,
    errors: u64,
    silences: Vec<std::ops::Range<i64>>,
}

/// Runs one repetition. What is found broken is in the outcome; an error means that nothing could be observed.
///
/// # Errors
/// When the site does not work even before the fault.
pub async fn run(site: &mut Site, repetition: &Repetition) -> anyhow::Result<Outcome> {
    let Repetition { row, seed, .. } = repetition;
    std::fs::create_dir_all(&repetition.dir)?;
    let ledger = repetition.dir.join("ledger.jsonl");
    let logs = LogMarks::new(site);
    let from = scene::heads(site.kafka()).await?;
    wait_drained(site, &from, DRAINED_WITHIN).await?;
    let counted = store::counts(site.postgres()).await?;
    let partitions = i32::try_from(from.movements.len())?;
    let mut load = Load::start(&load_plan(site, repetition), &ledger)?;
    let watch = Watch::start(site.redis(), partitions, site.pids());
    load.next_ack(ACKED_WITHIN)
        .await
        .context("before the fault")?;
    sleep(CALM).await;
    let mut outcome = Outcome::new(repetition);
    let mut scene = Scene {
        site,
        load: &load,
        watch: &watch,
        random: ChaCha8Rng::seed_from_u64(*seed),
        length: repetition.length,
        steps: Vec::new(),
        findings: Vec::new(),
        silences: Vec::new(),
        began: Instant::now(),
    };
    let began = scene.began;
    if let Err(error) = (row.inject)(&mut scene).await {
        match error.downcast::<Unavailable>() {
            Ok(why) => outcome.skipped = Some(why.to_string()),
            Err(error) => scene.expect(false, Checker::L1, format!("{error:#}")),
        }
    }
    let healed = scene.wait_healed(row.heal).await;
    scene.findings.extend(heal::check(&healed, row.heal));
    outcome.heal_ms = healed.map_or(0, millis);
    sleep(CALM).await;
    let ended = Instant::now();
    let (steps, findings, silences) = (scene.steps, scene.findings, scene.silences);
    outcome.injected = steps;
    outcome.findings = findings;
    if let Err(error) = load.finish(ACKED_WITHIN).await {
        outcome.find(Checker::L1, format!("{error:#}"));
    }
    outcome.worst_gap_ms = millis(progress::worst_gap(&watch.samples(), began, ended));
    let observed = Observed {
        from,
        counted,
        devices: load.devices.clone(),
        ledger,
        errors: load.errors(),
        silences,
    };
    if let Err(error) = judge(site, &observed, &mut outcome).await {
        outcome.find(Checker::L1, format!("{error:#}"));
    }
    let seen = watch.seen();
    outcome.peaks = bound::peaks(&seen);
    outcome.findings.extend(bound::check(&seen, &row.limits));
    let logged = logs.since(site);
    let logged = logged
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    outcome.findings.extend(stand::check(site.died(), logged));
    Ok(outcome)
}

fn load_plan(site: &Site, repetition: &Repetition) -> LoadPlan {
    let longest = match repetition.length {
        Length::Lasting(time) => time + repetition.row.heal,
        Length::Short | Length::Full => repetition.row.longest,
    };
    LoadPlan {
        rate: repetition.row.rate,
        devices: DEVICES,
        longest: longest + CALM * 2,
        // Unique in a site: a repetition's rows are its own.
        tag: format!(
            "r{}-{}-{}",
            repetition.row.id,
            repetition.number,
            repetition.seed % 10_000
        ),
        seed: repetition.seed,
        gateways: site.gateways(),
    }
}

/// The checkers that compare the ledger with the log and the stores.
async fn judge(site: &mut Site, observed: &Observed, outcome: &mut Outcome) -> anyhow::Result<()> {
    let to = scene::heads(site.kafka()).await?;
    wait_drained(site, &to, DRAINED_WITHIN).await?;
    let ledger = Ledger::read(&observed.ledger)?;
    outcome.published = ledger.messages.len() as u64;
    outcome.acked = ledger.acked() as u64;
    outcome.sent_again = ledger.sent_again;
    let log = read_log(site.kafka(), observed, to).await?;
    let (tally, findings) = loss::check(&ledger, &log);
    outcome.tally(&tally);
    let counted = store::counts(site.postgres())
        .await?
        .since(observed.counted);
    let of_log = Counts::of(&tally, &log);
    outcome
        .findings
        .extend(conserve::check_counts(counted, of_log));
    outcome.findings.extend(findings);
    outcome.findings.extend(order::check(&ledger, &log));
    let silent = |silence| refuse::check_silence(&ledger, silence);
    outcome
        .findings
        .extend(observed.silences.iter().filter_map(silent));
    outcome
        .findings
        .extend(refuse::check_errors(observed.errors));
    check_dead_letters(site, observed, &ledger, outcome).await?;
    let truth = replay::expected(&ledger, &log, &observed.devices);
    let rows = store::rows(site.postgres(), &observed.devices).await?;
    let (differences, finding) = replay::check(&truth, &rows);
    outcome.rows = (truth.visits.len() + truth.panes.len()) as u64;
    outcome.rows_different = differences;
    outcome.findings.extend(finding);
    for api in site.apis() {
        let deadline = Instant::now() + ANSWERED_WITHIN;
        while let Err(error) = store::check_answers(&api, &truth, &observed.devices).await {
            if Instant::now() > deadline {
                outcome.find(Checker::D2, format!("{error:#}"));
                break;
            }
            sleep(CALM / 4).await;
        }
    }
    check_accounts(site, outcome).await?;
    audit(site, outcome).await
}

/// Conservation and canaries, as the ledger has them and as the api says.
async fn check_accounts(site: &Site, outcome: &mut Outcome) -> anyhow::Result<()> {
    let (accounts, flights) = store::accounts(site.postgres()).await?;
    outcome
        .findings
        .extend(conserve::check(&accounts, &flights));
    for api in site.apis() {
        let (status, body) = store::get(&format!("{api}/pipeline")).await?;
        anyhow::ensure!(status == 200, "/pipeline: {status} {body}");
        let pipeline = serde_json::from_str(&body)?;
        outcome.findings.extend(conserve::check_pipeline(&pipeline));
    }
    Ok(())
}

/// The product's own audit sees what a replay of this run's devices does not: the live view, and everybody else's rows.
async fn audit(site: &Site, outcome: &mut Outcome) -> anyhow::Result<()> {
    match audit::run(site).await? {
        Verdict::Equal => outcome.audited = true,
        Verdict::Differs(how) => outcome.find(Checker::D2, format!("the audit differs: {how}")),
        Verdict::Absent => {}
    }
    Ok(())
}

async fn read_log(kafka: &str, observed: &Observed, to: Heads) -> anyhow::Result<Log> {
    let reader = Reader::new(kafka);
    let from = observed.from.clone();
    let devices: HashSet<String> = observed.devices.iter().cloned().collect();
    tokio::task::spawn_blocking(move || reader.read(&from, &to, |device| devices.contains(device)))
        .await
        .context("reading Kafka")?
}

/// Refused messages must be readable in Postgres, not only in Kafka.
async fn check_dead_letters(
    site: &Site,
    observed: &Observed,
    ledger: &Ledger,
    outcome: &mut Outcome,
) -> anyhow::Result<()> {
    let kept = store::dead_letters(site.postgres(), &observed.devices).await?;
    let kept: HashSet<&str> = kept.iter().map(String::as_str).collect();
    let missing = ledger
        .messages
        .iter()
        .find_map(|message| match &message.what {
            What::Invalid { event_id, .. }
                if message.acked_at.is_some() && !kept.contains(event_id.as_str()) =>
            {
                Some(event_id)
            }
            _ => None,
        });
    if let Some(event_id) = missing {
        let sentence = format!("the dead letter {event_id} is acknowledged and not in Postgres");
        outcome.findings.push(Finding::new(Checker::D1, sentence));
    }
    Ok(())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// How long each role's log was when the repetition began.
struct LogMarks(Vec<(String, u64)>);

impl LogMarks {
    fn new(site: &Site) -> Self {
        let length = |name: String| {
            let length = std::fs::metadata(site.log(&name)).map_or(0, |file| file.len());
            (name, length)
        };
        Self(site.role_names().into_iter().map(length).collect())
    }

    /// What each role has logged since.
    fn since(&self, site: &Site) -> Vec<(String, String)> {
        let names = site.role_names().into_iter();
        names
            .map(|name| {
                let known = self.0.iter().find(|(known, _)| *known == name);
                let from = known.map_or(0, |(_, length)| *length);
                let text = read_from(&site.log(&name), from);
                (name, text)
            })
            .collect()
    }
}

/// A log that cannot be read has nothing to say.
fn read_from(path: &Path, offset: u64) -> String {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(offset))?;
        file.read_to_end(&mut text)
    });
    read.map_or_else(
        |_| String::new(),
        |_| String::from_utf8_lossy(&text).into_owned(),
    )
}
