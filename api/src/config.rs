//! The settings of the API, and what each may be.

use std::net::SocketAddr;
use std::time::Duration;

use chassis::address;
use chassis::admin::AdminArgs;
use chassis::config::{ConfigError, duration, within};
use chassis::kafka::check_prefix;
use chassis::url::without_password;
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;

/// The settings of `footfall api`.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// Address of the dashboard, REST and the websocket; port 0 takes any free one
    #[arg(
        long,
        env = "FOOTFALL_HTTP_BIND",
        default_value = "127.0.0.1:8080",
        value_parser = address::listen,
        value_name = "ADDRESS"
    )]
    pub http_bind: SocketAddr,
    /// Where /healthz, /readyz and /metrics are
    #[command(flatten)]
    pub admin: AdminArgs,
    /// URL of the database
    #[arg(
        long,
        env = "FOOTFALL_POSTGRES",
        default_value = "postgres://footfall@127.0.0.1:15432/footfall",
        hide_env_values = true
    )]
    pub postgres: SecretString,
    /// URL of the live view
    #[arg(
        long,
        env = "FOOTFALL_REDIS",
        default_value = "redis://127.0.0.1:16379",
        hide_env_values = true
    )]
    pub redis: SecretString,
    /// Prefix of every topic, as the consumer has it
    #[arg(long, env = "FOOTFALL_TOPIC_PREFIX", default_value = "")]
    pub topic_prefix: String,
    /// Id of the site
    #[arg(long, env = "FOOTFALL_SITE", default_value = "main")]
    pub site: String,
    /// Origins of pages on other servers that may open the websocket, comma separated
    #[arg(long, env = "FOOTFALL_ALLOWED_ORIGINS", value_delimiter = ',')]
    pub allowed_origins: Vec<String>,
    /// Where devices connect, as the dashboard tells newcomers
    #[arg(long, env = "FOOTFALL_MQTT_ADVERTISED")]
    pub mqtt_advertised: Option<String>,
    /// How often a sensor is expected to give a sign of life
    #[arg(long, env = "FOOTFALL_HEARTBEAT", default_value = "30s", value_parser = duration)]
    pub heartbeat: Duration,
    /// A sensor that is silent for longer is not covered, as the consumer has it
    #[arg(long, env = "FOOTFALL_SILENT_AFTER", default_value = "60s", value_parser = duration)]
    pub silent_after: Duration,
    /// How late an event may be and still change a number, as the consumer has it
    #[arg(long, env = "FOOTFALL_LATENESS", default_value = "20m", value_parser = duration)]
    pub lateness: Duration,
    /// A longer pause starts a new visit, as the consumer has it
    #[arg(long, env = "FOOTFALL_IDLE_GAP", default_value = "30s", value_parser = duration)]
    pub idle_gap: Duration,
    /// Connections to the database at most
    #[arg(long, env = "FOOTFALL_POSTGRES_CONNECTIONS_MAX", default_value_t = 8)]
    pub postgres_connections_max: u32,
    /// Websockets at most
    #[arg(long, env = "FOOTFALL_SOCKETS_MAX", default_value_t = 10_000)]
    pub sockets_max: usize,
    /// How often a websocket gets a sign of life
    #[arg(long, env = "FOOTFALL_SOCKET_HEARTBEAT", default_value = "10s", value_parser = duration)]
    pub socket_heartbeat: Duration,
}

/// A configuration that was checked, with what it names made ready.
#[derive(Clone, Debug)]
pub struct Checked {
    /// How to connect to the database.
    pub postgres: PgConnectOptions,
    /// How to connect to the live view.
    pub redis: redis::Client,
}

impl Config {
    /// Checks every setting; connects nowhere.
    ///
    /// # Errors
    /// [`ConfigError`], which names the flag, its value and what was expected.
    pub fn check(&self) -> Result<Checked, ConfigError> {
        let postgres = postgres_options(self.postgres.expose_secret()).ok_or_else(|| {
            let url = without_password(self.postgres.expose_secret());
            ConfigError::new(
                "--postgres",
                url,
                "a URL such as postgres://user@host:5432/database",
            )
        })?;
        let redis = redis::Client::open(self.redis.expose_secret()).map_err(|_| {
            let url = without_password(self.redis.expose_secret());
            ConfigError::new("--redis", url, "a URL such as redis://host:6379")
        })?;
        self.check_names()?;
        self.check_spans()?;
        within(
            "--postgres-connections-max",
            self.postgres_connections_max,
            1..=1000,
            "1 to 1000 connections",
        )?;
        within(
            "--sockets-max",
            self.sockets_max,
            0..=1_000_000,
            "0 to 1,000,000 websockets",
        )?;
        Ok(Checked { postgres, redis })
    }

    fn check_names(&self) -> Result<(), ConfigError> {
        check_prefix(&self.topic_prefix)?;
        if self.site.is_empty() || self.site.contains(['/', '+', '#', '\0']) {
            return Err(ConfigError::new(
                "--site",
                &self.site,
                "a level of an MQTT topic, such as main",
            ));
        }
        let wrong = |origin: &&String| {
            let host = origin
                .strip_prefix("https://")
                .or_else(|| origin.strip_prefix("http://"));
            host.is_none_or(|host| host.is_empty() || host.contains('/'))
        };
        match self.allowed_origins.iter().find(wrong) {
            Some(origin) => Err(ConfigError::new(
                "--allowed-origins",
                origin,
                "origins such as https://dashboard.example.org, without a path",
            )),
            None => Ok(()),
        }
    }

    fn check_spans(&self) -> Result<(), ConfigError> {
        let second = Duration::from_secs(1);
        let day = 86_400 * second;
        within("--heartbeat", self.heartbeat, second..=day, "1s to 1day")?;
        within(
            "--silent-after",
            self.silent_after,
            second..=day,
            "1s to 1day",
        )?;
        within(
            "--lateness",
            self.lateness,
            Duration::ZERO..=2 * day,
            "0s to 2days",
        )?;
        within(
            "--idle-gap",
            self.idle_gap,
            second..=3600 * second,
            "1s to 1h",
        )?;
        within(
            "--socket-heartbeat",
            self.socket_heartbeat,
            second..=60 * second,
            "1s to 60s",
        )
    }
}

fn postgres_options(url: &str) -> Option<PgConnectOptions> {
    // The parser of the driver takes any scheme.
    let (scheme, _) = url.split_once("://")?;
    matches!(scheme, "postgres" | "postgresql").then(|| url.parse().ok())?
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

    fn check(arguments: &[&str]) -> Result<Checked, ConfigError> {
        let arguments = std::iter::once(&"api").chain(arguments);
        Cli::try_parse_from(arguments).unwrap().config.check()
    }

    fn refused(flag: &str, value: &str) -> String {
        let error = check(&[flag, value]).unwrap_err();
        assert_eq!(error.flag, flag);
        error.to_string()
    }

    #[test]
    fn the_defaults_are_good() {
        check(&[]).unwrap();
    }

    #[test]
    fn what_is_wrong_is_named_with_its_value_and_what_would_do() {
        refused("--topic-prefix", "a b");
        refused("--site", "a/b");
        refused("--allowed-origins", "dashboard.example.org");
        refused("--allowed-origins", "https://a.org/path");
        refused("--heartbeat", "0s");
        refused("--idle-gap", "2h");
        refused("--postgres-connections-max", "0");
        assert_eq!(
            refused("--redis", "http://127.0.0.1"),
            "--redis is \"http://127.0.0.1\", expected a URL such as redis://host:6379"
        );
    }

    #[test]
    fn a_password_is_never_shown() {
        let error = refused("--postgres", "mysql://me:secret@host/db");
        assert!(error.contains("mysql://me:***@host/db"), "{error}");
        let config = Cli::try_parse_from(["api", "--postgres", "postgres://me:secret@host/db"])
            .unwrap()
            .config;
        assert!(!format!("{config:?}").contains("secret"));
    }
}
