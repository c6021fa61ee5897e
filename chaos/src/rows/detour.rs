//! Detours: a proxy put between parts of a running site, and taken away again.
//!
//! Devices keep the address they have: the proxy takes over the gateway's port and the gateway moves to another one. Roles are
//! started again with the proxy's address. Kafka tells its clients where to connect, so it gets a further listener that names the
//! proxy, which costs it a restart.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::RngExt;
use stack::port;

use crate::fault::Namespace;
use crate::proxy::Proxy;
use crate::scene::{Scene, heads};

/// The gateway that all devices of a scene connect to.
pub(super) const GATEWAY: &str = "gateway-0";
const MQTT_BIND: &str = "FOOTFALL_MQTT_BIND";
const STOP_WITHIN: Duration = Duration::from_secs(15);
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long devices may take to be back after a detour was made or removed.
const BACK_WITHIN: Duration = Duration::from_secs(30);

/// Starts a role again, in order.
pub(super) async fn restart(scene: &mut Scene<'_>, name: &str) -> anyhow::Result<()> {
    scene.note(format!("SIGTERM {name}, start it again"));
    scene.site.term(name, STOP_WITHIN).await?;
    scene.site.launch(name)?;
    scene.site.wait_ready(READY_WITHIN).await.map(drop)
}

/// Puts a proxy before the gateway, with its far side in a namespace if there is one.
pub(super) async fn before_gateway(
    scene: &mut Scene<'_>,
    namespace: Option<&Namespace>,
) -> anyhow::Result<Proxy> {
    let usual = scene
        .site
        .gateways()
        .into_iter()
        .next()
        .context("no gateway")?;
    let usual: SocketAddr = usual.parse()?;
    let near = namespace.map_or(usual.ip(), |namespace| namespace.near_address.into());
    let moved = SocketAddr::new(near, port::free()?);
    let seed = scene.random.random();
    scene.site.set_env(GATEWAY, MQTT_BIND, &moved.to_string());
    scene.note("put a proxy before the gateway");
    scene.site.term(GATEWAY, STOP_WITHIN).await?;
    let proxy = match namespace {
        None => Proxy::start_at(usual, moved, seed)?,
        Some(namespace) => Proxy::start_inside(namespace.entrance()?, usual, moved, seed)?,
    };
    scene.site.launch(GATEWAY)?;
    scene.site.wait_ready(READY_WITHIN).await?;
    scene.load.next_ack(BACK_WITHIN).await?;
    Ok(proxy)
}

/// Takes the proxy away from before the gateway.
pub(super) async fn remove_before_gateway(
    scene: &mut Scene<'_>,
    proxy: Proxy,
) -> anyhow::Result<()> {
    scene.note(format!("take the proxy away: {:?}", proxy.counts()));
    scene.site.unset_env(GATEWAY, MQTT_BIND);
    scene.site.term(GATEWAY, STOP_WITHIN).await?;
    proxy.stop().await;
    scene.site.launch(GATEWAY)?;
    scene.site.wait_ready(READY_WITHIN).await?;
    scene.load.next_ack(BACK_WITHIN).await.map(drop)
}

/// Proxies between the roles and the servers.
#[derive(Debug)]
pub(super) struct Detours {
    pub(super) kafka: Proxy,
    pub(super) postgres: Proxy,
    pub(super) redis: Proxy,
    /// Kafka's settings without the detour.
    settings: String,
}

impl Detours {
    /// Leads gateway and consumers through proxies.
    pub(super) async fn make(scene: &mut Scene<'_>) -> anyhow::Result<Self> {
        let (kafka, settings) = kafka(scene).await?;
        let [postgres_url, redis_url] =
            [scene.site.postgres(), scene.site.redis()].map(str::to_owned);
        let postgres = Proxy::start(address(&postgres_url)?, scene.random.random())?;
        let redis = Proxy::start(address(&redis_url)?, scene.random.random())?;
        let addresses = [
            ("FOOTFALL_KAFKA", kafka.address().to_string()),
            ("FOOTFALL_POSTGRES", through(&postgres_url, &postgres)?),
            ("FOOTFALL_REDIS", through(&redis_url, &redis)?),
        ];
        for name in users(scene) {
            for (variable, address) in &addresses {
                scene.site.set_env(&name, variable, address);
            }
            restart(scene, &name).await?;
        }
        Ok(Self {
            kafka,
            postgres,
            redis,
            settings,
        })
    }

    /// Leads them straight again.
    pub(super) async fn remove(self, scene: &mut Scene<'_>) -> anyhow::Result<()> {
        for name in users(scene) {
            for variable in ["FOOTFALL_KAFKA", "FOOTFALL_POSTGRES", "FOOTFALL_REDIS"] {
                scene.site.unset_env(&name, variable);
            }
            restart(scene, &name).await?;
        }
        let path = scene.site.dir().join("kafka/server.properties");
        std::fs::write(path, &self.settings).context("restoring Kafka's settings")?;
        restart_kafka(scene).await
    }
}

fn users(scene: &Scene<'_>) -> Vec<String> {
    let mut names = scene.site.running();
    names.retain(|name| !name.starts_with("api"));
    names
}

/// Gives Kafka a listener that it advertises as the proxy's; the proxy, and the settings as they were.
async fn kafka(scene: &mut Scene<'_>) -> anyhow::Result<(Proxy, String)> {
    let target = SocketAddr::from(([127, 0, 0, 1], port::free()?));
    let proxy = Proxy::start(target, scene.random.random())?;
    let settings = scene.site.change_kafka(&[])?;
    let more = |name: &str, further: String| {
        let line = settings.lines().find_map(|line| line.strip_prefix(name));
        let known = line.with_context(|| format!("Kafka's settings have no {name}"))?;
        anyhow::Ok(format!("{known},{further}"))
    };
    let listeners = more("listeners=", format!("PROXIED://{target}"))?;
    let advertised = more(
        "advertised.listeners=",
        format!("PROXIED://{}", proxy.address()),
    )?;
    let protocols = more(
        "listener.security.protocol.map=",
        "PROXIED:PLAINTEXT".to_owned(),
    )?;
    scene.site.change_kafka(&[
        ("listeners", &listeners),
        ("advertised.listeners", &advertised),
        ("listener.security.protocol.map", &protocols),
    ])?;
    restart_kafka(scene).await?;
    Ok((proxy, settings))
}

/// Stops Kafka in order, starts it again and waits until publishes are acknowledged.
pub(super) async fn restart_kafka(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    scene.note("stop kafka, start it again");
    scene.site.server("kafka")?.stop().await;
    scene.site.server("kafka")?.start().await?;
    wait_leaders(scene).await
}

/// Waits until publishes are acknowledged and every partition has its leader. A broker that began a moment ago answers before
/// it has taken over its partitions.
pub(super) async fn wait_leaders(scene: &Scene<'_>) -> anyhow::Result<()> {
    scene.load.next_ack(BACK_WITHIN).await?;
    let known = async || Ok(heads(scene.site.kafka()).await.is_ok());
    until("Kafka's partitions have leaders", BACK_WITHIN, known)
        .await
        .map(drop)
}

/// `host:port` of a URL whose host is an address.
fn address(url: &str) -> anyhow::Result<SocketAddr> {
    let (_, rest) = url.split_once("://").context("a URL has a scheme")?;
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    host.parse()
        .with_context(|| format!("{host} is no address"))
}

/// The same URL with the proxy's address.
fn through(url: &str, proxy: &Proxy) -> anyhow::Result<String> {
    Ok(url.replace(&address(url)?.to_string(), &proxy.address().to_string()))
}

/// Looks at a condition until it holds; says how long that took.
pub(super) async fn until(
    what: &str,
    within: Duration,
    mut holds: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<Duration> {
    let began = Instant::now();
    while !holds().await? {
        anyhow::ensure!(began.elapsed() < within, "{what}: not within {within:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(began.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_in_a_url_is_found_behind_a_password() {
        let found = |url| address(url).unwrap().port();
        assert_eq!(
            found("postgres://footfall:p@127.0.0.1:15432/footfall"),
            15432
        );
        assert_eq!(found("redis://127.0.0.1:16379"), 16379);
        assert!(address("redis://localhost:16379").is_err());
    }
}
