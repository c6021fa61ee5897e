//! The three servers together: started in a folder, stopped in order.

use std::time::Duration;

use crate::config::{KafkaSource, Source, StackConfig};
use crate::error::Result;
use crate::folder::{Folder, FolderLock};
use crate::kafka::{self, Kafka, Ports};
use crate::leftover::end_leftovers;
use crate::mock::Mock;
use crate::port;
use crate::postgres::{self, Postgres};
use crate::redis_server::{self, Redis};
use crate::server::{Recipe, Server, wait_for_external};
use crate::topic::{self, Topic};

/// How long a leftover of an earlier run may take to end.
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(6);

/// A running stack. Dropping it stops the servers it started.
#[derive(Debug)]
pub struct Stack {
    /// Bootstrap servers of Kafka.
    pub kafka: String,
    /// URL of our database in Postgres, password included.
    pub postgres_url: String,
    /// URL of Redis.
    pub redis_url: String,
    mock: Option<Mock>,
    servers: Vec<Server>,
    folder: Folder,
    /// Declared last, so that the folder is given back only after the servers are gone.
    _lock: FolderLock,
}

impl Stack {
    /// Starts what the configuration asks for and returns once all of it is usable. What an earlier owner of the folder left
    /// running is ended first.
    ///
    /// # Errors
    /// A sentence that says what is missing, taken or broken; whatever had been started is stopped again.
    pub async fn start(config: StackConfig) -> Result<Self> {
        let folder = Folder::at(&config.dir)?;
        let lock = folder.lock()?;
        for ended in end_leftovers(&folder, LEFTOVER_PATIENCE).await? {
            tracing::warn!("ended {ended}, left over from an earlier run");
        }
        if config.fresh {
            postgres::wipe_outside(&folder)?;
            folder.wipe(&lock)?;
        }
        let mut plan = plan(&config, &folder).await?;
        start_all(&plan.servers).await?;
        if let KafkaSource::Mock = config.kafka {
            let mock = Mock::start()?;
            mock.bootstrap().clone_into(&mut plan.kafka);
            plan.mock = Some(mock);
        }
        Ok(Self {
            kafka: plan.kafka,
            postgres_url: plan.postgres_url,
            redis_url: plan.redis_url,
            mock: plan.mock,
            servers: plan.servers,
            folder,
            _lock: lock,
        })
    }

    /// The servers that this stack started.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The handle of `kafka`, `postgres` or `redis`; `None` when this stack did not start it.
    #[must_use]
    pub fn server(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.name() == name)
    }

    /// The stack's folder.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Whether Kafka is the mock cluster, which keeps nothing.
    #[must_use]
    pub fn is_mock(&self) -> bool {
        self.mock.is_some()
    }

    /// Makes the topics that do not exist and waits until each can be written to.
    ///
    /// # Errors
    /// When Kafka refuses one of them.
    pub async fn create_topics(&self, topics: &[Topic]) -> Result<()> {
        match &self.mock {
            Some(mock) => {
                mock.create_topics(topics)?;
                topic::wait_until_ready(&self.kafka, topics).await
            }
            None => topic::create_topics(&self.kafka, topics).await,
        }
    }

    /// Stops the servers, all at once: none needs another, and together they take as long as the slowest.
    pub async fn stop(self) {
        futures_util::future::join_all(self.servers.iter().map(Server::stop)).await;
    }
}

/// Addresses, and the servers behind those of them that are ours.
struct Plan {
    kafka: String,
    postgres_url: String,
    redis_url: String,
    mock: Option<Mock>,
    servers: Vec<Server>,
}

/// Claims the ports and prepares the data folders, so that a missing program or a taken port is found before anything starts.
async fn plan(config: &StackConfig, folder: &Folder) -> Result<Plan> {
    let mut servers = Vec::new();
    let kafka = match &config.kafka {
        KafkaSource::Local { port } => {
            let kafka = prepare_kafka(config, folder, *port).await?;
            let bootstrap = kafka.bootstrap();
            servers.push(Server::new(Recipe::Kafka(kafka), folder.clone()));
            bootstrap
        }
        KafkaSource::Mock => String::new(),
        KafkaSource::External(bootstrap) => {
            wait_for_external(kafka::NAME, bootstrap).await?;
            bootstrap.clone()
        }
    };
    let redis_url = match &config.redis {
        Source::Local { port } => {
            let redis = Redis {
                port: port::claim(*port, "Redis", "--redis-port")?,
            };
            let url = redis.url();
            servers.push(Server::new(Recipe::Redis(redis), folder.clone()));
            url
        }
        Source::External(url) => {
            wait_for_external(redis_server::NAME, url).await?;
            url.clone()
        }
    };
    let postgres_url = match &config.postgres {
        Source::Local { port } => {
            let postgres = prepare_postgres(config, folder, *port).await?;
            let url = postgres.url();
            servers.push(Server::new(Recipe::Postgres(postgres), folder.clone()));
            url
        }
        Source::External(url) => {
            wait_for_external(postgres::NAME, url).await?;
            url.clone()
        }
    };
    Ok(Plan {
        kafka,
        postgres_url,
        redis_url,
        mock: None,
        servers,
    })
}

async fn prepare_kafka(config: &StackConfig, folder: &Folder, port: u16) -> Result<Kafka> {
    let ports = Ports {
        broker: port::claim(port, "Kafka", "--kafka-port")?,
        controller: port::free()?,
    };
    let (folder, jars, durability) = (folder.clone(), config.kafka_jars.clone(), config.durability);
    blocking(move || Kafka::prepare(&folder, ports, durability, &jars)).await
}

async fn prepare_postgres(config: &StackConfig, folder: &Folder, port: u16) -> Result<Postgres> {
    let port = port::claim(port, "Postgres", "--postgres-port")?;
    let (folder, durability) = (folder.clone(), config.durability);
    blocking(move || Postgres::prepare(&folder, port, durability)).await
}

/// Runs a preparation that waits for a helper program (initdb, Kafka's format) without holding up the runtime.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

async fn start_all(servers: &[Server]) -> Result<()> {
    futures_util::future::try_join_all(servers.iter().map(Server::start)).await?;
    Ok(())
}
