//! Open visits, and those that closed so lately that Postgres may not have them: read from Redis when somebody asks.

use std::time::Duration;

use domain::live::{LiveKeys, LiveMap, VisitValue, VisitsValue};
use prost::Message;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{RedisResult, pipe};
use tokio::sync::OnceCell;
use tracing::debug;

use crate::problem::{Component, Problem};

/// How long Redis may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// A visit as it stands in the live view.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenVisit {
    /// The sensor.
    pub sensor: String,
    /// The visit.
    pub visit: VisitValue,
}

/// Reads visits of one topic.
#[derive(Debug)]
pub struct VisitReader {
    client: redis::Client,
    topic: String,
    connection: OnceCell<ConnectionManager>,
}

impl VisitReader {
    /// A reader of `topic` (with the deployment's prefix). Connects when it is first asked.
    #[must_use]
    pub fn new(client: redis::Client, topic: String) -> Self {
        Self {
            client,
            topic,
            connection: OnceCell::new(),
        }
    }

    /// The visits that the live view of `partitions` holds.
    ///
    /// # Errors
    /// A 503 when Redis does not answer.
    pub async fn read(&self, partitions: &[i32]) -> Result<Vec<OpenVisit>, Problem> {
        match tokio::time::timeout(ANSWER_WITHIN, self.try_read(partitions)).await {
            Ok(Ok(visits)) => Ok(visits),
            Ok(Err(cause)) => {
                debug!(error = %cause, "open visits cannot be read: {cause}");
                Err(Problem::away(Component::Redis))
            }
            Err(_) => Err(Problem::away(Component::Redis)),
        }
    }

    async fn try_read(&self, partitions: &[i32]) -> RedisResult<Vec<OpenVisit>> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let mut connection = self.connection().await?;
        let keys: Vec<_> = partitions
            .iter()
            .map(|&partition| LiveKeys::new(&self.topic, partition))
            .collect();
        let mut pipeline = pipe();
        for keys in &keys {
            pipeline.hget(keys.header(), "gen");
        }
        let generations: Vec<Option<String>> = pipeline.query_async(&mut connection).await?;
        let mut pipeline = pipe();
        for (keys, generation) in keys.iter().zip(&generations) {
            if let Some(generation) = generation {
                pipeline.hgetall(keys.map(generation, LiveMap::Visits));
            }
        }
        if pipeline.is_empty() {
            return Ok(Vec::new());
        }
        let hashes: Vec<Vec<(String, Vec<u8>)>> = pipeline.query_async(&mut connection).await?;
        Ok(hashes.into_iter().flatten().flat_map(decoded).collect())
    }

    async fn connection(&self) -> RedisResult<ConnectionManager> {
        let connect = || {
            let config = ConnectionManagerConfig::new().set_number_of_retries(1);
            ConnectionManager::new_with_config(self.client.clone(), config)
        };
        self.connection.get_or_try_init(connect).await.cloned()
    }
}

/// The visits of a sensor. A value that cannot be read holds none.
fn decoded((sensor, value): (String, Vec<u8>)) -> Vec<OpenVisit> {
    let visits =
        VisitsValue::decode(value.as_slice()).map_or_else(|_| Vec::new(), |value| value.visits);
    visits
        .into_iter()
        .map(|visit| OpenVisit {
            sensor: sensor.clone(),
            visit,
        })
        .collect()
}
