//! Records that make the fold panic, at each place where it can.

use domain::fold::Outcome;
use domain::rejection::Reason;

use super::sum::{GIVEN_UP, Sum};
use super::{acquired_at, fold, partition_state, restored};
use crate::engine::job::LogWrite;
use crate::engine::partition::{Folded, LogTurn, Partition};

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
