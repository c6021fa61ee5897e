//! Which roles `up` starts, at which addresses, with which environment.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use chassis::telemetry::{LogArgs, LogFormat};
use clap::ValueEnum;
use stack::{Launch, Stack, port};

use super::args::Args;
use super::registry::scenario;
use super::supervise::{Kept, Restart};

/// First admin ports by role; further processes of a role get the following ones.
const ADMIN_GATEWAY: u16 = 9101;
const ADMIN_CONSUMER: u16 = 9111;
const ADMIN_API: u16 = 9121;

/// How long the simulator may wait for acknowledgements of what it sent.
const SIMULATOR_PATIENCE: Duration = Duration::from_secs(3);

/// How long a role may take to give back what it holds. Simulator, roles and servers (5 s) together stay within the 15 s that
/// `up` promises.
const ROLE_PATIENCE: Duration = Duration::from_secs(6);

/// Everything to start on top of the stack.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The roles.
    pub(crate) roles: Vec<Kept>,
    /// What plays the devices. Ended before the roles, so that it hears their last acknowledgements.
    pub(crate) simulator: Option<Kept>,
}

/// Where the roles listen. Claimed before anything starts, so that a taken port costs nobody a start of Kafka.
#[derive(Debug)]
pub(crate) struct Addresses {
    /// The gateways.
    pub(crate) mqtt: Vec<SocketAddr>,
    /// The apis.
    pub(crate) http: Vec<SocketAddr>,
    /// The admin server of each role, by its name.
    pub(crate) admin: BTreeMap<String, SocketAddr>,
    /// The ports that are given out, so that no two children get the same.
    given: Vec<u16>,
}

impl Addresses {
    /// Claims them. Only the addresses that were asked for may be refused; the others give way.
    pub(crate) fn claim(args: &Args) -> anyhow::Result<Self> {
        let mut claimed = Self {
            mqtt: Vec::new(),
            http: Vec::new(),
            admin: BTreeMap::new(),
            given: Vec::new(),
        };
        claimed.mqtt = claimed.series(args.mqtt, args.gateways, "the gateway", "--mqtt")?;
        claimed.http = claimed.series(args.http, args.apis, "the api", "--http")?;
        for (role, count, first) in [
            ("gateway", args.gateways, ADMIN_GATEWAY),
            ("consumer", args.consumers, ADMIN_CONSUMER),
            ("api", args.apis, ADMIN_API),
        ] {
            for index in 0..count {
                // Whoever wants any address of the api wants none that others know.
                let wanted = if args.http.port() == 0 {
                    0
                } else {
                    first + index
                };
                let address = claimed.admin(wanted)?;
                claimed.admin.insert(format!("{role}-{index}"), address);
            }
        }
        Ok(claimed)
    }

    /// `first` and the next free ones after it.
    fn series(
        &mut self,
        first: SocketAddr,
        count: u16,
        what: &str,
        flag: &str,
    ) -> anyhow::Result<Vec<SocketAddr>> {
        let mut series = Vec::new();
        for index in 0..count {
            let mut address = first;
            if first.port() == 0 {
                address.set_port(self.free()?);
            } else if index == 0 {
                port::check_free(first, what, flag)?;
            } else {
                address.set_port(self.next(first, index)?);
            }
            self.given.push(address.port());
            series.push(address);
        }
        Ok(series)
    }

    /// The port that is wanted, else any free one, as for 0: it stands in `run.json` either way.
    fn admin(&mut self, wanted: u16) -> anyhow::Result<SocketAddr> {
        let mut address = SocketAddr::from(([127, 0, 0, 1], wanted));
        address.set_port(self.next(address, 0)?);
        self.given.push(address.port());
        Ok(address)
    }

    fn next(&self, first: SocketAddr, index: u16) -> anyhow::Result<u16> {
        let wanted = first.port().checked_add(index);
        let is_usable = |port: &u16| {
            *port != 0
                && !self.given.contains(port)
                && port::check_free(SocketAddr::new(first.ip(), *port), "", "").is_ok()
        };
        match wanted.filter(is_usable) {
            Some(port) => Ok(port),
            None => self.free(),
        }
    }

    fn free(&self) -> anyhow::Result<u16> {
        loop {
            let port = port::free()?;
            if !self.given.contains(&port) {
                return Ok(port);
            }
        }
    }
}

impl Plan {
    /// Lays the children out. `is_first` says that this folder's log is still empty.
    pub(crate) fn new(start: &Start<'_>, addresses: &Addresses, is_first: bool) -> Self {
        let role = |(name, admin): (&String, &SocketAddr)| Kept {
            launch: start
                .role(name, addresses)
                .env("FOOTFALL_ADMIN_BIND", admin.to_string()),
            first_args: Vec::new(),
            restart: Restart::Always,
            patience: ROLE_PATIENCE,
        };
        Self {
            roles: addresses.admin.iter().map(role).collect(),
            simulator: start.simulator(addresses, is_first),
        }
    }
}

/// What every child is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start<'a> {
    pub(crate) args: &'a Args,
    pub(crate) log: &'a LogArgs,
    pub(crate) stack: &'a Stack,
    /// Our own executable.
    pub(crate) program: &'a Path,
    /// Our own working folder.
    pub(crate) workdir: &'a Path,
}

impl Start<'_> {
    /// In our own working folder, so that relative paths in the environment mean what they say.
    fn launch(&self, name: &str, subcommand: &str) -> Launch {
        let launch = Launch::new(name, self.program, self.workdir).args([subcommand]);
        with_environment(launch, self.args, self.log, self.stack)
    }

    /// The role called ROLE-INDEX.
    fn role(&self, name: &str, addresses: &Addresses) -> Launch {
        let (role, index) = name.rsplit_once('-').expect("names are ROLE-INDEX");
        let index: usize = index.parse().expect("names are ROLE-INDEX");
        let launch = self.launch(name, role);
        match (role, addresses.mqtt.first()) {
            ("gateway", _) => launch.env("FOOTFALL_MQTT_BIND", addresses.mqtt[index].to_string()),
            ("api", None) => launch.env("FOOTFALL_HTTP_BIND", addresses.http[index].to_string()),
            ("api", Some(mqtt)) => launch
                .env("FOOTFALL_HTTP_BIND", addresses.http[index].to_string())
                .env("FOOTFALL_MQTT_ADVERTISED", reachable(*mqtt).to_string()),
            _ => launch,
        }
    }

    /// The devices, unless there are none to simulate or no gateway to publish to.
    fn simulator(&self, addresses: &Addresses, is_first: bool) -> Option<Kept> {
        let scenario = scenario(self.args.simulate)?.to_possible_value()?;
        let mqtt = reachable(*addresses.mqtt.first()?);
        let mut launch = self
            .launch("simulator", "simulate")
            .args(["--scenario", scenario.get_name()])
            .env("FOOTFALL_MQTT", mqtt.to_string());
        if let Some(rate) = self.args.rate {
            launch = launch.args(["--rate".to_owned(), rate.to_string()]);
        }
        let history = self.args.history.filter(|_| is_first);
        let first_args =
            history.map(|history| ["--history".to_owned(), format!("{}s", history.as_secs())]);
        Some(Kept {
            launch,
            first_args: first_args.into_iter().flatten().collect(),
            restart: Restart::OnFailure,
            patience: SIMULATOR_PATIENCE,
        })
    }
}

/// What every role is told, by the names that all of them agree on.
fn with_environment(launch: Launch, args: &Args, log: &LogArgs, stack: &Stack) -> Launch {
    let format = match log.log_format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    };
    let mut launch = launch
        .env("FOOTFALL_KAFKA", &stack.kafka)
        .env("FOOTFALL_POSTGRES", &stack.postgres_url)
        .env("FOOTFALL_REDIS", &stack.redis_url)
        .env("FOOTFALL_TOPIC_PREFIX", &args.topic_prefix)
        .env("FOOTFALL_LOG", &log.log)
        .env("FOOTFALL_LOG_FORMAT", format)
        // Their output goes to a file, where colours would be noise.
        .env("NO_COLOR", "1");
    // Their own deadlines are for deployments in which nobody waits.
    for (deadline, value) in [
        ("FOOTFALL_SHUTDOWN_TIMEOUT", "5s"),
        ("FOOTFALL_RELEASE_DEADLINE", "4s"),
    ] {
        if std::env::var_os(deadline).is_none() {
            launch = launch.env(deadline, value);
        }
    }
    // These mean something else to a role, or nothing that `up` did not already say.
    launch.env_removed = vec![
        "FOOTFALL_MODE",
        "FOOTFALL_HTTP",
        "FOOTFALL_RATE",
        "FOOTFALL_FRESH",
    ];
    launch
}

/// Where to connect to reach a listener: one at all addresses is reached on loopback.
pub(crate) fn reachable(mut bound: SocketAddr) -> SocketAddr {
    if bound.ip().is_unspecified() {
        bound.set_ip(match bound {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    bound
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn nothing_given() -> Addresses {
        Addresses {
            mqtt: Vec::new(),
            http: Vec::new(),
            admin: BTreeMap::new(),
            given: Vec::new(),
        }
    }

    #[test]
    fn further_processes_get_the_next_free_ports_and_never_the_same() {
        let mut addresses = nothing_given();
        let first = SocketAddr::from(([127, 0, 0, 1], port::free().unwrap()));
        let taken = first.port() + 1;
        let _held = TcpListener::bind(("127.0.0.1", taken));
        let series = addresses.series(first, 3, "the gateway", "--mqtt").unwrap();
        assert_eq!(series[0], first);
        let ports: Vec<u16> = series.iter().map(SocketAddr::port).collect();
        assert!(!ports.contains(&taken), "{ports:?}");
        assert!(
            ports[0] != ports[1] && ports[1] != ports[2] && ports[0] != ports[2],
            "{ports:?}"
        );
    }

    #[test]
    fn any_admin_port_is_a_free_one_and_no_port_is_given_twice() {
        let mut addresses = nothing_given();
        let ports: Vec<u16> = (0..3).map(|_| addresses.admin(0).unwrap().port()).collect();
        assert!(!ports.contains(&0), "{ports:?}");
        assert_eq!(addresses.given, ports);
    }

    #[test]
    fn the_first_address_was_asked_for_and_is_refused_when_taken() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut addresses = nothing_given();
        let error = addresses
            .series(held.local_addr().unwrap(), 1, "the gateway", "--mqtt")
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("choose another one with `--mqtt"),
            "{error}"
        );
    }

    #[test]
    fn a_listener_at_all_addresses_is_reached_on_loopback() {
        let all: SocketAddr = "0.0.0.0:8080".parse().unwrap();
        assert_eq!(reachable(all).to_string(), "127.0.0.1:8080");
        let all: SocketAddr = "[::]:8080".parse().unwrap();
        assert_eq!(reachable(all).to_string(), "[::1]:8080");
        let one: SocketAddr = "192.0.2.1:8080".parse().unwrap();
        assert_eq!(reachable(one), one);
    }
}
