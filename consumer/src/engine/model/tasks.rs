//! Flushes and checkpoints of one owner, one atom at a time: the same questions and judgements as `LiveStore::write` and
//! `checkpoint::save`, with an end of the world possible between any two.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::mutant::Mutant;
use super::postgres::{Statement, index};
use super::redis::Look;
use super::servers::Servers;
use super::subject::Subject;
use super::wire::{Sent, Shown};
use crate::engine::job::{Checkpoint, Flush, Flushed, Verdict, asks_ledger, judge_flush};
use crate::engine::saving::{Saved, Saving};
use crate::engine::work::Stores;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is carried out and answered.
    Fine,
    /// It is carried out, and the answer is lost.
    ReplyLost,
    /// It never arrives.
    Down,
    /// It arrives when nobody waits for it any more.
    Late,
}

/// Under which name an owner holds a partition, and how often Postgres had been restored by then.
pub(super) type Hold = (u64, u64);

/// What is under way for one owner.
pub(super) struct Tasks<S: Subject> {
    pub(super) servers: Rc<RefCell<Servers<S>>>,
    pub(super) holds: BTreeMap<i32, Hold>,
    flush: Option<Flushing>,
    checkpoint: Option<Saving<S::Rows>>,
    /// Under which names the checkpoint was begun: by now a partition may have been acquired anew.
    begun: BTreeMap<i32, Hold>,
    /// The statement was sent; the ledger is to be asked.
    asks: bool,
    /// Atoms that are still done before each deadline, the last one first, and what becomes of them.
    pub(super) patience: Vec<u8>,
    pub(super) fate: Fate,
}

#[derive(Debug)]
struct Flushing {
    flushes: Vec<Rc<Flush>>,
    begun: BTreeMap<i32, Hold>,
    look: Option<Look>,
    owned: Option<Vec<Option<bool>>>,
    outcomes: Option<Vec<(i32, Flushed)>>,
}

impl<S: Subject> Tasks<S> {
    pub(super) fn new(servers: Rc<RefCell<Servers<S>>>) -> Self {
        Self {
            servers,
            holds: BTreeMap::new(),
            flush: None,
            checkpoint: None,
            begun: BTreeMap::new(),
            asks: false,
            patience: Vec::new(),
            fate: Fate::Fine,
        }
    }

    fn is_flushed(&self) -> bool {
        self.flush
            .as_ref()
            .is_none_or(|flush| flush.outcomes.is_some())
    }

    fn is_saved(&self) -> bool {
        self.checkpoint.as_ref().is_none_or(Saving::is_done)
    }

    pub(super) fn has_news(&self) -> bool {
        (self.flush.is_some() && self.is_flushed())
            || (self.checkpoint.is_some() && self.is_saved())
    }

    /// The next atom of the flush.
    pub(super) fn flush_atom(&mut self, fate: Fate) {
        let Some(mut task) = self.flush.take() else {
            return;
        };
        let mut servers = self.servers.borrow_mut();
        let partitions: Vec<_> = task
            .flushes
            .iter()
            .map(|flush| index(flush.partition))
            .collect();
        match (&task.look, &task.owned) {
            _ if task.outcomes.is_some() => {}
            (_, None) if fate == Fate::Down && task.look.is_none() => task.lose(),
            (None, _) => task.look = Some(servers.redis.watch(partitions)),
            (Some(look), None) => {
                task.owned = Some(owned(&servers, &task.flushes, look, fate));
            }
            (Some(look), Some(owned)) => {
                let judged = judge(&servers, &task.flushes, look, owned);
                let shown = task.shown(&judged);
                let look = look.clone();
                task.exec(&mut servers, look, shown, (judged, fate));
            }
        }
        drop(servers);
        self.flush = Some(task);
    }

    /// The next atom of the checkpoint.
    pub(super) fn checkpoint_atom(&mut self, fate: Fate) {
        let Some(saving) = self.checkpoint.as_mut().filter(|saving| !saving.is_done()) else {
            return;
        };
        let mut servers = self.servers.borrow_mut();
        let fate = if servers.is_away() { Fate::Down } else { fate };
        if std::mem::take(&mut self.asks) {
            if matches!(fate, Fate::Fine | Fate::Late) {
                saving.judge(&servers.postgres.read(&saving.partitions()));
            }
            return;
        }
        let holds = &self.begun;
        let statements: Vec<_> = saving
            .waiting()
            .iter()
            .map(|checkpoint| Statement::new::<S>(checkpoint, hold(holds, checkpoint.partition).0))
            .collect();
        self.asks = true;
        match fate {
            Fate::Fine => {
                let moved = servers.execute(&statements);
                saving.moved(&moved);
            }
            Fate::ReplyLost => {
                servers.execute(&statements);
            }
            Fate::Late => servers.wire.push(Sent::Statement(statements)),
            Fate::Down => {}
        }
        if fate != Fate::Fine && servers.is(Mutant::SilenceIsSaved) {
            saving.moved(&saving.partitions());
        }
        if saving.is_done() {
            self.asks = false;
        }
    }
}

fn hold(holds: &BTreeMap<i32, Hold>, partition: i32) -> Hold {
    holds.get(&partition).copied().unwrap_or_default()
}

/// `LiveStore::owned`.
fn owned<S: Subject>(
    servers: &Servers<S>,
    flushes: &[Rc<Flush>],
    look: &Look,
    fate: Fate,
) -> Vec<Option<bool>> {
    flushes
        .iter()
        .zip(&look.headers)
        .map(|(flush, header)| {
            if servers.is(Mutant::LedgerNotAsked) {
                return Some(true);
            }
            if fate != Fate::Fine || servers.is_away() || !asks_ledger(flush, header.as_ref()) {
                return None;
            }
            let entries = servers.postgres.read(&[flush.partition]);
            Some(entries[0].1.epoch == flush.epoch)
        })
        .collect()
}

fn judge<S: Subject>(
    servers: &Servers<S>,
    flushes: &[Rc<Flush>],
    look: &Look,
    owned: &[Option<bool>],
) -> Vec<(i32, Option<Flushed>)> {
    let judged = flushes.iter().zip(&look.headers).zip(owned);
    judged
        .map(|((flush, header), owned)| {
            let mut header = header.clone();
            if let Some(header) = &mut header {
                let (found, ours) = (&mut header.generation, &flush.generation);
                if servers.is(Mutant::SequenceUnchecked) && found.seq != ours.seq {
                    (found.seq, found.fields) = (ours.seq, ours.fields);
                } else if servers.is(Mutant::MapsUncounted) {
                    found.fields = ours.fields;
                }
            }
            let outcome = if servers.is(Mutant::HeaderUnchecked) && !flush.opens {
                None
            } else {
                judge_flush(flush, header.as_ref(), *owned)
            };
            (flush.partition, outcome)
        })
        .collect()
}

impl Flushing {
    fn lose(&mut self) {
        let lost = |flush: &Rc<Flush>| (flush.partition, Flushed::Lost);
        self.outcomes = Some(self.flushes.iter().map(lost).collect());
    }

    /// What is to be written.
    fn shown(&self, judged: &[(i32, Option<Flushed>)]) -> Vec<Shown> {
        let judged = self.flushes.iter().zip(judged);
        judged
            .filter(|(_, (_, outcome))| outcome.is_none())
            .map(|(flush, _)| {
                let (holder, restores) = hold(&self.begun, flush.partition);
                Shown {
                    flush: Rc::clone(flush),
                    holder,
                    restores,
                }
            })
            .collect()
    }

    fn exec<S: Subject>(
        &mut self,
        servers: &mut Servers<S>,
        look: Look,
        shown: Vec<Shown>,
        (judged, fate): (Vec<(i32, Option<Flushed>)>, Fate),
    ) {
        let fields = match fate {
            _ if shown.is_empty() => Some(Vec::new()),
            Fate::Fine => servers.exec(&look, &shown),
            Fate::ReplyLost => {
                servers.exec(&look, &shown);
                None
            }
            Fate::Late => {
                servers.wire.push(Sent::Exec(look, shown));
                None
            }
            Fate::Down => None,
        };
        let Some(fields) = fields else {
            self.lose();
            return;
        };
        let mut fields = fields.into_iter();
        let flushes = self.flushes.iter().zip(judged);
        let outcomes = flushes.map(|(flush, (partition, outcome))| {
            let done = || Flushed::Done {
                seq: flush.generation.seq + 1,
                fields: fields.next().unwrap(),
            };
            (partition, outcome.unwrap_or_else(done))
        });
        self.outcomes = Some(outcomes.collect());
    }
}

impl<S: Subject> Stores<S::Rows> for Tasks<S> {
    fn start_flush(&mut self, flushes: Vec<Flush>) {
        self.flush = Some(Flushing {
            flushes: flushes.into_iter().map(Rc::new).collect(),
            begun: self.holds.clone(),
            look: None,
            owned: None,
            outcomes: None,
        });
    }

    fn start_checkpoint(&mut self, checkpoints: Vec<Checkpoint<S::Rows>>, _: usize) {
        let mut servers = self.servers.borrow_mut();
        for checkpoint in &checkpoints {
            servers.check_checkpoint(checkpoint);
            if servers.is(Mutant::CommitBeforeCheckpoint) {
                servers.send_commit(checkpoint.partition, checkpoint.to);
            }
        }
        drop(servers);
        self.asks = false;
        self.begun = self.holds.clone();
        self.checkpoint = Some(Saving::new(checkpoints));
    }

    fn is_flushing(&self) -> bool {
        self.flush.is_some()
    }

    fn is_checkpointing(&self) -> bool {
        self.checkpoint.is_some()
    }

    fn take_flushed(&mut self) -> Option<Option<Vec<(i32, Flushed)>>> {
        let done = self.flush.take_if(|flush| flush.outcomes.is_some())?;
        Some(done.outcomes)
    }

    fn take_saved(&mut self) -> Option<Result<Vec<Saved>, String>> {
        let done = self.checkpoint.take_if(|saving| saving.is_done())?;
        let mut verdicts = done.verdicts();
        if self.servers.borrow().is(Mutant::FencedGoesOn) {
            for (_, _, verdict) in &mut verdicts {
                *verdict = Verdict::Saved;
            }
        }
        Some(Ok(verdicts))
    }

    fn wait(&mut self) {
        for _ in 0..self.patience.pop().unwrap_or(0) {
            self.flush_atom(self.fate);
            self.checkpoint_atom(self.fate);
        }
    }

    fn give_up_flush(&mut self) -> bool {
        self.flush.take().is_some()
    }

    fn give_up_checkpoint(&mut self) -> bool {
        self.checkpoint.take().is_some()
    }
}
