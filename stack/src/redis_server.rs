//! Redis: the live view. A plain server on loopback that writes a snapshot now and then and when it stops; correctness never
//! depends on it, so nothing stronger is asked of it.

use std::fs;
use std::time::Duration;

use crate::error::{AtPath, Result};
use crate::folder::Folder;
use crate::launch::Launch;
use crate::program;

/// The server's name in logs, pid files and `run.json`.
pub(crate) const NAME: &str = "redis";

/// Oldest major version that serves us (DESIGN: Redis ≥ 7).
pub(crate) const MAJOR_MIN: u32 = 7;

/// One database per test, see [`crate::Scratch`].
pub(crate) const DATABASES: u32 = 1024;

/// How long one attempt to use the server may take.
const ATTEMPT: Duration = Duration::from_secs(2);

/// A Redis server of ours.
#[derive(Debug, Clone)]
pub(crate) struct Redis {
    pub(crate) port: u16,
}

impl Redis {
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn launch(&self, folder: &Folder) -> Result<Launch> {
        let program = program::find("redis-server", "redis-server")?;
        let data = folder.data(NAME);
        fs::create_dir_all(&data).at("creating", &data)?;
        let port = self.port.to_string();
        let databases = DATABASES.to_string();
        Ok(Launch::new(NAME, program, data)
            .args([
                "--bind",
                "127.0.0.1",
                "--port",
                &port,
                "--databases",
                &databases,
            ])
            .args(["--daemonize", "no", "--appendonly", "no", "--save", "300 1"])
            .args(["--dir", ".", "--dbfilename", "dump.rdb"])
            // A failed snapshot (disk full) must not stop the live view.
            .args(["--stop-writes-on-bgsave-error", "no"]))
    }
}

/// Uses the Redis behind `url` once; the answer is its version. A server that still loads its snapshot refuses `PING`.
pub(crate) async fn probe(url: &str) -> Result<String, String> {
    let attempt = async {
        let client = redis::Client::open(url)?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let _: String = redis::cmd("PING").query_async(&mut connection).await?;
        redis::cmd("INFO")
            .arg("server")
            .query_async::<String>(&mut connection)
            .await
    };
    let info = tokio::time::timeout(ATTEMPT, attempt)
        .await
        .map_err(|_| format!("no PONG within {} s", ATTEMPT.as_secs()))?
        .map_err(|error| error.to_string())?;
    version(&info).ok_or_else(|| "it does not say which version it is".to_owned())
}

fn version(info: &str) -> Option<String> {
    info.lines()
        .find_map(|line| line.strip_prefix("redis_version:"))
        .map(|version| version.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_servers_own_words() {
        let info = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n";
        assert_eq!(version(info).as_deref(), Some("7.0.15"));
    }
}
