//! A schedule: owners, servers and faults, one step at a time; and in [`ending`], what must hold in the end.

mod ending;

use std::cell::RefCell;
use std::rc::Rc;

use domain::live::LiveMap;

use super::mutant::{Check, Mutant};
use super::owner::Owner;
use super::schedule::{Handover, Produced, Step};
use super::servers::{PARTITIONS, Servers, Violation};
use super::subject::{Fact, Subject};
use super::tasks::Fate;
use super::wire::Sent;

/// Owners that take part.
pub(super) const OWNERS: usize = 3;
/// Enough atoms for any flush or checkpoint.
const ENOUGH: u8 = 9;
/// Enough of them for a partition that was asked for in vain, or panicked.
const LOAD_ATOMS: u8 = 4;

/// See the module.
pub(super) struct World<S: Subject> {
    servers: Rc<RefCell<Servers<S>>>,
    owners: Vec<Owner<S>>,
    /// To whom the group gave each partition.
    assigned: [Option<usize>; PARTITIONS],
    now: i64,
    events: u16,
}

impl<S: Subject> World<S> {
    fn new(mutant: Option<Mutant>, only: Option<Check>) -> Self {
        let servers = Rc::new(RefCell::new(Servers::new(mutant, only)));
        let owners = std::iter::repeat_with(|| Owner::new(&servers));
        Self {
            owners: owners.take(OWNERS).collect(),
            servers,
            assigned: [None; PARTITIONS],
            now: 0,
            events: 0,
        }
    }

    /// Runs a schedule, heals everything, and compares.
    pub(super) fn run(
        steps: &[Step],
        mutant: Option<Mutant>,
        only: Option<Check>,
    ) -> Result<(), Violation> {
        let mut world = Self::new(mutant, only);
        for partition in 0..PARTITIONS {
            world.assign(0, partition, Handover::PLAIN);
        }
        for _ in 0..LOAD_ATOMS {
            world.owners[0].load();
        }
        for step in steps {
            world.step(*step);
            world.servers.borrow_mut().pass_time();
            world.verdict()?;
        }
        world.heal();
        world.verdict()?;
        world.compare();
        world.verdict()
    }

    fn verdict(&self) -> Result<(), Violation> {
        self.servers
            .borrow_mut()
            .violation
            .take()
            .map_or(Ok(()), Err)
    }

    /// An owner that has something to do, if there is one.
    fn owner(&self, number: u8) -> usize {
        let busy: Vec<_> = (0..OWNERS)
            .filter(|owner| !self.owners[*owner].held().is_empty())
            .collect();
        match busy.len() {
            0 => usize::from(number) % OWNERS,
            n => busy[usize::from(number) % n],
        }
    }

    fn step(&mut self, step: Step) {
        let partition = |number: u8| usize::from(number) % PARTITIONS;
        match step {
            Step::Produce {
                partition: id,
                fact,
            } => self.produce(partition(id), fact),
            Step::Assign {
                owner,
                partition: id,
                handover,
            } => self.assign(usize::from(owner) % OWNERS, partition(id), handover),
            Step::Pause { owner } => {
                let owner = self.owner(owner);
                self.owners[owner].is_paused ^= true;
            }
            Step::Crash { owner } => self.crash(self.owner(owner)),
            Step::Arrive { which } => self.arrive(which),
            Step::Wipe => self.servers.borrow_mut().redis.wipe(),
            Step::SaveRedis => self.servers.borrow_mut().redis.save(),
            Step::RestartRedis => self.servers.borrow_mut().restart_redis(),
            Step::EvictHeader { partition: id } => {
                self.servers.borrow_mut().redis.partitions[partition(id)].evict_header();
            }
            Step::EvictMap {
                partition: id,
                is_sensors,
            } => {
                let map = if is_sensors {
                    LiveMap::Sensors
                } else {
                    LiveMap::Panes
                };
                self.servers.borrow_mut().redis.partitions[partition(id)].evict_map(map);
            }
            Step::BackUpPostgres => self.servers.borrow_mut().postgres.back_up(),
            Step::RestorePostgres => self.servers.borrow_mut().restore_postgres(),
            Step::PostgresAway { atoms } => self.servers.borrow_mut().away = atoms,
            Step::Commits { fate } => self.servers.borrow_mut().commits = fate,
            Step::Work { owner }
            | Step::Poll { owner, .. }
            | Step::Flush { owner, .. }
            | Step::Checkpoint { owner, .. }
            | Step::Settle { owner }
            | Step::Load { owner }
            | Step::Tell { owner }
            | Step::Jump { owner, .. } => {
                let owner = self.owner(owner);
                if !self.owners[owner].is_paused {
                    self.act(owner, step);
                }
            }
        }
    }

    /// A step of an owner.
    fn act(&mut self, number: usize, step: Step) {
        // The records of a poll are folded before a failure is looked at.
        if self.owners[number].is_failed && !matches!(step, Step::Poll { .. }) {
            return self.leave(number);
        }
        let owner = &mut self.owners[number];
        let id = |partition: u8| i32::from(partition) % i32::try_from(PARTITIONS).unwrap();
        match step {
            Step::Work { .. } => {
                for _ in 0..2 {
                    for _ in 0..LOAD_ATOMS {
                        owner.load();
                    }
                    for partition in owner.held() {
                        owner.poll(partition, u8::MAX);
                    }
                }
                for _ in 0..ENOUGH {
                    owner.flush(Fate::Fine, true);
                    owner.checkpoint(Fate::Fine, None);
                    owner.settle();
                }
            }
            Step::Poll { partition, n, .. } => owner.poll(id(partition), n),
            Step::Flush { fate, visits, .. } => owner.flush(fate, visits),
            Step::Checkpoint { fate, snapshot, .. } => {
                let snapshot = i32::from(snapshot);
                owner.checkpoint(fate, Some(snapshot));
            }
            Step::Settle { .. } => owner.settle(),
            Step::Load { .. } => owner.load(),
            Step::Tell { .. } => self.tell(number),
            Step::Jump { partition, by, .. } => owner.jump(id(partition), i64::from(by)),
            _ => {}
        }
        if self.owners[number].tasks.has_news() {
            self.owners[number].settle();
        }
        if self.owners[number].is_failed {
            self.leave(number);
        }
    }

    fn produce(&mut self, id: usize, produced: Produced) {
        let mut servers = self.servers.borrow_mut();
        let fact = match produced {
            Produced::New { device, ago } => {
                self.events += 1;
                Fact::Seen {
                    device: device % 2,
                    id: self.events,
                    at: (self.now - i64::from(ago)).max(0),
                }
            }
            Produced::Again { which } => {
                let events = servers.logs[id].events();
                match events.len() {
                    0 => return,
                    n => events[usize::from(which) % n],
                }
            }
            Produced::Tick { after } => {
                self.now += i64::from(after);
                Fact::Tick { at: self.now }
            }
            Produced::Junk => Fact::Junk,
            Produced::Poison => Fact::Poison,
        };
        servers.logs[id].push(fact);
    }

    fn assign(&mut self, to: usize, partition: usize, handover: Handover) {
        let id = i32::try_from(partition).unwrap();
        if let Some(from) = self.assigned[partition]
            && !self.owners[from].is_paused
        {
            self.owners[from].release(&[id], handover.patience, handover.fate);
        }
        if self.owners[to].is_paused {
            self.assigned[partition] = None;
            return;
        }
        self.tell(to);
        self.assigned[partition] = Some(to);
        self.owners[to].acquire(id, handover.acquired);
    }

    /// An owner learns which of its partitions were given to others.
    fn tell(&mut self, owner: usize) {
        let lost: Vec<i32> = self.owners[owner]
            .held()
            .into_iter()
            .filter(|id| self.assigned[usize::try_from(*id).unwrap()] != Some(owner))
            .collect();
        if !lost.is_empty() {
            self.owners[owner].forget(&lost);
        }
    }

    /// A member that failed leaves the group in good order, as closing its client does.
    fn leave(&mut self, owner: usize) {
        self.tell(owner);
        let held = self.owners[owner].held();
        self.owners[owner].release(&held, (ENOUGH, ENOUGH), Fate::Fine);
        self.owners[owner].forget(&held);
        self.owners[owner].is_failed = false;
        for assigned in &mut self.assigned {
            if *assigned == Some(owner) {
                *assigned = None;
            }
        }
    }

    fn crash(&mut self, owner: usize) {
        self.owners[owner] = Owner::new(&self.servers);
        for assigned in &mut self.assigned {
            if *assigned == Some(owner) {
                *assigned = None;
            }
        }
    }

    fn arrive(&mut self, which: u8) {
        let mut servers = self.servers.borrow_mut();
        if servers.wire.is_empty() {
            return;
        }
        let which = usize::from(which) % servers.wire.len();
        if servers.is_away() && servers.wire[which].is_for_postgres() {
            return;
        }
        match servers.wire.swap_remove(which) {
            Sent::Statement(statements) => {
                servers.execute(&statements);
            }
            Sent::Exec(look, shown) => {
                servers.exec(&look, &shown);
            }
            Sent::Acquire(partition) => {
                servers.acquire(partition);
            }
            Sent::Commit(partition, to) => servers.commit(partition, to),
        }
    }
}
