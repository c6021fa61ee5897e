//! One repetition of a row: a load with devices of its own, the fault, the drain, and every checker.

use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::time::sleep;

use crate::check::{Checker, bound, heal, progress, stand};
use crate::fault::Unavailable;
use crate::judge::{DRAINED_WITHIN, Observed, judge};
use crate::load::{Load, LoadPlan};
use crate::marks::LogMarks;
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
/// The fault begins at most so much later, by chance: flushes, checkpoints and ticks have phases, and each seed shall hit another.
const PHASE: Duration = Duration::from_millis(1500);
/// How long devices may take to get everything acknowledged once nothing is broken any more.
const ACKED_WITHIN: Duration = Duration::from_secs(60);

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

/// Runs one repetition. What is found broken is in the outcome; an error means that nothing could be observed.
///
/// # Errors
/// When the site does not work even before the fault.
pub async fn run(site: &mut Site, repetition: &Repetition) -> anyhow::Result<Outcome> {
    std::fs::create_dir_all(&repetition.dir)?;
    let ledger = repetition.dir.join("ledger.jsonl");
    let logs = LogMarks::new(site);
    let from = scene::heads(site.kafka()).await?;
    wait_drained(site, &from, DRAINED_WITHIN).await?;
    let begun = site.canaries().await?;
    let counted = store::counts(site.postgres()).await?;
    let partitions = i32::try_from(from.movements.len())?;
    let mut load = Load::start(&load_plan(site, repetition), &ledger)?;
    let watch = Watch::start(site.redis(), partitions, site.pids());
    load.next_ack(ACKED_WITHIN)
        .await
        .context("before the fault")?;
    sleep(CALM).await;
    let tasks = site.tasks().await?;
    // Whoever left before is of no concern to this repetition.
    drop(site.left_with());
    let mut outcome = Outcome::new(repetition);
    let silences = hurt(site, (&load, &watch), repetition, &mut outcome).await;
    let left_with = bound::check_left_with(&tasks, &site.left_with());
    outcome.findings.extend(left_with);
    match site.tasks().await {
        Ok(now) => {
            outcome.findings.extend(bound::check_tasks(&tasks, &now));
            outcome.tasks = now;
        }
        Err(error) => outcome.find(Checker::L2, format!("tasks cannot be counted: {error:#}")),
    }
    if let Err(error) = load.finish(ACKED_WITHIN).await {
        outcome.find(Checker::L1, format!("{error:#}"));
    }
    let observed = Observed {
        from,
        begun,
        counted,
        devices: load.devices.clone(),
        ledger,
        errors: load.errors(),
        silences,
        late_before: (repetition.row.late_percent > 0.0).then_some(load.first_event),
    };
    if let Err(error) = judge(site, &observed, &mut outcome).await {
        outcome.find(Checker::L1, format!("{error:#}"));
    }
    let seen = watch.seen();
    outcome.peaks = bound::peaks(&seen);
    let Row { limits, rate, .. } = &repetition.row;
    outcome.findings.extend(bound::check(&seen, limits, *rate));
    let logged = logs.since(site);
    let logged = logged
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    outcome.findings.extend(stand::check(site.died(), logged));
    Ok(outcome)
}

/// Injects the fault and waits until it has healed; gives when nothing must have been acknowledged.
async fn hurt(
    site: &mut Site,
    (load, watch): (&Load, &Watch),
    repetition: &Repetition,
    outcome: &mut Outcome,
) -> Vec<Range<i64>> {
    let row = &repetition.row;
    let began = Instant::now();
    let mut scene = Scene {
        site,
        load,
        watch,
        random: ChaCha8Rng::seed_from_u64(repetition.seed),
        length: repetition.length,
        steps: Vec::new(),
        findings: Vec::new(),
        silences: Vec::new(),
        offset_looks: 0,
        began,
    };
    scene.pause(PHASE).await;
    if let Err(error) = (row.inject)(&mut scene).await {
        match error.downcast::<Unavailable>() {
            Ok(why) => outcome.skipped = Some(why.to_string()),
            Err(error) => scene.expect(false, Checker::L1, format!("{error:#}")),
        }
    }
    let healed = scene.wait_healed(row.heal).await;
    scene.findings.extend(heal::check(&healed, row.heal));
    let is_healed = healed.is_ok();
    outcome.heal_ms = healed.map_or(0, millis);
    if let Err(error) = scene.check_offsets().await {
        let sentence = format!("offsets cannot be compared: {error:#}");
        scene.expect(false, Checker::D4, sentence);
    }
    // A system that has not healed is found already.
    if is_healed && let Err(error) = scene.check_commits().await {
        let sentence = format!("commits cannot be looked at: {error:#}");
        scene.expect(false, Checker::D4, sentence);
    }
    if !is_healed {
        lend_a_hand(&mut scene).await;
    }
    sleep(CALM).await;
    let gap = progress::worst_gap(&watch.samples(), began, Instant::now());
    outcome.worst_gap_ms = millis(gap);
    outcome.offset_looks = scene.offset_looks;
    outcome.injected = scene.steps;
    outcome.findings = scene.findings;
    scene.silences
}

/// Starts everything again, as a person would in the end: whether anything was lost is judged of a run that did not heal, too.
async fn lend_a_hand(scene: &mut Scene<'_>) {
    scene.note("by hand: kill and start everything, because it has not healed");
    if let Err(error) = scene.site.start_again().await {
        scene.expect(false, Checker::L1, format!("not even by hand: {error:#}"));
    }
}

fn load_plan(site: &Site, repetition: &Repetition) -> LoadPlan {
    let longest = match repetition.length {
        Length::Lasting(time) => time + repetition.row.heal,
        Length::Short | Length::Full => repetition.row.longest,
    };
    LoadPlan {
        rate: repetition.row.rate,
        late_percent: repetition.row.late_percent,
        devices: DEVICES,
        longest: longest + CALM * 2 + PHASE,
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

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
