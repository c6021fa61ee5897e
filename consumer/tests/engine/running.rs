//! A consumer that runs in the test's process, and what it says of itself.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing_subscriber::EnvFilter;

const PATIENCE: Duration = Duration::from_secs(60);

/// A consumer that runs in this process.
pub(crate) struct Running {
    admin: String,
    /// A test that fails ends its consumer too.
    shutdown: DropGuard,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Starts it with these settings; its health and its metrics are at `admin`.
    pub(crate) fn start(config: consumer::Config, admin: String) -> Self {
        log_with_the_test();
        let shutdown = CancellationToken::new();
        let tracker = tokio_util::task::TaskTracker::new();
        let task = tracker.spawn(consumer::run(config, shutdown.clone()));
        Self {
            admin,
            shutdown: shutdown.drop_guard(),
            task,
        }
    }

    pub(crate) async fn stop(self) {
        drop(self.shutdown);
        self.task.await.unwrap().unwrap();
    }

    async fn get(&self, path: &str) -> Result<String, String> {
        let mut stream = TcpStream::connect(&self.admin)
            .await
            .map_err(|error| error.to_string())?;
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        Ok(answer)
    }

    /// Waits until `/readyz` says that the process is not ready, in words that contain `sentence`.
    pub(crate) async fn not_ready(&self, sentence: &str) {
        self.says("/readyz", "HTTP/1.0 503", sentence).await;
    }

    /// Waits until `/readyz` says that the process is ready.
    pub(crate) async fn ready(&self) {
        self.says("/readyz", "HTTP/1.0 200", "").await;
    }

    /// Waits until a line of `/metrics` begins with `name`, contains `label` and ends with `value`.
    pub(crate) async fn metric(&self, name: &str, label: &str, value: &str) {
        eventually(&format!("{name} {label} {value}"), || async {
            let text = self.get("/metrics").await?;
            let of_name: Vec<&str> = text.lines().filter(|line| line.starts_with(name)).collect();
            let is_it =
                |line: &&&str| line.contains(label) && line.ends_with(&format!("}} {value}"));
            of_name
                .iter()
                .find(is_it)
                .map(|_| ())
                .ok_or(of_name.join("\n"))
        })
        .await;
    }

    async fn says(&self, path: &str, begins: &str, contains: &str) {
        eventually(contains, || async {
            let answer = self.get(path).await?;
            if answer.starts_with(begins) && answer.contains(contains) {
                Ok(())
            } else {
                Err(answer)
            }
        })
        .await;
    }
}

/// A test that fails shows what its consumers logged.
fn log_with_the_test() {
    let format = tracing_subscriber::fmt()
        .with_test_writer()
        .with_ansi(false)
        .with_env_filter(EnvFilter::new("info,librdkafka=warn"));
    // Fails when another test of this process has done it already.
    format.try_init().ok();
}

pub(crate) async fn eventually<Fut: Future<Output = Result<(), String>>>(
    what: &str,
    check: impl Fn() -> Fut,
) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match check().await {
            Ok(()) => return,
            Err(why) => assert!(
                Instant::now() < deadline,
                "not within a minute: {what}: {why}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
