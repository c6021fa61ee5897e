//! From where to where each partition is folded: decided by the ledger, the state log, Kafka and Redis.

use std::collections::BTreeMap;
use std::ops::Range;

use domain::live::LiveKeys;
use sqlx::{PgConnection, Row, query};

use super::accounts::{self, Accounts};
use super::live::{self, View};
use super::noted::{Ledger, ledger, poison, skips};
use super::report::PartitionReport;
use super::rows::Audited;
use super::{Audit, AuditError, log};
use crate::engine::poison::Poison;

/// One fold.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) topic: String,
    pub(super) jobs: Vec<Job>,
    /// Partitions that only the ledger knows.
    pub(super) beyond: Vec<PartitionReport>,
}

/// One partition of a fold.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) partition: i32,
    pub(super) begin: Begin,
    /// Up to here Postgres has the effects.
    pub(super) saved: i64,
    /// The live view as it was then, when there is one that can be recomputed.
    pub(super) view: Option<View>,
    /// Records that made the fold panic, by offset.
    pub(super) poison: BTreeMap<i64, Poison>,
    /// Offsets that a person left out.
    pub(super) skips: Vec<Range<i64>>,
    /// What Postgres counted, when the folding can count the same.
    pub(super) accounts: Option<Accounts>,
    pub(super) report: PartitionReport,
}

/// Where the folding begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// With nothing, at the record with which the ledger began.
    Anew { at: i64 },
    /// With nothing, because no state is needed, at the oldest record.
    Oldest { at: i64 },
    /// With the state that Postgres has for this offset.
    Saved { at: i64 },
}

impl Begin {
    pub(super) fn at(self) -> i64 {
        match self {
            Self::Anew { at } | Self::Oldest { at } | Self::Saved { at } => at,
        }
    }
}

impl Audit<'_> {
    /// Looks at everything that is compared later.
    pub(super) async fn plan<F: Audited>(&mut self) -> Result<Plan, AuditError> {
        let topic = self.scene.kafka.topic(F::TOPIC);
        let postgres = |source| AuditError::Postgres {
            doing: "reading the ledger",
            source,
        };
        let holder = self.scene.holder.clone();
        let mut holder = holder.lock().await;
        let entries =
            query("select partition, next_offset, fold_version from ledger where topic = $1")
                .bind(&topic)
                .fetch_all(&mut *holder)
                .await
                .map_err(postgres)?;
        let mut views = Vec::new();
        for entry in &entries {
            let keys = LiveKeys::new(&topic, entry.try_get(0).map_err(postgres)?);
            views.push(live::read(&mut self.scene.redis, &keys).await?);
        }
        // Kafka last: whatever the stores contain, it has by now.
        let (kafka, name) = (self.scene.kafka.clone(), topic.clone());
        let offsets = tokio::task::spawn_blocking(move || log::offsets(&kafka, &name))
            .await
            .expect("asking Kafka does not panic")?;
        let mut jobs: Vec<Job> = (0..)
            .zip(&offsets)
            .map(|(partition, held)| Job::untouched(partition, *held))
            .collect();
        let mut beyond = Vec::new();
        for (entry, view) in entries.iter().zip(views) {
            let (partition, next, version): (i32, i64, i32) = (
                entry.try_get(0).map_err(postgres)?,
                entry.try_get(1).map_err(postgres)?,
                entry.try_get(2).map_err(postgres)?,
            );
            let at = usize::try_from(partition).unwrap_or(usize::MAX);
            let (Some(job), Some(held)) = (jobs.get_mut(at), offsets.get(at)) else {
                beyond.push(beyond_kafka(&topic, partition, offsets.len()));
                continue;
            };
            job.report.notes.clear();
            let ledger = ledger(&mut holder, (&topic, partition), next, held.0)
                .await
                .map_err(postgres)?;
            job.note(&mut holder, &topic, next)
                .await
                .map_err(postgres)?;
            job.fill::<F>(version, ledger, *held, view);
        }
        let records = jobs.iter().map(Job::records).sum();
        self.progress
            .records_all
            .fetch_add(records, std::sync::atomic::Ordering::Relaxed);
        Ok(Plan {
            topic,
            jobs,
            beyond,
        })
    }
}

impl Job {
    /// A partition that no consumer has begun.
    fn untouched(partition: i32, (low, high): (i64, i64)) -> Self {
        let records = high - low;
        Self {
            partition,
            begin: Begin::Anew { at: low },
            saved: low,
            view: None,
            poison: BTreeMap::new(),
            skips: Vec::new(),
            accounts: None,
            report: PartitionReport {
                partition,
                from_offset: low,
                is_whole: true,
                notes: vec![format!(
                    "the ledger does not have it: no consumer has begun it, and none of its {records} records in Kafka is folded"
                )],
                ..PartitionReport::default()
            },
        }
    }

    /// Reads what else Postgres says of the partition, whose ledger is at `next`.
    async fn note(
        &mut self,
        postgres: &mut PgConnection,
        topic: &str,
        next: i64,
    ) -> sqlx::Result<()> {
        self.poison = poison(postgres, topic, self.partition).await?;
        self.skips = skips(postgres, topic, self.partition, next).await?;
        self.accounts = Some(accounts::read(postgres, topic, self.partition).await?);
        Ok(())
    }

    /// Says what of the accounts cannot be compared.
    fn judge_accounts(&mut self) {
        let Some(accounts) = &self.accounts else {
            return;
        };
        let known: i64 = self.skips.iter().map(|skip| skip.end - skip.start).sum();
        let lost = accounts.skipped - known;
        if lost > 0 {
            self.report.notes.push(format!(
                "{lost} records were left out with skip_to by an earlier build, which did not keep their offsets: where Kafka still \
                 has them they are folded here, and what differs may come from that"
            ));
        }
        let (from, began) = (self.begin.at(), accounts.began);
        if !self.report.is_whole || from != began {
            self.accounts = None;
            self.report.notes.push(format!(
                "the counts of the ledger and the canaries are not compared: they begin at offset {began}, and the folding at {from}"
            ));
        }
    }

    fn fill<F: Audited>(
        &mut self,
        version: i32,
        ledger: Ledger,
        held: (i64, i64),
        view: Option<View>,
    ) {
        let problems = &mut self.report.problems;
        if version != F::VERSION {
            problems.push(format!(
                "the rows were made by version {version} of fold {}, this build has version {}: run the matching build",
                F::NAME,
                F::VERSION
            ));
            return;
        }
        match begin(ledger, held, F::IS_STATELESS) {
            Ok(begin) => {
                self.begin = begin;
                self.saved = ledger.next;
                self.report.from_offset = begin.at();
                self.report.is_whole = matches!(begin, Begin::Anew { .. });
            }
            Err(problem) => return problems.push(problem),
        }
        self.judge_accounts();
        let problems = &mut self.report.problems;
        match view {
            None if ledger.next > self.begin.at() => problems.push(
                "Redis holds no live view: it was emptied, and no consumer has written it anew".to_owned(),
            ),
            None => {}
            Some(view) if view.fold_version != F::VERSION => problems.push(format!(
                "the live view was written by version {} of the fold, this build has version {}",
                view.fold_version,
                F::VERSION
            )),
            Some(view) if view.offset > held.1 => problems.push(format!(
                "the live view claims offset {}, but the log ends at {}",
                view.offset, held.1
            )),
            Some(view) if view.offset < self.begin.at() => problems.push(format!(
                "the live view stands at offset {}, from before what can be recomputed ({}): no consumer has written it since",
                view.offset,
                self.begin.at()
            )),
            Some(view) => self.view = Some(view),
        }
    }

    /// How many records it folds.
    pub(super) fn records(&self) -> u64 {
        let last = self
            .view
            .as_ref()
            .map_or(self.saved, |view| view.offset.max(self.saved));
        u64::try_from(last - self.begin.at()).unwrap_or(0)
    }
}

/// A partition of the ledger that Kafka does not have: what its rows come from is gone, so nothing can be said for them.
fn beyond_kafka(topic: &str, partition: i32, partitions: usize) -> PartitionReport {
    PartitionReport {
        partition,
        problems: vec![format!(
            "the ledger has it, and the topic has only {partitions} partitions in Kafka: it was made anew with fewer. Bring the old topic back, or delete the rows of topic '{topic}' in ledger and state_log to fold this one from its beginning"
        )],
        ..PartitionReport::default()
    }
}

/// Where to begin, or why that cannot be.
fn begin(ledger: Ledger, (low, high): (i64, i64), is_stateless: bool) -> Result<Begin, String> {
    let next = ledger.next;
    if next > high {
        return Err(format!(
            "the ledger is at offset {next}, but the log ends at {high}: it was made anew, and what the rows come from is gone"
        ));
    }
    if next < low {
        return Err(format!(
            "the ledger is at offset {next}, but the log begins at {low}: retention took records that nobody has folded"
        ));
    }
    match (ledger.began, ledger.reach) {
        _ if low == 0 => Ok(Begin::Anew { at: 0 }),
        (Some(began), _) if began >= low => Ok(Begin::Anew { at: began }),
        _ if is_stateless => Ok(Begin::Oldest { at: low }),
        (_, Some(at)) => Ok(Begin::Saved { at }),
        (_, None) => Err(format!(
            "the log begins at {low} and state_log has no state from there to offset {next}: restore it from the same backup as the ledger"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(began: Option<i64>, reach: Option<i64>, held: (i64, i64)) -> Result<Begin, String> {
        let next = 50;
        begin(Ledger { next, began, reach }, held, false)
    }

    #[test]
    fn a_whole_log_is_folded_anew_and_a_cut_one_from_a_saved_state() {
        assert_eq!(check(None, None, (0, 60)), Ok(Begin::Anew { at: 0 }));
        assert_eq!(
            check(Some(20), Some(30), (20, 60)),
            Ok(Begin::Anew { at: 20 })
        );
        assert_eq!(
            check(Some(10), Some(30), (20, 60)),
            Ok(Begin::Saved { at: 30 })
        );
        assert_eq!(check(None, Some(30), (20, 60)), Ok(Begin::Saved { at: 30 }));
        assert!(
            check(None, None, (20, 60))
                .unwrap_err()
                .contains("restore it")
        );
    }

    #[test]
    fn a_ledger_outside_of_the_log_is_said_so() {
        assert!(
            check(None, None, (0, 40))
                .unwrap_err()
                .contains("the log ends at 40")
        );
        assert!(
            check(None, Some(60), (60, 70))
                .unwrap_err()
                .contains("retention took records")
        );
    }

    #[test]
    fn a_fold_without_a_state_begins_with_the_oldest_record() {
        let ledger = Ledger {
            next: 50,
            began: None,
            reach: Some(50),
        };
        assert_eq!(begin(ledger, (20, 60), true), Ok(Begin::Oldest { at: 20 }));
    }
}
