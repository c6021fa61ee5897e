//! The decisions of a partition, with a fold that counts and panics on request.

use domain::fold::{Fold, Outcome, RestoreError, Rows};
use domain::live::{LiveMap, LiveWrite};
use domain::rejection::{Reason, Rejection};
use domain::time::Micros;

use super::delta::Delta;
use super::job::{DeadRecord, LogWrite};
use super::partition::{Folded, LogTurn, Partition, Restored, snapshot_turn};

/// Adds up bytes; `p` panics half way, `y` while it is read, `q` when it is asked whether it is due; `x` cannot be read, `w`
/// waits for a `d`, on which the fold panics then.
#[derive(Debug, Default, PartialEq)]
struct Sum {
    total: u64,
    rows: Total,
    /// It has seen its past for the next `d`.
    has_seen: bool,
    /// How many wait.
    waiting: u64,
}

/// Stands among the rows for what the fold gave up.
const GIVEN_UP: u64 = u64::MAX;

#[derive(Debug, Default, PartialEq)]
struct Total(Vec<u64>);

impl Rows for Total {
    type Want = ();
    type Past = ();

    fn absorb(&mut self, newer: Self) {
        self.0.extend(newer.0);
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

impl Fold for Sum {
    const NAME: &'static str = "sum";
    const TOPIC: &'static str = "sums";
    const VERSION: i32 = 1;
    type Config = ();
    type Record = u8;
    type Rows = Total;

    fn decode(value: &[u8]) -> Result<u8, Rejection> {
        match value {
            b"x" => Err(Rejection::new(Reason::Undecodable, "x")),
            b"y" => panic!("unreadable"),
            _ => Ok(value[0]),
        }
    }

    fn received_at(_: &u8) -> Option<Micros> {
        None
    }

    fn new((): &()) -> Self {
        Self::default()
    }

    fn apply(&mut self, record: u8, _offset: i64) -> Outcome {
        self.total += u64::from(record);
        assert!(record != b'p', "poison");
        if record == b'w' {
            self.waiting += 1;
            return Outcome::Late;
        }
        self.rows.0.push(self.total);
        Outcome::Applied
    }

    fn is_due(&self, record: &u8) -> bool {
        assert!(*record != b'q', "not to be asked");
        *record == b'd' && !self.has_seen
    }

    fn wants(&self) {}

    fn amend(&mut self, (): (), _: &u8, _: i64) -> Option<()> {
        assert!(self.waiting == 0, "late poison");
        self.has_seen = true;
        None
    }

    fn give_up(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.rows.0.extend((0..waiting).map(|_| GIVEN_UP));
    }

    fn drain_rows(&mut self) -> Total {
        std::mem::take(&mut self.rows)
    }

    fn drain_live(&mut self, _: bool) -> Vec<LiveWrite> {
        let gone = LiveWrite {
            map: LiveMap::Panes,
            field: b"old".to_vec(),
            value: None,
        };
        vec![gone, self.live()]
    }

    fn all_live(&mut self) -> Vec<LiveWrite> {
        vec![self.live()]
    }

    fn watermark(&self) -> Option<Micros> {
        None
    }

    fn snapshot(&mut self) -> Vec<u8> {
        self.total.to_le_bytes().to_vec()
    }

    fn restore(bytes: &[u8], (): &()) -> Result<Self, RestoreError> {
        let total = u64::from_le_bytes(bytes.try_into().unwrap());
        Ok(Self {
            total,
            rows: Total::default(),
            has_seen: false,
            waiting: 0,
        })
    }
}

impl Sum {
    fn live(&self) -> LiveWrite {
        LiveWrite {
            map: LiveMap::Panes,
            field: b"sum".to_vec(),
            value: Some(self.total.to_le_bytes().to_vec()),
        }
    }
}

fn restored(fold: Sum, next: i64) -> Restored<Sum> {
    Restored {
        fold,
        next,
        delta_bytes: 0,
        snapshot_bytes: 0,
    }
}

fn acquired_at(next: i64) -> Partition<Sum> {
    Partition::acquired(0, 1, restored(Sum::default(), next))
}

fn fold(partition: &mut Partition<Sum>, offset: i64, value: &[u8]) -> Folded {
    partition.fold(offset, value, |rejection| DeadRecord {
        offset,
        rejection,
        device: None,
        payload: value.to_vec(),
        received_at: Micros(0),
    })
}

#[test]
fn a_record_is_folded_only_at_the_expected_offset() {
    let mut partition = acquired_at(5);
    assert_eq!(fold(&mut partition, 6, b"a"), Folded::Gap { expected: 5 });
    assert_eq!(
        fold(&mut partition, 5, b"a"),
        Folded::Done(Outcome::Applied)
    );
    assert_eq!(fold(&mut partition, 5, b"a"), Folded::Stale);
}

#[test]
fn a_checkpoint_takes_everything_since_the_last_one_and_nothing_twice() {
    let mut partition = acquired_at(0);
    assert!(
        partition.begin_checkpoint(LogTurn::Delta).is_none(),
        "nothing was folded"
    );
    fold(&mut partition, 0, b"a");
    fold(&mut partition, 1, b"x");
    let first = partition.begin_checkpoint(LogTurn::Delta).unwrap();
    assert_eq!((first.from, first.to), (0, 2));
    assert_eq!(first.rows.0.len(), 1);
    assert_eq!(first.dead.len(), 1);
    assert_eq!(partition.saved(), 0, "not before the ledger says so");
    fold(&mut partition, 2, b"b");
    let second = partition.begin_checkpoint(LogTurn::Delta).unwrap();
    assert_eq!((second.from, second.to), (2, 3));
    assert_eq!((second.rows.0.len(), second.dead.len()), (1, 0));
}

#[test]
fn deltas_give_the_state_back_and_snapshots_replace_them_when_they_have_grown() {
    let mut partition = acquired_at(0);
    let mut snapshots = 0;
    let mut state = (Sum::default(), 0);
    let mut noise = 1_u64;
    for offset in 0..40 {
        // Not compressible, so that the deltas grow.
        let value: Vec<u8> = std::iter::repeat_with(|| {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            noise.to_le_bytes()[0] % 100
        })
        .take(300_000)
        .collect();
        fold(&mut partition, offset, &value);
        let turn = snapshot_turn(&[&mut partition]).map_or(LogTurn::Delta, |_| LogTurn::Snapshot);
        match partition.begin_checkpoint(turn).unwrap().log {
            LogWrite::Delta(bytes) => {
                state.1 = Delta::replay(&bytes, state.1, |offset, value| {
                    state.0.apply(value.unwrap()[0], offset);
                })
                .unwrap();
            }
            LogWrite::Snapshot(bytes) => {
                snapshots += 1;
                let bytes = lz4_flex::block::decompress_size_prepended(&bytes).unwrap();
                state = (Sum::restore(&bytes, &()).unwrap(), offset + 1);
            }
        }
        assert_eq!(state.0.snapshot(), partition_state(&mut partition));
    }
    assert!((1..20).contains(&snapshots), "{snapshots} snapshots");
}

#[test]
fn one_partition_at_a_time_writes_a_snapshot_and_the_most_overdue_first() {
    let with_deltas = |id: i32, delta_bytes: usize, snapshot_bytes: usize| {
        let restored = Restored {
            fold: Sum::default(),
            next: 0,
            delta_bytes,
            snapshot_bytes,
        };
        Partition::acquired(id, 1, restored)
    };
    let mut fresh = with_deltas(0, 100, 10);
    let mut due = with_deltas(1, 3 << 20, 2 << 20);
    let mut overdue = with_deltas(2, 4 << 20, 2 << 20);
    let mut large = with_deltas(3, 5 << 20, 6 << 20);
    assert_eq!(
        snapshot_turn(&[&mut fresh, &mut due, &mut overdue, &mut large]),
        Some(2)
    );
    assert_eq!(snapshot_turn(&[&mut due, &mut large]), Some(1));
    assert_eq!(snapshot_turn(&[&mut fresh, &mut large]), None);
}

/// The state, read through the live view.
fn partition_state(partition: &mut Partition<Sum>) -> Vec<u8> {
    partition.flush_lost();
    partition
        .begin_flush(false)
        .unwrap()
        .writes
        .remove(0)
        .value
        .unwrap()
}

#[test]
fn a_poison_record_is_quarantined_and_leaves_no_trace_in_the_state() {
    let mut partition = acquired_at(0);
    fold(&mut partition, 0, b"a");
    let saved = partition.begin_checkpoint(LogTurn::Delta).unwrap();
    partition.checkpoint_saved(saved.to);
    fold(&mut partition, 1, b"b");
    assert!(
        matches!(fold(&mut partition, 2, b"p"), Folded::Panicked { detail } if detail.contains("poison"))
    );
    assert!(
        partition.begin_checkpoint(LogTurn::Delta).is_none(),
        "nothing of a broken state leaves"
    );
    assert!(
        partition.begin_flush(false).is_none(),
        "nothing of a broken state is shown"
    );
    let at_the_ledger = Sum {
        total: u64::from(b'a'),
        ..Sum::default()
    };
    partition.rebuild(restored(at_the_ledger, 1), 2);
    assert_eq!(
        fold(&mut partition, 2, b"p"),
        Folded::Quarantined(Reason::Poison)
    );
    assert_eq!(
        fold(&mut partition, 3, b"c"),
        Folded::Done(Outcome::Applied)
    );
    let total = u64::from(b'a') + u64::from(b'b') + u64::from(b'c');
    assert_eq!(partition_state(&mut partition), total.to_le_bytes());
    let checkpoint = partition.begin_checkpoint(LogTurn::Delta).unwrap();
    assert_eq!(
        (checkpoint.from, checkpoint.to, checkpoint.dead.len()),
        (1, 4, 1)
    );
    let counts = checkpoint.tally.counts;
    assert_eq!(
        (counts.applied, counts.dead_letter, counts.total()),
        (2, 1, 3)
    );
    partition.checkpoint_saved(checkpoint.to);
    assert_eq!(
        partition.unaccounted(),
        0,
        "a record was counted twice or not at all"
    );
}

#[test]
fn a_record_that_panics_while_it_is_read_or_judged_is_quarantined_and_the_state_stays() {
    let mut partition = acquired_at(0);
    fold(&mut partition, 0, b"a");
    for (offset, value) in [(1, b"y"), (2, b"q")] {
        assert_eq!(
            fold(&mut partition, offset, value),
            Folded::Quarantined(Reason::Poison)
        );
    }
    assert_eq!(
        fold(&mut partition, 3, b"b"),
        Folded::Done(Outcome::Applied)
    );
    let total = u64::from(b'a') + u64::from(b'b');
    assert_eq!(partition_state(&mut partition), total.to_le_bytes());
    let checkpoint = partition.begin_checkpoint(LogTurn::Delta).unwrap();
    let offsets: Vec<i64> = checkpoint.dead.iter().map(|dead| dead.offset).collect();
    assert_eq!(offsets, [1, 2]);
    assert_eq!(checkpoint.tally.counts.dead_letter, 2);
}

/// Brings the ledger to the present offset.
fn save(partition: &mut Partition<Sum>) {
    let checkpoint = partition.begin_checkpoint(LogTurn::Delta).unwrap();
    partition.checkpoint_saved(checkpoint.to);
}

#[test]
fn what_waits_and_makes_the_fold_panic_is_given_up_and_poisons_one_record_only() {
    for panics_again in [false, true] {
        let mut partition = check_given_up(panics_again);
        // The next one that is due is not poison.
        assert_eq!(fold(&mut partition, 4, b"d"), Folded::Due);
        assert_eq!(partition.amend((), b"d"), Ok(None));
        assert_eq!(
            fold(&mut partition, 4, b"d"),
            Folded::Done(Outcome::Applied)
        );
    }
}

/// With another panic before the ledger has it, it is given up once more.
fn check_given_up(panics_again: bool) -> Partition<Sum> {
    let mut partition = acquired_at(0);
    fold(&mut partition, 0, b"w");
    assert_eq!(fold(&mut partition, 1, b"d"), Folded::Due);
    save(&mut partition);
    assert_eq!(partition.wants(), Ok(()));
    assert!(
        partition
            .amend((), b"d")
            .unwrap_err()
            .contains("late poison")
    );
    assert!(
        partition.begin_flush(false).is_none(),
        "the state is broken"
    );
    let at_the_ledger = || Sum {
        total: u64::from(b'w'),
        waiting: 1,
        ..Sum::default()
    };
    partition.rebuild(restored(at_the_ledger(), 1), 1);
    assert_eq!(
        fold(&mut partition, 1, b"d"),
        Folded::Quarantined(Reason::Poison)
    );
    fold(&mut partition, 2, b"a");
    if panics_again {
        assert!(matches!(
            fold(&mut partition, 3, b"p"),
            Folded::Panicked { .. }
        ));
        partition.rebuild(restored(at_the_ledger(), 1), 3);
        fold(&mut partition, 3, b"p");
    } else {
        fold(&mut partition, 3, b"x");
    }
    let checkpoint = partition.begin_checkpoint(LogTurn::Delta).unwrap();
    assert!(
        matches!(checkpoint.log, LogWrite::Snapshot(_)),
        "no delta says what was given up"
    );
    assert_eq!(
        checkpoint
            .rows
            .0
            .iter()
            .filter(|row| **row == GIVEN_UP)
            .count(),
        1
    );
    let details: Vec<&str> = checkpoint
        .dead
        .iter()
        .map(|dead| dead.rejection.detail.as_str())
        .collect();
    assert!(
        details[0].contains("late events that waited"),
        "{details:?}"
    );
    assert_eq!(
        details[1],
        if panics_again {
            "the fold panicked on this record"
        } else {
            "x"
        }
    );
    partition.checkpoint_saved(checkpoint.to);
    partition
}

#[test]
fn a_field_leaves_the_live_view_only_after_postgres_has_its_rows() {
    let mut partition = acquired_at(0);
    partition.begin_flush(false).unwrap();
    partition.flush_done(1, 1);
    fold(&mut partition, 0, b"a");
    let gone = |partition: &mut Partition<Sum>| {
        partition.begin_flush(false).map(|flush| {
            flush
                .writes
                .iter()
                .filter(|write| write.value.is_none())
                .count()
        })
    };
    assert_eq!(gone(&mut partition), Some(0));
    let checkpoint = partition.begin_checkpoint(LogTurn::Delta).unwrap();
    assert_eq!(gone(&mut partition), None);
    partition.checkpoint_saved(checkpoint.to);
    assert!(gone(&mut partition) > Some(0));
}

#[test]
fn a_lost_flush_opens_a_new_generation_with_everything() {
    let mut partition = acquired_at(0);
    let first = partition.begin_flush(false).unwrap();
    assert!(first.opens);
    partition.flush_done(1, 1);
    fold(&mut partition, 0, b"a");
    let second = partition.begin_flush(false).unwrap();
    assert!(!second.opens);
    assert_eq!(second.generation.seq, 1);
    partition.flush_lost();
    let third = partition.begin_flush(false).unwrap();
    assert!(third.opens);
    assert_ne!(third.generation.name, first.generation.name);
}

#[test]
fn a_record_that_needs_the_past_waits_for_it_and_the_next_checkpoint_holds_the_whole_state() {
    let mut partition = acquired_at(0);
    let fold = |partition: &mut Partition<Sum>, offset, value: &[u8]| {
        partition.fold(offset, value, |_| unreachable!("it can be decoded"))
    };
    assert!(partition.begin_flush(true).is_some());
    partition.flush_done(1, 1);
    assert_eq!(
        fold(&mut partition, 0, b"1"),
        Folded::Done(Outcome::Applied)
    );
    assert_eq!(fold(&mut partition, 1, b"d"), Folded::Due);
    assert!(!partition.is_saved());
    let checkpoint = partition.begin_checkpoint(LogTurn::Delta).unwrap();
    assert!(matches!(checkpoint.log, LogWrite::Delta(_)));
    assert!(!partition.is_saved(), "it is under way");
    partition.checkpoint_saved(checkpoint.to);
    assert!(partition.is_saved());
    assert_eq!(partition.amend((), b"d"), Ok(None));
    assert_eq!(
        fold(&mut partition, 1, b"d"),
        Folded::Done(Outcome::Applied)
    );
    assert!(
        partition.begin_flush(true).is_none(),
        "nobody is told before the rows are there"
    );
    let checkpoint = partition.begin_checkpoint(LogTurn::Delta).unwrap();
    assert!(matches!(checkpoint.log, LogWrite::Snapshot(_)));
    partition.checkpoint_saved(checkpoint.to);
    assert!(partition.begin_flush(true).is_some());
    fold(&mut partition, 2, b"1");
    let next = partition.begin_checkpoint(LogTurn::Delta).unwrap();
    assert!(matches!(next.log, LogWrite::Delta(_)));
}
