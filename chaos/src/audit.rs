//! The product's own audit, as a second witness: it recomputes every fold from Kafka and compares it with Postgres and Redis.
//!
//! It sees all rows of the site, those of ticks and strangers too, and the live view, which the replay by brute force does not.
//! It shares its folds with the product, so it replaces no checker.

use std::process::Output;

use anyhow::{Context, bail};
use tokio::process::Command;

use crate::site::Site;

/// What it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is as recomputed.
    Equal,
    /// Something is not; its own words.
    Differs(String),
    /// The program under test is of a time before it had one.
    Absent,
}

/// Runs it against the site, which goes on working.
///
/// # Errors
/// When it cannot come to a verdict.
pub async fn run(site: &Site) -> anyhow::Result<Verdict> {
    let known = output(Command::new(site.footfall()).args(["help", "audit"])).await?;
    if !known.status.success() {
        return Ok(Verdict::Absent);
    }
    let mut command = Command::new(site.footfall());
    command
        .args(["audit", "--threads", "2"])
        .env("FOOTFALL_KAFKA", site.kafka())
        .env("FOOTFALL_POSTGRES", site.postgres())
        .env("FOOTFALL_REDIS", site.redis());
    judge(&output(&mut command).await?)
}

async fn output(command: &mut Command) -> anyhow::Result<Output> {
    command.output().await.context("starting the audit")
}

fn judge(output: &Output) -> anyhow::Result<Verdict> {
    let said = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.code() {
        Some(0) => Ok(Verdict::Equal),
        Some(1) => Ok(Verdict::Differs(said(&output.stdout))),
        _ => bail!("the audit: {}: {}", output.status, said(&output.stderr)),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn judged(script: &str) -> anyhow::Result<Verdict> {
        judge(&Command::new("sh").args(["-c", script]).output().unwrap())
    }

    #[test]
    fn a_difference_is_told_from_an_audit_that_could_not_be_done() {
        assert_eq!(judged("exit 0").unwrap(), Verdict::Equal);
        let differs = judged("echo pane 7 differs; exit 1").unwrap();
        assert_eq!(differs, Verdict::Differs("pane 7 differs".to_owned()));
        let error = judged("echo no Kafka >&2; exit 2").unwrap_err();
        assert!(error.to_string().contains("no Kafka"));
    }
}
