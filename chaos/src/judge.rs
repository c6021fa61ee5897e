//! After a repetition: the ledger of the load held against the log in Kafka, the rows in Postgres, and what the api says.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use domain::time::Micros;
use domain::topic::{DEAD_LETTERS, SENSOR_MOVEMENTS};
use tokio::time::sleep;

use crate::audit::{self, Verdict};
use crate::check::canary::{self, Rounds};
use crate::check::conserve::{self, Counts, Expected};
use crate::check::late::{self, Late};
use crate::check::{Checker, loss, order, refuse, replay};
use crate::ledger::Ledger;
use crate::log::{Heads, Log, Reader};
use crate::report::Outcome;
use crate::scene::{self, wait_drained};
use crate::site::Site;
use crate::store;

/// How long the ledger may take to have everything once all is acknowledged.
pub(crate) const DRAINED_WITHIN: Duration = Duration::from_secs(60);
/// How long the api may take to answer what Postgres has.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);
/// How long the last late events may wait: for a tick, ten seconds of ticks after the one before, on a busy machine.
const AMENDED_WITHIN: Duration = Duration::from_secs(45);
/// A gateway that began a moment ago hears with its second round that the first is in Kafka.
const CANARY_WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What was observed besides the fault itself.
#[derive(Debug)]
pub(crate) struct Observed {
    /// Where the log ended before the load began.
    pub(crate) from: Heads,
    /// A round of each gateway that was confirmed after that.
    pub(crate) begun: BTreeMap<String, i64>,
    /// What the ledger counted before the load began.
    pub(crate) counted: Counts,
    pub(crate) devices: Vec<String>,
    pub(crate) ledger: PathBuf,
    pub(crate) errors: u64,
    /// When nothing must have been acknowledged.
    pub(crate) silences: Vec<Range<i64>>,
    /// Where some events came late: what happened before this.
    pub(crate) late_before: Option<Micros>,
}

/// The checkers that compare the ledger with the log and the stores.
pub(crate) async fn judge(
    site: &Site,
    observed: &Observed,
    outcome: &mut Outcome,
) -> anyhow::Result<()> {
    // Before the log's end is read: what is confirmed now must be found up to there.
    let canaries = canaries(site).await.unwrap_or_else(|error| {
        // A gateway that is gone hides nothing of what the log and the rows tell.
        outcome.find(Checker::Canary, format!("{error:#}"));
        BTreeMap::new()
    });
    let to = scene::heads(site.kafka()).await?;
    let rounds = Rounds {
        partitions: to.movements.keys().copied().collect(),
        begun: observed.begun.clone(),
        confirmed: canaries.clone(),
    };
    let expected = expected(&to, canaries);
    let ledger = Ledger::read(&observed.ledger)?;
    outcome.published = ledger.messages.len() as u64;
    outcome.acked = ledger.acked() as u64;
    outcome.sent_again = ledger.sent_again;
    let log = read_log(site.kafka(), observed, to.clone()).await?;
    outcome.findings.extend(canary::check(&log.ticks, &rounds));
    let (tally, findings) = loss::check(&ledger, &log);
    outcome.tally(&tally);
    let found = &mut outcome.findings;
    found.extend(findings);
    found.extend(order::check(&ledger, &log));
    let silent = |silence| refuse::check_silence(&ledger, silence);
    found.extend(observed.silences.iter().filter_map(silent));
    found.extend(refuse::check_errors(observed.errors));
    // What the log tells is told; the rest needs a ledger that has it.
    wait_drained(site, &to, DRAINED_WITHIN).await?;
    let counted = store::counts(site.postgres())
        .await?
        .since(observed.counted);
    let late_of = |before| Late::of(&ledger, &log, before);
    let late = observed.late_before.map(late_of);
    let of_log = late.unwrap_or_default().counted(Counts::of(&tally, &log));
    let counts = conserve::check_counts(counted, of_log);
    outcome.findings.extend(counts);
    check_dead_letters(site, observed, &ledger, outcome).await?;
    if let Some(late) = late {
        check_late(site, observed, late, outcome).await?;
    }
    check_rows(site, observed, (&ledger, &log), outcome).await?;
    check_accounts(site, &expected, outcome).await?;
    audit(site, outcome).await
}

/// The newest round of every gateway, at least its first: one that has none in Kafka yet is waited for.
async fn canaries(site: &Site) -> anyhow::Result<BTreeMap<String, i64>> {
    let began = Instant::now();
    loop {
        let canaries = site.canaries().await?;
        let silent = canaries.iter().find(|(_, newest)| **newest < 1);
        let Some((gateway, _)) = silent else {
            return Ok(canaries);
        };
        anyhow::ensure!(
            began.elapsed() < CANARY_WITHIN,
            "no canary of gateway {gateway} within {CANARY_WITHIN:?}"
        );
        sleep(LOOK_EVERY).await;
    }
}

fn expected(heads: &Heads, canaries: BTreeMap<String, i64>) -> Expected {
    let of = |topic: &'static str, partitions: BTreeSet<i32>| {
        let pair = move |partition| (topic.to_owned(), partition);
        partitions.into_iter().map(pair)
    };
    let movements: BTreeSet<i32> = heads.movements.keys().copied().collect();
    let dead_letters = heads.dead_letters.keys().copied().collect();
    Expected {
        accounts: of(SENSOR_MOVEMENTS, movements.clone())
            .chain(of(DEAD_LETTERS, dead_letters))
            .collect(),
        ticked: movements,
        canaries,
    }
}

/// Late events are folded with a tick, and only then stand in the rows.
async fn check_late(
    site: &Site,
    observed: &Observed,
    late: Late,
    outcome: &mut Outcome,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + AMENDED_WITHIN;
    loop {
        let amended = store::amended(site.postgres(), &observed.devices).await?;
        let finding = late::check(late, amended);
        if finding.is_none() || Instant::now() > deadline {
            outcome.findings.extend(finding);
            return Ok(());
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Rows in Postgres and answers of the api against a replay by brute force.
async fn check_rows(
    site: &Site,
    observed: &Observed,
    (ledger, log): (&Ledger, &Log),
    outcome: &mut Outcome,
) -> anyhow::Result<()> {
    let truth = replay::expected(ledger, log, &observed.devices);
    let rows = store::rows(site.postgres(), &observed.devices).await?;
    let (differences, finding) = replay::check(&truth, &rows);
    outcome.rows = (truth.visits.len() + truth.panes.len()) as u64;
    outcome.rows_different = differences;
    outcome.rows_judged = true;
    outcome.findings.extend(finding);
    for api in site.apis() {
        let deadline = Instant::now() + ANSWERED_WITHIN;
        while let Err(error) = store::check_answers(&api, &truth, &observed.devices).await {
            if Instant::now() > deadline {
                outcome.find(Checker::D2, format!("{error:#}"));
                break;
            }
            sleep(LOOK_EVERY).await;
        }
    }
    Ok(())
}

/// Conservation and canaries, as the ledger has them and as the api says.
async fn check_accounts(
    site: &Site,
    expected: &Expected,
    outcome: &mut Outcome,
) -> anyhow::Result<()> {
    let (accounts, flights) = store::accounts(site.postgres()).await?;
    outcome
        .findings
        .extend(conserve::check(&accounts, &flights, expected));
    for api in site.apis() {
        let deadline = Instant::now() + ANSWERED_WITHIN;
        // The api looks at the ledger now and then.
        let found = loop {
            let (status, body) = store::get(&format!("{api}/pipeline")).await?;
            anyhow::ensure!(status == 200, "/pipeline: {status} {body}");
            let found = conserve::check_pipeline(&serde_json::from_str(&body)?, expected);
            if found.is_empty() || Instant::now() > deadline {
                break found;
            }
            sleep(LOOK_EVERY).await;
        };
        outcome.findings.extend(found);
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
    outcome.findings.extend(loss::check_kept(ledger, &kept));
    Ok(())
}
