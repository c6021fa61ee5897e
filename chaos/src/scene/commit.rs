//! D4 in a running system: what the groups of the consumers commit to Kafka, held against the ledger and against the log.

use std::time::{Duration, Instant};

use anyhow::Context;
use domain::topic::{DEAD_LETTERS, SENSOR_MOVEMENTS};
use tokio::time::sleep;

use super::{LOOK_EVERY, Scene, heads};
use crate::check::{Finding, offset};
use crate::log::{Heads, Offsets, Reader};
use crate::site::Site;
use crate::store;

/// How long a healed system may take to commit what Kafka has: a checkpoint and an answer, on a busy machine.
const COMMITTED_WITHIN: Duration = Duration::from_secs(15);

impl Scene<'_> {
    /// Looks whether Kafka's offsets lead the ledger's.
    ///
    /// # Errors
    /// When Kafka or Postgres do not answer.
    pub async fn check_offsets(&mut self) -> anyhow::Result<()> {
        let found = leading(self.site).await?;
        self.offset_looks += 1;
        self.findings.extend(found);
        Ok(())
    }

    /// Waits until Kafka's offsets are where the log ended at this moment: who never commits leads nobody. Only while events flow: a
    /// commit that was lost is made up for by the next one.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub async fn check_commits(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        let heads = heads(self.site.kafka()).await?;
        loop {
            let found = lagging(self.site, &heads).await?;
            if found.is_empty() || began.elapsed() > COMMITTED_WITHIN {
                self.findings.extend(found);
                return Ok(());
            }
            sleep(LOOK_EVERY * 2).await;
        }
    }
}

/// Every topic that is consumed, the group that does, and how far the topic goes.
fn groups(heads: &Heads) -> [(&'static str, &'static str, Offsets); 2] {
    [
        (
            SENSOR_MOVEMENTS,
            "footfall-movement",
            heads.movements.clone(),
        ),
        (
            DEAD_LETTERS,
            "footfall-dead-letters",
            heads.dead_letters.clone(),
        ),
    ]
}

/// What is committed first, then the ledger, which only grows meanwhile.
async fn leading(site: &Site) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (topic, group, heads) in groups(&heads(site.kafka()).await?) {
        let committed = committed(site.kafka(), (topic, group), heads).await?;
        let ledger = store::ledger(site.postgres(), topic).await?;
        findings.extend(offset::check_lead(topic, &committed, &ledger));
    }
    Ok(findings)
}

async fn lagging(site: &Site, heads: &Heads) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (topic, group, heads) in groups(heads) {
        let committed = committed(site.kafka(), (topic, group), heads.clone()).await?;
        findings.extend(offset::check_lag(topic, &committed, &heads));
    }
    Ok(findings)
}

async fn committed(
    kafka: &str,
    (topic, group): (&'static str, &'static str),
    heads: Offsets,
) -> anyhow::Result<Offsets> {
    let reader = Reader::new(kafka);
    tokio::task::spawn_blocking(move || reader.committed(group, &heads, topic))
        .await
        .context("asking Kafka for offsets")?
}
