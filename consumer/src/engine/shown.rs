//! What of a partition's live view is known to stand in Redis, and what is to be written next.

use domain::fold::Fold;
use domain::live::LiveWrite;

use super::job::Generation;

/// The live view of one owner.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// The generation that this owner writes; `None` before the first flush.
    generation: Option<Generation>,
    counter: u64,
    /// The next flush opens a new generation.
    reseed: bool,
    flushed: i64,
    /// Whether open visits changed since they were shown.
    visits_behind: bool,
    /// Nothing is shown until the next checkpoint is saved.
    is_held: bool,
    /// Fields that are gone: not yet in a checkpoint, in the one under way, and ready to be taken out of Redis, because
    /// Postgres has their rows.
    gone_new: Vec<LiveWrite>,
    gone_under_way: Vec<LiveWrite>,
    gone_ready: Vec<LiveWrite>,
}

/// Where the partition stands when a flush begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standpoint {
    pub(super) epoch: i64,
    pub(super) next: i64,
    /// What the ledger has.
    pub(super) saved: i64,
    /// What it has once the checkpoint under way is saved.
    pub(super) from: i64,
}

impl Shown {
    /// A view that is to be opened by an owner that begins at `next`.
    pub(super) fn unopened(next: i64) -> Self {
        Self {
            reseed: true,
            flushed: next,
            ..Self::default()
        }
    }

    /// Shows nothing until the next checkpoint is saved: whoever is told of a revision reads its row.
    pub(super) fn hold(&mut self) {
        self.is_held = true;
    }

    /// The state was made anew: everything is to be written again.
    pub(super) fn begin_anew(&mut self) {
        self.is_held = false;
        self.reseed = true;
    }

    pub(super) fn checkpoint_begins(&mut self) {
        self.gone_under_way.append(&mut self.gone_new);
    }

    pub(super) fn checkpoint_saved(&mut self) {
        self.is_held = false;
        self.gone_ready.append(&mut self.gone_under_way);
    }

    /// What is to be written, and under which generation; `None` when it is all there.
    pub(super) fn begin_flush<F: Fold>(
        &mut self,
        fold: &mut F,
        at: Standpoint,
        with_visits: bool,
    ) -> Option<(Generation, Vec<LiveWrite>)> {
        let idle = self.flushed == at.next && self.gone_ready.is_empty();
        if self.is_held || !self.reseed && idle && !(with_visits && self.visits_behind) {
            return None;
        }
        let reseeds = std::mem::take(&mut self.reseed);
        let known = self.generation.clone().filter(|_| !reseeds);
        let begun = match known {
            Some(generation) => (generation, self.changes(fold, at, with_visits)),
            None => (self.open(at.epoch), fold.all_live()),
        };
        self.flushed = at.next;
        self.visits_behind = !with_visits && begun.0.seq > 0;
        Some(begun)
    }

    fn changes<F: Fold>(
        &mut self,
        fold: &mut F,
        at: Standpoint,
        with_visits: bool,
    ) -> Vec<LiveWrite> {
        let (mut gone, mut writes): (Vec<_>, Vec<_>) = fold
            .drain_live(with_visits)
            .into_iter()
            .partition(|write| write.value.is_none());
        if at.saved == at.next {
            // Postgres has their rows already.
            self.gone_ready.append(&mut gone);
        } else if at.from == at.next {
            // The checkpoint under way has them: there may be no other one for as long as nothing comes.
            self.gone_under_way.append(&mut gone);
        }
        self.gone_new.append(&mut gone);
        writes.append(&mut self.gone_ready);
        writes
    }

    fn open(&mut self, epoch: i64) -> Generation {
        // Whatever is gone is not in the new generation to begin with.
        self.gone_ready.clear();
        self.counter += 1;
        let generation = Generation {
            name: format!("{epoch}-{}", self.counter),
            seq: 0,
            fields: 0,
        };
        self.generation = Some(generation.clone());
        generation
    }

    pub(super) fn flush_done(&mut self, seq: u64, fields: u64) {
        if let Some(generation) = &mut self.generation {
            generation.seq = seq;
            generation.fields = fields;
        }
    }

    pub(super) fn flush_lost(&mut self) {
        self.reseed = true;
    }
}
