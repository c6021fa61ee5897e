//! How a schedule ends: everything works again, one owner does what is left, and the end result is compared.

use super::super::mutant::Check;
use super::super::schedule::{Handover, Produced, Step};
use super::super::servers::PARTITIONS;
use super::super::subject::{Subject, View};
use super::super::tasks::Fate;
use super::{OWNERS, World};

/// Enough work for any log.
const ROUNDS: u8 = 100;

impl<S: Subject> World<S> {
    /// Everything works again: what is on its way arrives, time passes, and one new owner does the rest.
    pub(super) fn heal(&mut self) {
        let mut servers = self.servers.borrow_mut();
        servers.away = 0;
        servers.commits = Fate::Fine;
        drop(servers);
        while !self.servers.borrow().wire.is_empty() {
            self.arrive(0);
        }
        self.now += 1000;
        for id in 0..PARTITIONS {
            self.produce(id, Produced::Tick { after: 0 });
        }
        for owner in 0..OWNERS {
            self.crash(owner);
        }
        for _ in 0..2 {
            for id in 0..PARTITIONS {
                if self.assigned[id].is_none() {
                    self.assign(0, id, Handover::PLAIN);
                }
            }
            for _ in 0..2 {
                self.act(0, Step::Work { owner: 0 });
            }
        }
        // Each tick for which a fold has to see its past takes two checkpoints.
        for _ in 0..ROUNDS {
            if self.is_at_the_end() {
                break;
            }
            self.act(0, Step::Work { owner: 0 });
        }
        // What was held back until the last checkpoint is shown.
        self.act(0, Step::Work { owner: 0 });
    }

    fn is_at_the_end(&self) -> bool {
        let servers = self.servers.borrow();
        let stored = servers.postgres.partitions.iter();
        stored
            .zip(&servers.logs)
            .all(|(stored, log)| stored.next == log.end())
    }

    /// The end result.
    pub(super) fn compare(&self) {
        let mut servers = self.servers.borrow_mut();
        for id in 0..PARTITIONS {
            servers.check_rows(id);
            servers.check_view(id, &View::new());
            let end = servers.logs[id].end();
            let stored = &servers.postgres.partitions[id];
            let truth = servers.logs[id].prefix(end);
            let (next, is_equal) = (stored.next, stored.rows == *truth.rows);
            let shown = servers.redis.partitions[id].current();
            let differing: Vec<_> = truth
                .live
                .iter()
                .filter(|(key, value)| shown.and_then(|shown| shown.get(*key)) != Some(*value))
                .map(|(key, _)| key.clone())
                .collect();
            let live = shown == Some(&*truth.live);
            let committed = servers.committed[id];
            let events = i64::try_from(servers.logs[id].events().len()).unwrap();
            let counted = S::counted(&stored.rows);
            let is_whole = next == end && committed == end && is_equal && live;
            servers.check(Check::EndResult, is_whole, || {
                format!(
                    "partition {id}: {next} of {end}, {committed} committed, rows equal: {is_equal}, view equal: {live} \
                     {differing:?}"
                )
            });
            servers.check(Check::CountedOnce, counted == events, || {
                format!("partition {id}: {counted} of {events} events")
            });
        }
    }
}
