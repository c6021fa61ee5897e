//! Rows one after the other on one site, each as often as asked for. What fails leaves its ledger and the logs behind.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::check::Checker;
use crate::report::Outcome;
use crate::row::Row;
use crate::run::{self, Repetition};
use crate::scene::Length;
use crate::site::{SERVERS, Site, SiteConfig};

/// What to run.
#[derive(Clone, Debug)]
pub struct Suite {
    /// Which rows.
    pub rows: Vec<Row>,
    /// How often each.
    pub repeat: u32,
    /// The first seed; each repetition takes the next one.
    pub seed: u64,
    /// How long each takes.
    pub length: Length,
    /// Folder of ledgers, logs and results.
    pub out: PathBuf,
    /// The program under test.
    pub footfall: PathBuf,
    /// The program of the version before, for the rolling upgrade.
    pub previous: Option<PathBuf>,
}

impl Suite {
    /// Runs everything and tells `listener` of each repetition; gives the outcomes. A site that failed is replaced, because what is
    /// broken once would be found again and again.
    ///
    /// # Errors
    /// When a site cannot be started, or a result cannot be written.
    pub async fn run(&self, listener: impl Fn(&str)) -> anyhow::Result<Vec<Outcome>> {
        std::fs::create_dir_all(&self.out)?;
        let out = self.out.canonicalize()?;
        let program = |flag: &str, path: &Path| {
            let found = path.canonicalize();
            found.with_context(|| format!("{flag} {}", path.display()))
        };
        let previous = self.previous.as_deref();
        let config = SiteConfig {
            previous: previous
                .map(|path| program("--previous", path))
                .transpose()?,
            ..SiteConfig::new(&out, &program("--footfall", &self.footfall)?)
        };
        let mut outcomes = Vec::new();
        let mut kept: Option<Site> = None;
        for row in &self.rows {
            for number in 1..=self.repeat {
                let mut site = match kept.take() {
                    Some(site) => site,
                    None => Site::start(config.clone()).await?,
                };
                let repetition = self.repetition(*row, number, &out);
                let outcome = observe(&mut site, &repetition).await;
                listener(&outcome.text());
                outcome.append(&out.join("results.jsonl"))?;
                if outcome.passed() {
                    // A ledger that proved what it should is megabytes of nothing.
                    std::fs::remove_dir_all(&repetition.dir)?;
                    kept = Some(site);
                } else {
                    keep(&site, &repetition, &outcome)?;
                    listener(&again(&repetition));
                }
                outcomes.push(outcome);
            }
        }
        if let Some(site) = kept {
            site.stop().await?;
        }
        Ok(outcomes)
    }

    fn repetition(&self, row: Row, number: u32, out: &Path) -> Repetition {
        let seed = self.seed + u64::from(number - 1);
        Repetition {
            row,
            number,
            seed,
            length: self.length,
            dir: out.join(format!("row-{}-seed-{seed}", row.id)),
        }
    }
}

/// A repetition in which nothing could be observed has failed; the others still have something to say.
async fn observe(site: &mut Site, repetition: &Repetition) -> Outcome {
    match run::run(site, repetition).await {
        Ok(outcome) => outcome,
        Err(error) => broken(repetition, &error),
    }
}

fn broken(repetition: &Repetition, error: &anyhow::Error) -> Outcome {
    let mut outcome = Outcome::new(repetition);
    outcome.find(Checker::L1, format!("nothing could be observed: {error:#}"));
    outcome
}

/// Leaves the logs beside the ledger.
fn keep(site: &Site, repetition: &Repetition, outcome: &Outcome) -> anyhow::Result<()> {
    std::fs::create_dir_all(&repetition.dir)?;
    let roles = site.logged_names();
    for name in roles.iter().map(String::as_str).chain(SERVERS) {
        let log = site.log(name);
        if log.exists() {
            std::fs::copy(&log, repetition.dir.join(format!("{name}.log")))?;
        }
    }
    std::fs::write(repetition.dir.join("outcome.txt"), outcome.text())?;
    Ok(())
}

fn again(repetition: &Repetition) -> String {
    let length = match repetition.length {
        Length::Short => " --short".to_owned(),
        Length::Full => String::new(),
        Length::Lasting(time) => format!(" --minutes {}", time.as_secs() / 60),
    };
    format!(
        "  ledger and logs are in {}\n  again: make chaos ARGS=\"--row {} --seed {}{length}\"\n",
        repetition.dir.display(),
        repetition.row.id,
        repetition.seed
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row;

    #[test]
    fn what_could_not_be_observed_has_failed_and_says_how_to_run_it_again() {
        let repetition = Repetition {
            row: row::find("6").unwrap(),
            number: 3,
            seed: 9,
            length: Length::Short,
            dir: PathBuf::from("/nowhere"),
        };
        let outcome = broken(&repetition, &anyhow::anyhow!("Kafka is away"));
        assert!(!outcome.passed());
        assert!(
            outcome
                .text()
                .contains("nothing could be observed: Kafka is away")
        );
        assert!(again(&repetition).contains("--row 6 --seed 9 --short"));
    }
}
