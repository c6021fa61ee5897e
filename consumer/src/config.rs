//! The configuration of a consumer.

use std::time::Duration;

use chassis::admin::AdminArgs;
use chassis::config::{ConfigError, duration, within};
use chassis::kafka::{KafkaArgs, NAME, is_name};
use chassis::url;
use clap::{Args, ValueEnum};
use domain::movement::MovementConfig;
use domain::time::Span;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;

use crate::folds::FoldName;

/// Kafka in → Redis (now) and Postgres (history)
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// Where Kafka is.
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// Postgres: the ledger, its rows and its states
    #[arg(
        long,
        env = "FOOTFALL_POSTGRES",
        default_value = "postgres://footfall@127.0.0.1:15432/footfall",
        hide_env_values = true
    )]
    pub postgres: SecretString,
    /// Redis: the live view
    #[arg(
        long,
        env = "FOOTFALL_REDIS",
        default_value = "redis://127.0.0.1:16379",
        hide_env_values = true
    )]
    pub redis: SecretString,
    /// Where health and metrics are served.
    #[command(flatten)]
    pub admin: AdminArgs,
    /// Which folds to run
    #[arg(
        long,
        env = "FOOTFALL_FOLDS",
        value_delimiter = ',',
        default_value = "movement,dead-letters"
    )]
    pub folds: Vec<FoldName>,
    /// Only those of them that read one of these topics (names without prefix); all when none is named
    #[arg(long, env = "FOOTFALL_TOPICS", value_delimiter = ',')]
    pub topics: Vec<String>,
    /// Consumer groups are called NAME-FOLD
    #[arg(
        long,
        env = "FOOTFALL_GROUP",
        default_value = "footfall",
        value_name = "NAME"
    )]
    pub group: String,
    /// Worker threads a fold, each a member of its consumer group
    #[arg(long, env = "FOOTFALL_WORKERS", default_value_t = 1)]
    pub workers: usize,
    /// How partitions are shared out: `consumer` (Kafka 4.0 and later) or `range`
    #[arg(long, env = "FOOTFALL_GROUP_PROTOCOL", default_value = "consumer")]
    pub group_protocol: GroupProtocol,
    /// How often the live view is written
    #[arg(long, env = "FOOTFALL_FLUSH_INTERVAL", default_value = "50ms", value_parser = duration)]
    pub flush_interval: Duration,
    /// How often rows, state and ledger are written
    #[arg(long, env = "FOOTFALL_CHECKPOINT_INTERVAL", default_value = "500ms", value_parser = duration)]
    pub checkpoint_interval: Duration,
    /// Bytes of records that may wait for Postgres before Kafka holds the rest, a worker
    #[arg(long, env = "FOOTFALL_UNSAVED_BYTES_MAX", default_value_t = 64 << 20)]
    pub unsaved_bytes_max: usize,
    /// How long handing partitions back may take
    #[arg(long, env = "FOOTFALL_RELEASE_DEADLINE", default_value = "5s", value_parser = duration)]
    pub release_deadline: Duration,
    /// How often throughput and mix are logged
    #[arg(long, env = "FOOTFALL_STATS_INTERVAL", default_value = "10s", value_parser = duration)]
    pub stats_interval: Duration,
    /// Parameters of the movement fold.
    #[command(flatten)]
    pub movement: MovementArgs,
}

/// Parameters of the movement fold. All consumers of a deployment must have the same.
#[derive(Args, Clone, Debug)]
pub struct MovementArgs {
    /// A longer pause between two samples of a traveler starts a new visit
    #[arg(long, env = "FOOTFALL_IDLE_GAP", default_value = "30s", value_parser = duration)]
    pub idle_gap: Duration,
    /// How far behind its sensor's newest event an event may be and still be folded
    #[arg(long, env = "FOOTFALL_LATENESS", default_value = "20m", value_parser = duration)]
    pub lateness: Duration,
    /// A longer silence of a sensor is not covered
    #[arg(long, env = "FOOTFALL_SILENT_AFTER", default_value = "60s", value_parser = duration)]
    pub silent_after: Duration,
}

/// How partitions are shared out among members.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupProtocol {
    /// KIP-848: the broker decides, and only what moves stands still.
    Consumer,
    /// The classic protocol with the range assignor, for Kafka before 4.0.
    Range,
}

impl Config {
    /// The folds to run.
    pub fn chosen(&self) -> impl Iterator<Item = FoldName> {
        let is_chosen = |fold: &FoldName| {
            self.topics.is_empty() || self.topics.iter().any(|topic| topic == fold.topic())
        };
        self.folds.iter().copied().filter(is_chosen)
    }

    fn check_folds(&self) -> Result<(), ConfigError> {
        if self.folds.is_empty() {
            return Err(ConfigError::new("--folds", "", "at least one fold"));
        }
        if self.group.is_empty() || !is_name(&self.group) {
            return Err(ConfigError::new("--group", &self.group, NAME));
        }
        let of = |topic: &String| self.folds.iter().any(|fold| fold.topic() == topic);
        match self.topics.iter().find(|topic| !of(topic)) {
            None => Ok(()),
            Some(topic) => {
                let expected =
                    "sensor-movements or dead-letters, whichever the folds of --folds read";
                Err(ConfigError::new("--topics", topic, expected))
            }
        }
    }

    /// Checks everything that can be checked without a connection.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn check(&self) -> Result<(), ConfigError> {
        let ms = Duration::from_millis;
        let s = Duration::from_secs;
        within("--workers", self.workers, 1..=64, "1 to 64 worker threads")?;
        within(
            "--flush-interval",
            self.flush_interval,
            ms(10)..=s(10),
            "10ms to 10s",
        )?;
        within(
            "--checkpoint-interval",
            self.checkpoint_interval,
            ms(50)..=s(60),
            "50ms to 60s",
        )?;
        within(
            "--unsaved-bytes-max",
            self.unsaved_bytes_max,
            1 << 20..=1 << 34,
            "1 MiB to 16 GiB",
        )?;
        within(
            "--release-deadline",
            self.release_deadline,
            ms(100)..=s(25),
            "100ms to 25s",
        )?;
        within(
            "--stats-interval",
            self.stats_interval,
            s(1)..=s(3600),
            "1s to 1h",
        )?;
        within(
            "--idle-gap",
            self.movement.idle_gap,
            s(1)..=s(3600),
            "1s to 1h",
        )?;
        within(
            "--lateness",
            self.movement.lateness,
            s(60)..=s(86_400),
            "1m to 1day",
        )?;
        within(
            "--silent-after",
            self.movement.silent_after,
            s(10)..=s(3600),
            "10s to 1h",
        )?;
        self.check_folds()?;
        self.kafka.check()?;
        url::check(
            "--postgres",
            self.postgres.expose_secret(),
            &["postgres", "postgresql"],
            |url| url.parse::<PgConnectOptions>().is_ok(),
            "a URL such as postgres://user@host:5432/database",
        )?;
        url::check(
            "--redis",
            self.redis.expose_secret(),
            &["redis", "rediss", "redis+unix"],
            |url| redis::Client::open(url).is_ok(),
            "a URL such as redis://host:6379",
        )
    }
}

impl MovementArgs {
    /// As the fold takes them.
    #[must_use]
    pub fn fold(&self) -> MovementConfig {
        let span =
            |duration: Duration| Span(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4));
        MovementConfig {
            idle_gap: span(self.idle_gap),
            lateness: span(self.lateness),
            silent_after: span(self.silent_after),
            ..MovementConfig::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        config: Config,
    }

    fn check(flags: &[&str]) -> Result<(), String> {
        let cli = Cli::try_parse_from(std::iter::once(&"consumer").chain(flags)).unwrap();
        cli.config.check().map_err(|error| error.to_string())
    }

    #[test]
    fn an_error_names_the_setting_its_value_and_what_would_do() {
        assert_eq!(check(&[]), Ok(()));
        for (flags, expected) in [
            (
                ["--kafka", ""],
                "--kafka is \"\", expected host:port such as",
            ),
            (
                ["--topic-prefix", "bad prefix/!!"],
                "--topic-prefix is \"bad prefix/!!\", expected at most 200 letters",
            ),
            (
                ["--postgres", "nonsense"],
                "--postgres is \"nonsense\", expected a URL such as postgres://",
            ),
            (
                ["--postgres", "postgres://u:sekret@h:99999/d"],
                "--postgres is \"postgres://u:***@h:99999/d\", expected a URL such as",
            ),
            (
                ["--redis", "http://h"],
                "--redis is \"http://h\", expected a URL such as redis://",
            ),
            (
                ["--group", "bad group"],
                "--group is \"bad group\", expected at most 200 letters",
            ),
            (
                ["--topics", "dead-letters,weather"],
                "--topics is \"weather\", expected sensor-movements or dead-letters",
            ),
            (["--workers", "0"], "--workers is \"0\", expected 1 to 64"),
        ] {
            let error = check(&flags).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn topics_choose_among_the_folds() {
        let chosen = |flags: &[&str]| {
            let cli = Cli::try_parse_from(std::iter::once(&"consumer").chain(flags)).unwrap();
            cli.config.check().unwrap();
            cli.config.chosen().collect::<Vec<_>>()
        };
        assert_eq!(chosen(&[]), [FoldName::Movement, FoldName::DeadLetters]);
        assert_eq!(
            chosen(&["--topics", "sensor-movements"]),
            [FoldName::Movement]
        );
        assert!(check(&["--folds", "movement", "--topics", "dead-letters"]).is_err());
    }
}
