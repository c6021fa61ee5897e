//! A corner of a running stack for one test: a database, a topic prefix and a Redis database of its own, so that tests may run
//! beside each other on the same servers.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{Connection, PgConnection};

use crate::error::{Result, StackError};
use crate::redis_server::DATABASES;
use crate::stack::Stack;
use crate::topic::{self, Topic};

/// Numbers the corners of this process. Redis database 0 is left to whoever uses the stack directly.
static NEXT: AtomicU32 = AtomicU32::new(1);

/// One test's corner.
#[derive(Debug, Clone)]
pub struct Scratch {
    /// Bootstrap servers of Kafka.
    pub kafka: String,
    /// Put before every topic's name (`FOOTFALL_TOPIC_PREFIX`).
    pub topic_prefix: String,
    /// URL of an empty database.
    pub postgres_url: String,
    /// URL of a Redis database that nobody else uses. `FLUSHALL` still reaches all of them.
    pub redis_url: String,
    topics: Vec<String>,
}

impl Stack {
    /// Makes a corner with the given topics, whose names get the corner's prefix. Take only those a test needs: each
    /// partition costs Kafka open files.
    ///
    /// # Errors
    /// When Postgres or Kafka refuses.
    pub async fn scratch(&self, topics: &[Topic]) -> Result<Scratch> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("t{}_{number}", std::process::id());
        let topic_prefix = format!("{name}-");
        // Names cannot be parameters of DDL; this one is made of digits and two letters.
        self.run_ddl(format!("create database {name}")).await?;
        let topics: Vec<Topic> = topics
            .iter()
            .map(|topic| topic.prefixed(&topic_prefix))
            .collect();
        self.create_topics(&topics).await?;
        Ok(Scratch {
            kafka: self.kafka.clone(),
            topic_prefix,
            postgres_url: with_database(&self.postgres_url, &name),
            redis_url: format!("{}/{}", self.redis_url, number % DATABASES),
            topics: topics.into_iter().map(|topic| topic.name).collect(),
        })
    }

    /// Removes a corner's topics and database, with force while somebody is still connected.
    ///
    /// # Errors
    /// When Postgres or Kafka refuses.
    pub async fn remove(&self, scratch: Scratch) -> Result<()> {
        if !self.is_mock() && !scratch.topics.is_empty() {
            let names: Vec<&str> = scratch.topics.iter().map(String::as_str).collect();
            topic::delete_topics(&self.kafka, &names).await?;
        }
        let name = scratch.topic_prefix.trim_end_matches('-');
        self.run_ddl(format!("drop database {name} with (force)"))
            .await
    }

    async fn run_ddl(&self, statement: String) -> Result<()> {
        let fail = |source| StackError::Postgres {
            what: format!("running `{statement}`"),
            source,
        };
        let mut connection = PgConnection::connect(&self.postgres_url)
            .await
            .map_err(fail)?;
        sqlx::query(sqlx::AssertSqlSafe(statement.as_str()))
            .execute(&mut connection)
            .await
            .map_err(fail)?;
        connection.close().await.map_err(fail)
    }
}

/// The same server, another database.
fn with_database(url: &str, database: &str) -> String {
    match url.rsplit_once('/') {
        Some((server, _)) => format!("{server}/{database}"),
        None => url.to_owned(),
    }
}
