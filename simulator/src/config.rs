//! The command line of `footfall simulate`, and what follows from it.

use std::path::PathBuf;
use std::time::Duration;

use chassis::address;
use chassis::config::{ConfigError, duration, within};
use clap::{Args, ValueEnum};
use domain::time::{Micros, Span};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::SecretString;

use crate::demand::{Demand, Profile};
use crate::disturb::Shares;
use crate::fleet::{FleetConfig, Limit};
use crate::pace::Pace;
use crate::plan::Scenario;
use crate::world::Opening;

/// What to simulate, and where to publish it.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// What people do where
    #[arg(long, env = "FOOTFALL_SIMULATE_SCENARIO", value_enum, default_value_t)]
    pub scenario: Scenario,
    /// In real time, or as fast as the gateway acknowledges
    #[arg(long, env = "FOOTFALL_SIMULATE_MODE", value_enum, default_value_t)]
    pub mode: Mode,
    /// End after so many different events; repetitions and broken messages come on top
    #[arg(long, env = "FOOTFALL_SIMULATE_EVENTS")]
    pub events: Option<u64>,
    /// End after so much of the fleet's own time, such as 60s
    #[arg(long, env = "FOOTFALL_SIMULATE_DURATION", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Different events per second of the fleet's own time, on average; decides how many people there are
    #[arg(long, env = "FOOTFALL_SIMULATE_RATE")]
    pub rate: Option<f64>,
    /// How many sensors
    #[arg(long, env = "FOOTFALL_SIMULATE_SENSORS")]
    pub sensors: Option<u16>,
    /// How the number of people follows the clock
    #[arg(long, env = "FOOTFALL_SIMULATE_PROFILE", value_enum, default_value_t)]
    pub profile: Profile,
    /// The site's time zone, for the daily profile
    #[arg(long, env = "FOOTFALL_SIMULATE_TZ", default_value = "Europe/London")]
    pub tz: String,
    /// Share of the events that are held back by two to fifteen minutes
    #[arg(long, env = "FOOTFALL_SIMULATE_LATE_PERCENT", default_value_t = 0.0)]
    pub late_percent: f64,
    /// Share of the events that are sent twice
    #[arg(
        long,
        env = "FOOTFALL_SIMULATE_DUPLICATE_PERCENT",
        default_value_t = 0.0
    )]
    pub duplicate_percent: f64,
    /// Share of the events that are held back by seconds to three minutes
    #[arg(
        long,
        env = "FOOTFALL_SIMULATE_OUT_OF_ORDER_PERCENT",
        default_value_t = 0.0
    )]
    pub out_of_order_percent: f64,
    /// Broken messages for every hundred events
    #[arg(long, env = "FOOTFALL_SIMULATE_INVALID_PERCENT", default_value_t = 0.0)]
    pub invalid_percent: f64,
    /// The same seed and start give the same messages, byte for byte
    #[arg(long, env = "FOOTFALL_SIMULATE_SEED", default_value_t = 1)]
    pub seed: u64,
    /// Instant of the first event, RFC 3339; what lies in the past is sent at once. Default: such that the run ends now (burst) or begins now
    #[arg(long, env = "FOOTFALL_SIMULATE_START")]
    pub start: Option<Timestamp>,
    /// Begin so long ago with an empty site, send that at once, then go on in real time
    #[arg(long, env = "FOOTFALL_SIMULATE_HISTORY", value_parser = duration, conflicts_with = "start")]
    pub history: Option<Duration>,
    /// Time-lapse: seconds of the fleet's own time per second, until it has caught up with now
    #[arg(long, env = "FOOTFALL_SIMULATE_SPEED")]
    pub speed: Option<f64>,
    /// Write the true answer to this file when the run ends, as JSON lines
    #[arg(long, env = "FOOTFALL_SIMULATE_TRUTH")]
    pub truth: Option<PathBuf>,
    /// The site in the topics
    #[arg(long, env = "FOOTFALL_SITE", default_value = "main")]
    pub site: String,
    /// Where to connect
    #[command(flatten)]
    pub broker: BrokerArgs,
}

/// Where devices connect, and as whom.
#[derive(Args, Clone, Debug)]
pub struct BrokerArgs {
    /// Address of the gateway, or of the broker in bridge mode
    #[arg(
        long,
        env = "FOOTFALL_MQTT",
        default_value = "127.0.0.1:1883",
        value_parser = address::connect,
        value_name = "HOST:PORT"
    )]
    pub mqtt: String,
    /// User name of the devices
    #[arg(long, env = "FOOTFALL_MQTT_USER", requires = "mqtt_password")]
    pub mqtt_user: Option<String>,
    /// Password of the devices
    #[arg(long, env = "FOOTFALL_MQTT_PASSWORD", hide_env_values = true)]
    pub mqtt_password: Option<SecretString>,
}

/// When messages are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// When they happen
    #[default]
    Continuous,
    /// As fast as they are acknowledged; the events lie in the past
    Burst,
}

/// A checked configuration at a given instant.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) fleet: FleetConfig,
    pub(crate) pace: Pace,
    /// Whether no event is older than its sending; then a device's will may say that it went away *now*.
    pub(crate) is_live: bool,
}

/// What a time-lapse without end and start begins with: half a day to catch up with.
const LAPSE: Span = Span::from_secs(12 * 3_600);

/// The span of a burst is known on average only; this much is added so that it ends before now.
const BURST_MARGIN: f64 = 1.3;
const BURST_MARGIN_S: f64 = 60.0;

impl Config {
    /// Checks everything at the instant `now`.
    pub(crate) fn settle(&self, now: Micros) -> Result<Settings, ConfigError> {
        self.check()?;
        let tz = self.time_zone()?;
        let per_person = self.scenario.samples_per_person_second();
        let rate = self
            .rate
            .unwrap_or(self.scenario.usual_people() * per_person);
        let start = self.start_at(now, rate)?;
        let limit = match (self.events, self.duration) {
            (Some(events), _) => Limit::Events(events),
            (None, Some(duration)) => Limit::Until(start + span(duration)),
            (None, None) => Limit::None,
        };
        let fleet = FleetConfig {
            scenario: self.scenario,
            plan: self.scenario.plan(self.sensors),
            demand: Demand {
                profile: self.profile,
                people: rate / per_person,
                tz,
            },
            opening: match self.history {
                Some(_) => Opening::Empty,
                None => Opening::Full,
            },
            shares: Shares {
                late_percent: self.late_percent,
                out_of_order_percent: self.out_of_order_percent,
                duplicate_percent: self.duplicate_percent,
                invalid_percent: self.invalid_percent,
            },
            seed: self.seed,
            start,
            limit,
        };
        Ok(Settings {
            pace: Pace::new(start, now, self.speed),
            is_live: start == now,
            fleet,
        })
    }

    fn time_zone(&self) -> Result<TimeZone, ConfigError> {
        TimeZone::get(&self.tz).map_err(|_| {
            ConfigError::new("--tz", &self.tz, "an IANA time zone such as Europe/London")
        })
    }

    /// Checks everything that does not depend on the instant of the start.
    ///
    /// # Errors
    /// [`ConfigError`], which names the flag, its value and what was expected.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.time_zone()?;
        self.check_shares()?;
        self.check_amounts()
    }

    fn check_shares(&self) -> Result<(), ConfigError> {
        const PERCENT: &str = "0 to 100";
        within("--late-percent", self.late_percent, 0.0..=100.0, PERCENT)?;
        within(
            "--duplicate-percent",
            self.duplicate_percent,
            0.0..=100.0,
            PERCENT,
        )?;
        within(
            "--out-of-order-percent",
            self.out_of_order_percent,
            0.0..=100.0,
            PERCENT,
        )?;
        within(
            "--invalid-percent",
            self.invalid_percent,
            0.0..=100.0,
            PERCENT,
        )?;
        let displaced = self.late_percent + self.out_of_order_percent;
        within(
            "--out-of-order-percent",
            displaced,
            0.0..=100.0,
            "0 to 100 together with --late-percent",
        )
    }

    fn check_amounts(&self) -> Result<(), ConfigError> {
        within(
            "--rate",
            self.rate.unwrap_or(1.0),
            0.1..=200_000.0,
            "0.1 to 200000 events a second",
        )?;
        within(
            "--sensors",
            self.sensors.unwrap_or(1),
            1..=1_000,
            "1 to 1000 sensors",
        )?;
        within(
            "--speed",
            self.speed.unwrap_or(1.0),
            0.01..=100_000.0,
            "0.01 to 100000",
        )?;
        if let Some(bad) = self
            .site
            .chars()
            .find(|&char| matches!(char, '/' | '+' | '#' | '\0'))
        {
            return Err(ConfigError::new(
                "--site",
                bad,
                "one level of an MQTT topic, without / + #",
            ));
        }
        if self.mode == Mode::Burst && self.events.is_none() && self.duration.is_none() {
            return Err(ConfigError::new(
                "--mode",
                "burst",
                "--events or --duration with it, so that it ends",
            ));
        }
        Ok(())
    }

    fn start_at(&self, now: Micros, rate: f64) -> Result<Micros, ConfigError> {
        // Names count whole seconds, so that a run can be repeated by its printed start.
        let ago = |span: Span| (now - span).floor(Span::from_secs(1));
        if let Some(start) = self.start {
            let start = Micros::from_timestamp(start);
            return if start <= now {
                Ok(start)
            } else {
                Err(ConfigError::new(
                    "--start",
                    start,
                    "an instant that is not in the future",
                ))
            };
        }
        if let Some(history) = self.history {
            return Ok(ago(span(history)));
        }
        Ok(match (self.mode, self.events, self.duration) {
            (Mode::Burst, Some(events), _) => ago(burst_span(events, rate)),
            (Mode::Burst, None, Some(duration)) => ago(span(duration)),
            _ => match (self.speed, self.duration) {
                (Some(speed), Some(duration)) if speed > 1.0 => {
                    ago(seconds(duration.as_secs_f64() * (1.0 - 1.0 / speed)))
                }
                (Some(speed), None) if speed > 1.0 => ago(LAPSE),
                _ => now,
            },
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a number of events is far below 2^53"
)]
fn burst_span(events: u64, rate: f64) -> Span {
    seconds(events as f64 / rate * BURST_MARGIN + BURST_MARGIN_S)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "`as` saturates, and a year has 3·10^13 µs"
)]
fn seconds(seconds: f64) -> Span {
    Span((seconds * 1e6) as i64)
}

fn span(duration: Duration) -> Span {
    Span(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 8))
}

#[cfg(test)]
mod tests;
