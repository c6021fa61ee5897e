//! Which roles `up` starts, at which addresses, with which environment.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use chassis::telemetry::{LogArgs, LogFormat};
use stack::{Launch, Stack, port};

use super::args::{Args, Simulate};
use super::supervise::Restart;

/// First admin ports by role; further processes of a role get the following ones.
const ADMIN_GATEWAY: u16 = 9101;
const ADMIN_CONSUMER: u16 = 9111;
const ADMIN_API: u16 = 9121;

/// Everything to start on top of the stack.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The children, in the order in which they are started.
    pub(crate) children: Vec<(Launch, Restart)>,
    /// Admin server of each role.
    pub(crate) admin: BTreeMap<String, String>,
    /// Where the apis serve.
    pub(crate) http: Vec<SocketAddr>,
    /// Where the gateways listen.
    pub(crate) mqtt: Vec<SocketAddr>,
}

/// The addresses that are given out, so that no two children get the same.
#[derive(Debug, Default)]
struct Addresses {
    given: Vec<u16>,
}

impl Plan {
    /// Claims the addresses and lays the children out.
    pub(crate) fn new(
        args: &Args,
        log: &LogArgs,
        stack: &Stack,
        program: &Path,
    ) -> anyhow::Result<Self> {
        let mut addresses = Addresses::default();
        let mqtt = addresses.series(args.mqtt, args.gateways, "the gateway", "--mqtt")?;
        let http = addresses.series(args.http, args.apis, "the api", "--http")?;
        let mut plan = Self {
            children: Vec::new(),
            admin: BTreeMap::new(),
            http,
            mqtt,
        };
        let base = |name: &str, subcommand: &str| {
            let launch = Launch::new(name, program, stack.folder().root()).args([subcommand]);
            with_environment(launch, args, log, stack)
        };
        for index in 0..args.gateways {
            let name = format!("gateway-{index}");
            let launch = base(&name, "gateway").env(
                "FOOTFALL_MQTT_BIND",
                plan.mqtt[usize::from(index)].to_string(),
            );
            plan.add_role(launch, addresses.admin(ADMIN_GATEWAY + index)?);
        }
        for index in 0..args.consumers {
            let name = format!("consumer-{index}");
            plan.add_role(
                base(&name, "consumer"),
                addresses.admin(ADMIN_CONSUMER + index)?,
            );
        }
        for index in 0..args.apis {
            let name = format!("api-{index}");
            let launch = base(&name, "api").env(
                "FOOTFALL_HTTP_BIND",
                plan.http[usize::from(index)].to_string(),
            );
            plan.add_role(launch, addresses.admin(ADMIN_API + index)?);
        }
        if let Some(launch) = simulator(args, &plan.mqtt, base("simulator", "simulate")) {
            plan.children.push((launch, Restart::OnFailure));
        }
        Ok(plan)
    }

    fn add_role(&mut self, launch: Launch, admin: SocketAddr) {
        self.admin
            .insert(launch.name.clone(), format!("http://{admin}"));
        let launch = launch.env("FOOTFALL_ADMIN_BIND", admin.to_string());
        self.children.push((launch, Restart::Always));
    }
}

impl Addresses {
    /// `first` and the next free ones after it. Only the first was asked for, so only it may be refused.
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

    /// The documented admin port, else any free one: it stands in `run.json` either way.
    fn admin(&mut self, wanted: u16) -> anyhow::Result<SocketAddr> {
        let wanted = SocketAddr::from(([127, 0, 0, 1], wanted));
        let port = self.next(wanted, 0)?;
        self.given.push(port);
        Ok(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    fn next(&self, first: SocketAddr, index: u16) -> anyhow::Result<u16> {
        let wanted = first.port().checked_add(index);
        let is_usable = |port: &u16| {
            !self.given.contains(port)
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
    // These mean something else to a role, or nothing that `up` did not already say.
    launch.env_removed = vec!["FOOTFALL_MODE", "FOOTFALL_HTTP", "FOOTFALL_RATE"];
    launch
}

fn simulator(args: &Args, mqtt: &[SocketAddr], launch: Launch) -> Option<Launch> {
    let plan = match args.simulate {
        Simulate::None => return None,
        Simulate::Campus => "campus",
        Simulate::Crossing => "crossing",
    };
    let first = reachable(*mqtt.first()?);
    let launch = launch
        .args(["--plan", plan])
        .env("FOOTFALL_MQTT", first.to_string());
    Some(match args.rate {
        Some(rate) => launch.args(["--rate".to_owned(), rate.to_string()]),
        None => launch,
    })
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

    #[test]
    fn further_processes_get_the_next_free_ports_and_never_the_same() {
        let mut addresses = Addresses::default();
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
    fn the_first_address_was_asked_for_and_is_refused_when_taken() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut addresses = Addresses::default();
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
