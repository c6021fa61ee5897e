//! What is looked at all the time while a row runs: how far the live view of each partition has come, ten times a second, and
//! what each role uses, every second.
//!
//! A thread with blocking clients: it must go on looking whatever hangs, and nothing here may slow the load down. Progress is
//! read from Redis, because that is what people see, and it moves every 50 ms; the ledger moves every half second only.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use domain::topic::SENSOR_MOVEMENTS;

use crate::check::bound::{self, Seen, Usage};
use crate::check::progress::Sample;
use crate::site::Pids;
use crate::store;

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often memory and descriptors are looked at.
const LOOK_AT_USAGE_EVERY: Duration = Duration::from_secs(1);

/// What was seen so far.
#[derive(Debug, Default)]
struct Notes {
    samples: Vec<Sample>,
    seen: Seen,
}

/// A watch that goes on until it is dropped.
#[derive(Debug)]
pub struct Watch {
    notes: Arc<Mutex<Notes>>,
    is_over: Arc<AtomicBool>,
    began: Instant,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins to look.
    #[must_use]
    pub fn start(redis: &str, partitions: i32, pids: Pids) -> Self {
        let notes = Arc::new(Mutex::new(Notes::default()));
        let is_over = Arc::new(AtomicBool::new(false));
        let began = Instant::now();
        let eye = Eye {
            redis: redis.to_owned(),
            partitions,
            pids,
            notes: Arc::clone(&notes),
            is_over: Arc::clone(&is_over),
            began,
        };
        Self {
            notes,
            is_over,
            began,
            thread: Some(thread::spawn(move || eye.look())),
        }
    }

    /// How far the partitions had come, so far.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        lock(&self.notes).samples.clone()
    }

    /// What the roles used, so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        lock(&self.notes).seen.clone()
    }

    /// What the roles have used since then.
    #[must_use]
    pub fn seen_since(&self, since: Instant) -> Seen {
        bound::since(&self.seen(), since.saturating_duration_since(self.began))
    }

    /// When `partition` moved on for the first time after `since`, if it has.
    #[must_use]
    pub fn moved(&self, partition: usize, since: Instant) -> Option<Instant> {
        let notes = lock(&self.notes);
        let offset = |sample: &Sample| sample.offsets.get(partition).copied().flatten();
        let before = notes.samples.iter().filter(|sample| sample.at <= since);
        let before = before.filter_map(offset).max();
        let mut after = notes.samples.iter().filter(|sample| sample.at > since);
        after
            .find(|sample| offset(sample) > before)
            .map(|sample| sample.at)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It cannot panic by what it reads; if it did, its samples would be missing, which the gaps show.
            thread.join().ok();
        }
    }
}

fn lock(notes: &Mutex<Notes>) -> std::sync::MutexGuard<'_, Notes> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Eye {
    redis: String,
    partitions: i32,
    pids: Pids,
    notes: Arc<Mutex<Notes>>,
    is_over: Arc<AtomicBool>,
    began: Instant,
}

impl Eye {
    fn look(&self) {
        let mut connection = None;
        let mut used_at: Option<Instant> = None;
        while !self.is_over.load(Ordering::Relaxed) {
            let offsets = self.offsets(&mut connection);
            let at = Instant::now();
            lock(&self.notes).samples.push(Sample { at, offsets });
            if used_at.is_none_or(|used| used.elapsed() >= LOOK_AT_USAGE_EVERY) {
                used_at = Some(at);
                self.look_at_usage();
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// A Redis that is away shows as partitions that nothing is known of.
    fn offsets(&self, connection: &mut Option<redis::Connection>) -> Vec<Option<i64>> {
        if connection.is_none() {
            *connection = store::redis(&self.redis).ok();
        }
        let read = connection.as_mut().and_then(|connection| {
            store::live_offsets(connection, SENSOR_MOVEMENTS, self.partitions).ok()
        });
        read.unwrap_or_else(|| {
            *connection = None;
            (0..self.partitions).map(|_| None).collect()
        })
    }

    fn look_at_usage(&self) {
        let pids = self
            .pids
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for (role, pid) in pids {
            if let Some(usage) = Usage::of(pid) {
                let at = self.began.elapsed();
                bound::note(&mut lock(&self.notes).seen, (&role, pid), at, usage);
            }
        }
    }
}
