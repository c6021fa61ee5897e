//! What can happen to Redis while its process is alive.

use anyhow::Context as _;
use redis::aio::MultiplexedConnection;

async fn connect(url: &str) -> anyhow::Result<MultiplexedConnection> {
    let client = redis::Client::open(url).context("reading the URL of Redis")?;
    client
        .get_multiplexed_async_connection()
        .await
        .context("connecting to Redis")
}

async fn set(
    connection: &mut MultiplexedConnection,
    name: &str,
    value: &str,
) -> anyhow::Result<()> {
    let mut command = redis::cmd("CONFIG");
    command.arg("SET").arg(name).arg(value);
    command
        .exec_async(connection)
        .await
        .with_context(|| format!("setting {name} to {value}"))
}

/// Leaves Redis no memory: every write that would need some is refused with `OOM`, and nothing is evicted.
///
/// # Errors
/// When Redis cannot be asked.
pub async fn starve(url: &str) -> anyhow::Result<()> {
    let mut connection = connect(url).await?;
    set(&mut connection, "maxmemory-policy", "noeviction").await?;
    set(&mut connection, "maxmemory", "1mb").await
}

/// Gives Redis its memory back.
///
/// # Errors
/// When Redis cannot be asked.
pub async fn feed(url: &str) -> anyhow::Result<()> {
    set(&mut connect(url).await?, "maxmemory", "0").await
}

#[cfg(test)]
mod tests {
    use stack::{KafkaSource, Stack, StackConfig};

    use super::*;

    #[tokio::test]
    async fn a_starved_redis_refuses_writes_until_it_is_fed() {
        let temp = tempfile::tempdir().unwrap();
        let config = StackConfig {
            kafka: KafkaSource::Mock,
            ..StackConfig::for_tests(temp.path())
        };
        let stack = Stack::start(config).await.unwrap();
        let url = stack.redis_url.as_str();
        let write = async || {
            let mut connection = connect(url).await.unwrap();
            let mut command = redis::cmd("SET");
            command
                .arg("key")
                .arg("value")
                .exec_async(&mut connection)
                .await
        };
        write().await.unwrap();
        starve(url).await.unwrap();
        assert_eq!(write().await.unwrap_err().code(), Some("OOM"));
        feed(url).await.unwrap();
        write().await.unwrap();
        stack.stop().await;
    }
}
