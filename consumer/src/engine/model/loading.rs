//! How a state is made again, one atom at a time, as `Ledger::load` does it: the state log is read, then the ledger, and
//! only then the owner takes the state in.

use super::mutant::Mutant;
use super::postgres::index;
use super::servers::Servers;
use super::subject::Subject;
use crate::engine::partition::Restored;
use crate::store::ledger::{Acquired, LoadError, still_ours};

/// What became of it.
pub(super) type Loaded<S> = Result<Restored<S>, LoadError>;

/// A state on its way.
pub(super) struct Load<S> {
    acquired: Acquired,
    stage: Stage<S>,
}

enum Stage<S> {
    Asked,
    /// The state log was read.
    Read(Loaded<S>),
    /// The ledger was read after it.
    Judged(Loaded<S>),
}

impl<S: Subject> Load<S> {
    pub(super) fn of(acquired: Acquired) -> Box<Self> {
        let stage = Stage::Asked;
        Box::new(Self { acquired, stage })
    }

    /// The state of a partition that has one, at the offset where the ledger was left.
    pub(super) fn again(partition: i32, epoch: i64, saved: i64) -> Box<Self> {
        Self::of(Acquired {
            partition,
            epoch,
            next_offset: saved,
            accounted_offset: saved,
            fold_version: S::VERSION,
            mark: None,
        })
    }

    pub(super) fn epoch(&self) -> i64 {
        self.acquired.epoch
    }

    /// Goes on by one atom; gives the state when the owner takes it in. While Postgres is away it begins anew.
    pub(super) fn atom(&mut self, servers: &Servers<S>, config: &S::Config) -> Option<Loaded<S>> {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Asked) {
            Stage::Judged(loaded) => return Some(loaded),
            _ if servers.is_away() => Stage::Asked,
            Stage::Asked => Stage::Read(self.read(servers, config)),
            Stage::Read(loaded) if servers.is(Mutant::LoadUnjudged) => Stage::Judged(loaded),
            Stage::Read(loaded) => {
                let ledger = servers.postgres.read(&[self.acquired.partition]);
                Stage::Judged(still_ours(self.acquired, loaded, &ledger))
            }
        };
        None
    }

    fn read(&self, servers: &Servers<S>, config: &S::Config) -> Loaded<S> {
        let (id, next) = (self.acquired.partition, self.acquired.next_offset);
        let shown = servers.redis.partitions[index(id)].header.as_ref();
        if let Some((_, ahead)) = shown.filter(|(_, off)| *off > next)
            && servers.is(Mutant::RedisAhead)
        {
            return Ok(Restored {
                fold: servers.logs[index(id)].state_at(*ahead),
                next,
                delta_bytes: 0,
                snapshot_bytes: 0,
            });
        }
        servers.postgres.load(id, next, config)
    }
}
