//! Names of the consumer's metrics.

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// Records by fold and outcome: applied, duplicate, late, ignored, stale (delivered a second time).
pub const RECORDS: &str = "footfall_consumer_records_total";
/// Records put into quarantine, by fold and reason.
pub const QUARANTINED: &str = "footfall_consumer_quarantined_total";
/// Checkpoints that the ledger refused because another owner had the partition.
pub const FENCED: &str = "footfall_consumer_fenced_writes_total";
/// Time from the start of a checkpoint until the ledger has it.
pub const CHECKPOINT_SECONDS: &str = "footfall_consumer_checkpoint_seconds";
/// Partitions in the hands of a worker.
pub const ASSIGNED: &str = "footfall_consumer_assigned_partitions";
/// 1 for a partition that cannot go on without a person; the log says why.
pub const STOPPED: &str = "footfall_consumer_partition_stopped";

/// Gives every metric its description.
pub(crate) fn describe() {
    describe_counter!(RECORDS, "Records by fold and outcome");
    describe_counter!(
        QUARANTINED,
        "Records put into quarantine, by fold and reason"
    );
    describe_counter!(
        FENCED,
        "Checkpoints refused because another owner had the partition"
    );
    describe_histogram!(
        CHECKPOINT_SECONDS,
        "Seconds until the ledger has a checkpoint"
    );
    describe_gauge!(ASSIGNED, "Partitions in the hands of a worker");
    describe_gauge!(
        STOPPED,
        "1 for a partition that cannot go on without a person"
    );
}
