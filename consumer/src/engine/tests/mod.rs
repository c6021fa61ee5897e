//! The decisions of a partition, with a fold that counts and panics on request.

mod checkpoint;
mod live;
mod poison;
mod sum;

use domain::time::Micros;

use super::job::DeadRecord;
use super::partition::{Folded, Partition, Restored};
use sum::Sum;

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
