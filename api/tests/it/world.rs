//! A database, a Redis database and instances of the API for one test.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use api::Role;
use api::app::App;
use chassis::clock::Clock;
use clap::Parser;
use domain::time::{Micros, Span};
use serde_json::Value;
use sqlx::PgPool;
use stack::{KafkaSource, Scratch, Stack, StackConfig};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::owner::Owner;

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(20);

/// Servers, filled by owners, read by instances.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) pool: PgPool,
    pub(crate) redis: redis::Client,
    pub(crate) clock: Clock,
    pub(crate) topic: String,
    scratch: Scratch,
}

/// An instance of the API.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) address: SocketAddr,
    pub(crate) app: Arc<App>,
    pub(crate) shutdown: CancellationToken,
    serving: JoinHandle<anyhow::Result<()>>,
    client: reqwest::Client,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    config: api::Config,
}

pub(crate) fn at(text: &str) -> Micros {
    Micros::from_timestamp(text.parse().unwrap())
}

pub(crate) fn seconds(n: i64) -> Span {
    Span::from_secs(n)
}

/// Starts Postgres and Redis in `folder`; nothing here needs Kafka.
pub(crate) async fn start(folder: &Path) -> Stack {
    let config = StackConfig {
        kafka: KafkaSource::Mock,
        fresh: true,
        ..StackConfig::for_tests(folder)
    };
    Stack::start(config).await.unwrap()
}

impl World {
    /// A corner of the shared servers, with the registry that most tests use, at `now`.
    pub(crate) async fn new(now: &str) -> Self {
        static SHARED: OnceCell<Stack> = OnceCell::const_new();
        // The prefix is that of every shared stack, so that the next test binary removes the folder.
        let folder = std::env::temp_dir().join(format!("footfall-test-{}", std::process::id()));
        let stack = SHARED.get_or_init(|| start(&folder)).await;
        Self::on(stack, now).await
    }

    /// A corner of `stack`.
    pub(crate) async fn on(stack: &Stack, now: &str) -> Self {
        let scratch = stack.scratch(&[]).await.unwrap();
        let pool = PgPool::connect(&scratch.postgres_url).await.unwrap();
        let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
        let migrator = sqlx::migrate::Migrator::new(migrations).await.unwrap();
        migrator.run(&pool).await.unwrap();
        let registry = "
            insert into site values ('main', 'Main campus', 'Europe/London', 'en-GB');
            insert into zone values
                ('lib', 'main', 'Library', 5, 2), ('cafe', 'main', 'Café', null, 1), ('gym', 'main', 'Gym', 100, 3);
            insert into device values
                ('lib-1', 'main', 'lib', 'Library door', 'movement'),
                ('cafe-1', 'main', 'cafe', 'Café', 'movement'),
                ('gym-1', 'main', 'gym', 'Gym', 'movement'),
                ('gate-1', 'main', 'gym', 'Gate', 'rfid')";
        sqlx::raw_sql(registry).execute(&pool).await.unwrap();
        Self {
            pool,
            redis: redis::Client::open(scratch.redis_url.as_str()).unwrap(),
            clock: Clock::fixed(at(now)),
            topic: format!("{}sensor-movements", scratch.topic_prefix),
            scratch,
        }
    }

    pub(crate) async fn owner(&self, partition: i32) -> Owner {
        let redis = self.redis.get_multiplexed_async_connection().await.unwrap();
        Owner::new(&self.topic, partition, redis, self.pool.clone()).await
    }

    /// Starts an instance and waits until it knows the stores.
    pub(crate) async fn api(&self, more: &[&str]) -> Instance {
        let instance = self.api_blind(more).await;
        let ready = || async { instance.app.moment().is_ok_and(|moment| !moment.live.stale) };
        until("the instance knows the stores", ready).await;
        instance
    }

    /// Starts an instance.
    pub(crate) async fn api_blind(&self, more: &[&str]) -> Instance {
        let given = [
            "api",
            "--http-bind",
            "127.0.0.1:0",
            "--postgres",
            &self.scratch.postgres_url,
            "--redis",
            &self.scratch.redis_url,
            "--topic-prefix",
            &self.scratch.topic_prefix,
        ];
        let config = Arguments::try_parse_from(given.iter().chain(more))
            .unwrap()
            .config;
        let shutdown = CancellationToken::new();
        let role = Role::start(config, self.clock.clone(), shutdown.clone())
            .await
            .unwrap();
        let (address, app) = (role.address, Arc::clone(&role.app));
        #[expect(clippy::disallowed_methods, reason = "the test waits for it in stop()")]
        let serving = tokio::spawn(role.serve());
        // Bodies are looked at as they were sent.
        let as_sent = reqwest::Client::builder().no_gzip().no_brotli();
        Instance {
            address,
            app,
            shutdown,
            serving,
            client: as_sent.build().unwrap(),
        }
    }

    pub(crate) fn now(&self) -> Micros {
        self.clock.now()
    }

    pub(crate) fn pass(&self, span: Span) {
        self.clock.set(self.clock.now() + span);
    }
}

impl Instance {
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.get_with(path, &[]).await
    }

    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = self.client.get(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Reply {
            status,
            headers,
            body,
        }
    }

    /// The body of a good answer.
    pub(crate) async fn ok(&self, path: &str) -> Value {
        let reply = self.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        reply.body
    }

    /// Waits until the mirror contains what `owner` has flushed.
    pub(crate) async fn caught_up(&self, owner: &Owner) {
        let (partition, next_offset) = (owner.partition, owner.next_offset());
        let caught_up = || async {
            let status = self.app.mirror.status(self.app.clock.now());
            status
                .offsets
                .get(&partition)
                .is_some_and(|&offset| offset >= next_offset)
        };
        until("the mirror has caught up", caught_up).await;
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.serving.await.unwrap().unwrap();
    }
}

/// Waits until `condition` holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        sleep(Duration::from_millis(20)).await;
    }
}
