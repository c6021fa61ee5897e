//! One direction of one connection: what is read, held, delayed, sliced and written.

use std::io::{self, ErrorKind};
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::Shared;
use super::weather::{Towards, Weather};

/// What is read at once; a chunk is what is delayed, and what a reset may hit.
const CHUNK_BYTES: usize = 16 * 1024;

/// Chunks under way in one direction of one connection: 20 MiB/s at 200 ms of delay.
const UNDER_WAY_MAX: usize = 256;

/// One direction of one connection.
pub(super) struct Pump<'a> {
    shared: &'a Shared,
    towards: Towards,
    weather: watch::Receiver<Weather>,
    random: ChaCha8Rng,
}

/// A piece of the stream and when it may arrive.
type Chunk = (Instant, Vec<u8>);

impl<'a> Pump<'a> {
    pub(super) fn new(shared: &'a Shared, towards: Towards, number: u64) -> Self {
        let weather = shared.weather.subscribe();
        let way = u64::from(towards == Towards::Client);
        Self {
            shared,
            towards,
            weather,
            random: ChaCha8Rng::seed_from_u64(shared.seed ^ (number * 2 + way)),
        }
    }

    /// Reading and writing are two loops with a queue between them, so that a delay costs no throughput.
    pub(super) async fn run(self, from: ReadHalf<'_>, to: WriteHalf<'_>) -> io::Result<()> {
        let (sender, receiver) = mpsc::channel(UNDER_WAY_MAX);
        let (weather, random) = (self.weather.clone(), self.random.clone());
        tokio::try_join!(
            read(from, sender, weather, random),
            self.write(to, receiver)
        )
        .map(drop)
    }

    async fn write(
        mut self,
        mut to: WriteHalf<'_>,
        mut chunks: mpsc::Receiver<Chunk>,
    ) -> io::Result<()> {
        while let Some((due, bytes)) = chunks.recv().await {
            sleep_until(due).await;
            self.pass().await;
            let weather = *self.weather.borrow();
            if weather.reset_probability > 0.0 && self.random.random_bool(weather.reset_probability)
            {
                return Err(ErrorKind::ConnectionReset.into());
            }
            self.deliver(&mut to, &bytes).await?;
        }
        // The end of the stream is news too.
        self.pass().await;
        to.shutdown().await
    }

    /// Waits while this direction is cut.
    async fn pass(&mut self) {
        let towards = self.towards;
        // The sender lives as long as the connection, so an error cannot happen; it would mean: not cut.
        drop(
            self.weather
                .wait_for(|weather| !weather.is_cut(towards))
                .await,
        );
    }

    async fn deliver(&mut self, to: &mut WriteHalf<'_>, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let weather = *self.weather.borrow();
            let whole = match weather.bytes_per_second {
                0 => bytes.len(),
                // A tenth of a second at once, so that a change of weather is felt soon.
                rate => usize::try_from(rate / 10)
                    .unwrap_or(usize::MAX)
                    .clamp(1, bytes.len()),
            };
            let length = match weather.slice_bytes_max {
                0 => whole,
                max => self.random.random_range(1..=max).min(whole),
            };
            let (piece, rest) = bytes.split_at(length);
            to.write_all(piece).await?;
            self.count(length);
            bytes = rest;
            let nanos = 1_000_000_000 * length as u64;
            if let Some(nanos) = nanos.checked_div(weather.bytes_per_second) {
                sleep(Duration::from_nanos(nanos)).await;
            }
            self.pass().await;
        }
        Ok(())
    }

    fn count(&self, bytes: usize) {
        let counter = match self.towards {
            Towards::Target => &self.shared.bytes_to_target,
            Towards::Client => &self.shared.bytes_to_client,
        };
        counter.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// Reads until the end of the stream and says of each chunk when it may arrive, never before the one before it.
async fn read(
    mut from: ReadHalf<'_>,
    chunks: mpsc::Sender<Chunk>,
    weather: watch::Receiver<Weather>,
    mut random: ChaCha8Rng,
) -> io::Result<()> {
    let mut latest = Instant::now();
    loop {
        let mut bytes = Vec::with_capacity(CHUNK_BYTES);
        if from.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
        let Weather { delay, jitter, .. } = *weather.borrow();
        let shift = jitter.mul_f64(random.random_range(0.0..=2.0));
        let due = Instant::now() + (delay + shift).saturating_sub(jitter);
        latest = latest.max(due);
        if chunks.send((latest, bytes)).await.is_err() {
            return Ok(());
        }
    }
}
