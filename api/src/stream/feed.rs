//! What feeds of every topic have in common: versions of an answer, and the frames between two of them.

use std::collections::VecDeque;
use std::sync::Arc;

use domain::time::Micros;

/// How many differences are kept for the next socket that needs the same.
const KEPT: usize = 8;

/// An answer at an instant.
#[derive(Debug)]
pub(super) struct Version<B> {
    /// When it was made.
    pub(super) as_of: Micros,
    /// Its position.
    pub(super) offset: u64,
    /// The answer.
    pub(super) body: B,
}

/// The frames of a change, one after the other: each the `d` of a delta. The texts are shared by every socket.
pub(super) type Frames = Arc<[Arc<str>]>;

/// A change; `None` when there is no way from the one version to the other.
pub(super) type Change = Option<Frames>;

/// Differences that were computed lately.
#[derive(Debug, Default)]
pub(super) struct Changes {
    kept: VecDeque<((u64, u64), Change)>,
}

impl Changes {
    /// The frames from one version to another, computed by the first socket that needs them.
    pub(super) fn get(&mut self, from: u64, to: u64, make: impl FnOnce() -> Change) -> Change {
        if let Some((_, change)) = self.kept.iter().find(|(key, _)| *key == (from, to)) {
            return change.clone();
        }
        let change = make();
        self.kept.push_front(((from, to), change.clone()));
        self.kept.truncate(KEPT);
        change
    }
}
