//! Which system a looking subcommand looks at: the one it is told, else the one that runs in the stack's folder.

use std::path::{Path, PathBuf};

use chassis::kafka::KafkaArgs;
use chassis::url;
use sqlx::postgres::PgConnectOptions;
use stack::Folder;

use crate::exit;
use crate::run_file::RunFile;

/// Where Kafka is.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct KafkaTarget {
    /// Bootstrap servers [default: those of the stack that runs in --dir]
    #[arg(long, env = "FOOTFALL_KAFKA", value_name = "HOST:PORT,…")]
    kafka: Option<String>,
    /// Only topics and groups with this prefix
    #[arg(
        long,
        env = "FOOTFALL_TOPIC_PREFIX",
        default_value = "",
        value_name = "TEXT"
    )]
    topic_prefix: String,
    /// Folder of a stack started by `up`
    #[arg(long, env = "FOOTFALL_DIR", default_value = ".footfall")]
    dir: PathBuf,
}

impl KafkaTarget {
    /// What runs in the folder, if that is what we look at.
    pub(crate) fn running(&self) -> anyhow::Result<Option<RunFile>> {
        let run = RunFile::read(&Folder::at(&self.dir)?)?;
        Ok(run.filter(|run| !self.names_servers() || self.kafka.as_ref() == Some(&run.kafka)))
    }

    /// For `up`, `real` and `mock` are words, not addresses; the address of what it started stands in `run.json`.
    fn names_servers(&self) -> bool {
        self.kafka
            .as_deref()
            .is_some_and(|kafka| kafka != "real" && kafka != "mock")
    }

    /// The folder of the stack.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The settings of clients.
    pub(crate) fn resolve(self) -> anyhow::Result<KafkaArgs> {
        // For `up` these two are words, not addresses; the address of what it started stands in run.json.
        let given = self
            .kafka
            .filter(|kafka| kafka != "real" && kafka != "mock");
        let kafka = match given {
            Some(kafka) => kafka,
            None => running(&self.dir, "--kafka")?.kafka,
        };
        let kafka = KafkaArgs {
            kafka,
            topic_prefix: self.topic_prefix,
        };
        kafka.check()?;
        Ok(kafka)
    }
}

/// Where Postgres is.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PostgresTarget {
    /// URL of the database [default: the one of the stack that runs in --dir]
    #[arg(
        long,
        env = "FOOTFALL_POSTGRES",
        hide_env_values = true,
        value_name = "URL"
    )]
    postgres: Option<String>,
    /// Folder of a stack started by `up`
    #[arg(long, env = "FOOTFALL_DIR", default_value = ".footfall")]
    dir: PathBuf,
}

impl PostgresTarget {
    /// The URL, password included.
    pub(crate) fn resolve(self) -> anyhow::Result<String> {
        postgres_of(self.postgres, &self.dir)
    }
}

/// Where Redis is, beside a [`KafkaTarget`] that names the folder.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RedisTarget {
    /// URL of Redis [default: the one of the stack that runs in --dir]
    #[arg(
        long,
        env = "FOOTFALL_REDIS",
        hide_env_values = true,
        value_name = "URL"
    )]
    redis: Option<String>,
}

impl RedisTarget {
    /// The URL, password included.
    pub(crate) fn resolve(self, dir: &Path) -> anyhow::Result<String> {
        let Some(url) = self.redis.filter(|url| url != "real") else {
            return Ok(running(dir, "--redis")?.redis);
        };
        url::check(
            "--redis",
            &url,
            &["redis", "rediss", "redis+unix"],
            |_| true,
            "a URL such as redis://host:6379",
        )?;
        Ok(url)
    }
}

/// The URL of Postgres: the one that is given, else the one of the stack in `dir`.
pub(crate) fn postgres_of(given: Option<String>, dir: &Path) -> anyhow::Result<String> {
    let Some(url) = given.filter(|url| url != "real") else {
        return Ok(running(dir, "--postgres")?.postgres);
    };
    url::check(
        "--postgres",
        &url,
        &["postgres", "postgresql"],
        |url| url.parse::<PgConnectOptions>().is_ok(),
        "a URL such as postgres://user@host:5432/database",
    )?;
    Ok(url)
}

fn running(dir: &Path, flag: &str) -> anyhow::Result<RunFile> {
    RunFile::read(&Folder::at(dir)?)?.ok_or_else(|| {
        exit::usage(format!(
            "nothing runs in {}, expected `{flag}` or a folder in which `footfall up` runs",
            dir.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(kafka: Option<&str>, dir: PathBuf) -> KafkaTarget {
        KafkaTarget {
            kafka: kafka.map(str::to_owned),
            topic_prefix: "a-".to_owned(),
            dir,
        }
    }

    #[test]
    fn a_url_of_another_kind_is_refused_before_anything_is_connected() {
        let target = PostgresTarget {
            postgres: Some("nonsense".to_owned()),
            dir: PathBuf::new(),
        };
        let error = target.resolve().unwrap_err().to_string();
        assert!(
            error.starts_with("--postgres is \"nonsense\", expected a URL"),
            "{error}"
        );
    }

    #[test]
    fn what_is_said_wins_and_nothing_said_and_nothing_running_is_an_error() {
        let temp = tempfile::tempdir().unwrap();
        let said = target(Some("h:9092"), temp.path().to_owned())
            .resolve()
            .unwrap();
        assert_eq!(
            (said.kafka.as_str(), said.topic("alerts").as_str()),
            ("h:9092", "a-alerts")
        );
        for unsaid in [None, Some("real"), Some("mock")] {
            let error = target(unsaid, temp.path().to_owned())
                .resolve()
                .unwrap_err();
            assert!(error.to_string().contains("nothing runs in"), "{error}");
        }
    }
}
