//! What of a partition is shown in the live view, and when it leaves it.

use super::sum::Sum;
use super::{acquired_at, fold};
use crate::engine::partition::{LogTurn, Partition};

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
