//! How a schedule ends: everything works again, the owners do what is left, and the end result is compared.

use std::collections::BTreeSet;

use super::super::mutant::Check;
use super::super::schedule::{Handover, Produced, Step};
use super::super::servers::PARTITIONS;
use super::super::subject::{Subject, View};
use super::super::tasks::Fate;
use super::{OWNERS, World};

/// Enough work for any log.
const ROUNDS: u8 = 100;

impl<S: Subject> World<S> {
    /// Everything works again: what is on its way arrives, time passes, and the owners do the rest. Half of the schedules go on
    /// with those that were there all the time, because one that is stuck must not be saved by starting anew.
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
            self.owners[owner].is_paused = false;
            if self.events.is_multiple_of(2) {
                self.crash(owner);
            }
        }
        for _ in 0..4 {
            self.work();
        }
        // Each tick for which a fold has to see its past takes two checkpoints.
        for _ in 0..ROUNDS {
            if self.is_at_the_end() {
                break;
            }
            self.work();
        }
        // What was held back until the last checkpoint is shown.
        self.work();
    }

    /// Everybody works, and what nobody has is given to the first.
    fn work(&mut self) {
        for id in 0..PARTITIONS {
            if self.assigned[id].is_none() {
                self.assign(0, id, Handover::PLAIN);
            }
        }
        for owner in 0..OWNERS {
            let number = u8::try_from(owner).expect("owners are few");
            self.act(owner, Step::Work { owner: number });
        }
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
            let none = View::new();
            let found = shown.unwrap_or(&none);
            let keys: BTreeSet<_> = truth.live.keys().chain(found.keys()).collect();
            let differing: Vec<_> = keys
                .into_iter()
                .filter(|key| truth.live.get(*key) != found.get(*key))
                .cloned()
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
