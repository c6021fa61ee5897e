//! What is folded, and what a checkpoint takes of it.

use domain::fold::{Fold, Outcome};

use super::sum::Sum;
use super::{acquired_at, fold, partition_state};
use crate::engine::delta::Delta;
use crate::engine::job::LogWrite;
use crate::engine::partition::{Folded, LogTurn, Partition, Restored, snapshot_turn};

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
