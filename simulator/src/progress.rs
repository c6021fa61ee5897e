//! What a run has done so far: one line a second on a terminal, else a log line every ten seconds.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use domain::time::Micros;
use hdrhistogram::Histogram;
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Counters that the parts of a run share.
#[derive(Debug)]
pub(crate) struct Progress {
    sent: AtomicU64,
    acknowledged: AtomicU64,
    resent: AtomicU64,
    connected: AtomicU32,
    /// Whether a failure to connect was told since the last connection.
    complained: AtomicBool,
    inside: AtomicU32,
    newest_us: AtomicI64,
    acks: Mutex<Acks>,
}

/// How long PUBACKs took, µs: since the last line, and in all.
#[derive(Debug)]
struct Acks {
    lately: Histogram<u64>,
    all: Histogram<u64>,
}

const TERMINAL_EVERY: Duration = Duration::from_secs(1);
const LOG_EVERY: Duration = Duration::from_secs(10);

/// PUBACKs that take longer than this count as this.
const ACK_US_MAX: u64 = 600_000_000;

impl Progress {
    pub(crate) fn new() -> Self {
        let histogram = || {
            Histogram::new_with_max(ACK_US_MAX, 3)
                .expect("600 s with three digits is a valid range")
        };
        Self {
            sent: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            resent: AtomicU64::new(0),
            connected: AtomicU32::new(0),
            complained: AtomicBool::new(false),
            inside: AtomicU32::new(0),
            newest_us: AtomicI64::new(0),
            acks: Mutex::new(Acks {
                lately: histogram(),
                all: histogram(),
            }),
        }
    }

    /// A message was written to a connection, for the first time or again.
    pub(crate) fn sent(&self, again: bool) {
        let counter = if again { &self.resent } else { &self.sent };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// PUBACKs came after these times.
    pub(crate) fn acknowledged(&self, after: &[Duration]) {
        if after.is_empty() {
            return;
        }
        let count = u64::try_from(after.len()).unwrap_or(u64::MAX);
        self.acknowledged.fetch_add(count, Ordering::Relaxed);
        let mut acks = self.acks.lock().expect("no holder of this lock panics");
        for wait in after {
            let us = u64::try_from(wait.as_micros()).unwrap_or(ACK_US_MAX);
            acks.lately.saturating_record(us);
            acks.all.saturating_record(us);
        }
    }

    /// Whether a failure to connect is news: the first one of all devices since one of them was connected.
    pub(crate) fn is_news(&self) -> bool {
        !self.complained.swap(true, Ordering::Relaxed)
    }

    /// A sensor connected. Logged for the first one, and again after all were gone.
    pub(crate) fn connected(&self) {
        self.complained.store(false, Ordering::Relaxed);
        if self.connected.fetch_add(1, Ordering::Relaxed) == 0 {
            info!("simulator: connected");
        }
    }

    /// A sensor's connection ended. Logged for the last one.
    pub(crate) fn disconnected(&self) {
        if self.connected.fetch_sub(1, Ordering::Relaxed) == 1 {
            info!("simulator: no sensor is connected any more");
        }
    }

    /// The generator has come to `now`, with so many people on site.
    pub(crate) fn generated(&self, now: Micros, inside: u32) {
        self.newest_us.store(now.0, Ordering::Relaxed);
        self.inside.store(inside, Ordering::Relaxed);
    }

    /// Messages that were acknowledged.
    pub(crate) fn acknowledged_count(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Shows the line until `stop`.
    pub(crate) async fn show(&self, stop: CancellationToken) {
        let on_terminal = io::stderr().is_terminal();
        let every = if on_terminal {
            TERMINAL_EVERY
        } else {
            LOG_EVERY
        };
        let mut before = (Instant::now(), 0);
        while stop
            .run_until_cancelled(tokio::time::sleep(every))
            .await
            .is_some()
        {
            let acknowledged = self.acknowledged_count();
            let rate = per_second(acknowledged - before.1, before.0.elapsed());
            before = (Instant::now(), acknowledged);
            let line = self.line(rate);
            if on_terminal {
                // A terminal that is gone is no reason to stop publishing.
                write!(io::stderr(), "\r\x1b[2K{line}").ok();
            } else {
                info!("simulator: {line}");
            }
        }
        if on_terminal {
            writeln!(io::stderr()).ok();
        }
    }

    fn line(&self, rate: f64) -> String {
        let mut acks = self.acks.lock().expect("no holder of this lock panics");
        let (p50, p99) = (ms(&acks.lately, 0.5), ms(&acks.lately, 0.99));
        acks.lately.reset();
        format!(
            "{} sent, {} acknowledged ({rate:.0}/s), {} sent again, {} sensors connected, {} people, at {}, PUBACK p50 {p50:.1} ms p99 {p99:.1} ms",
            self.sent.load(Ordering::Relaxed),
            self.acknowledged_count(),
            self.resent.load(Ordering::Relaxed),
            self.connected.load(Ordering::Relaxed),
            self.inside.load(Ordering::Relaxed),
            Micros(self.newest_us.load(Ordering::Relaxed)),
        )
    }

    /// The line at the end of a run.
    pub(crate) fn summary(&self, took: Duration) -> String {
        let acks = self.acks.lock().expect("no holder of this lock panics");
        format!(
            "{} sent, {} acknowledged in {:.1} s ({:.0}/s), {} sent again, PUBACK p50 {:.1} ms p99 {:.1} ms max {:.1} ms",
            self.sent.load(Ordering::Relaxed),
            self.acknowledged_count(),
            took.as_secs_f64(),
            per_second(self.acknowledged_count(), took),
            self.resent.load(Ordering::Relaxed),
            ms(&acks.all, 0.5),
            ms(&acks.all, 0.99),
            ms(&acks.all, 1.0),
        )
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
fn per_second(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(1e-9)
}

#[expect(clippy::cast_precision_loss, reason = "at most 600 s in µs")]
fn ms(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1e3
}
