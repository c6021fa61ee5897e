//! Names of the consumer's metrics.

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// Records by fold and outcome: applied, duplicate, late, ignored, marker (a tick), stale (delivered a second time).
pub const RECORDS: &str = "footfall_consumer_records_total";
/// Records put into quarantine, by fold and reason.
pub const QUARANTINED: &str = "footfall_consumer_quarantined_total";
/// Checkpoints that the ledger refused because another owner had the partition.
pub const FENCED: &str = "footfall_consumer_fenced_writes_total";
/// Time from the start of a checkpoint until the ledger has it.
pub const CHECKPOINT_SECONDS: &str = "footfall_consumer_checkpoint_seconds";
/// Time from the assignment of a partition until its records are folded: taken over in the ledger, its state made again.
pub const ACQUIRE_SECONDS: &str = "footfall_consumer_acquire_seconds";
/// Partitions in the hands of a worker.
pub const ASSIGNED: &str = "footfall_consumer_assigned_partitions";
/// 1 for a partition that cannot go on without a person, by fold, partition and reason; the log says what to do.
pub const STOPPED: &str = "footfall_consumer_partition_stopped";
/// Records between the ledger and the end of the log, by topic and partition.
pub const LAG: &str = "footfall_consumer_lag_records";
/// Records up to the ledger's offset of which nobody knows what became, by topic and partition: always 0.
pub const UNACCOUNTED: &str = "footfall_consumer_unaccounted_records";
/// Numbers of the gateways' canaries that were skipped, by topic: records that Kafka had confirmed and that are lost.
pub const CANARY_GAPS: &str = "footfall_consumer_canary_gaps_total";
/// The number of the newest canary, by topic and partition.
pub const CANARY_SEQUENCE: &str = "footfall_consumer_canary_sequence";
/// Time since the newest canary was written, by topic and partition: the age of the ledger's view, the tick interval included.
pub const CANARY_AGE_SECONDS: &str = "footfall_consumer_canary_age_seconds";

/// 1 while Kafka answers everything but for the fold's consumer group: partitions of a consumer that ends are given to nobody.
pub const GROUP_SILENT: &str = "footfall_consumer_group_silent";

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
    describe_histogram!(
        ACQUIRE_SECONDS,
        "Seconds from the assignment of a partition until its records are folded"
    );
    describe_gauge!(ASSIGNED, "Partitions in the hands of a worker");
    describe_gauge!(
        STOPPED,
        "1 for a partition that cannot go on without a person"
    );
    describe_gauge!(LAG, "Records between the ledger and the end of the log");
    describe_gauge!(UNACCOUNTED, "Records of which nobody knows what became");
    describe_gauge!(
        GROUP_SILENT,
        "1 while Kafka answers everything but for the consumer group"
    );
    describe_counter!(CANARY_GAPS, "Canaries of gateways that were skipped");
    describe_gauge!(CANARY_SEQUENCE, "Number of the newest canary");
    describe_gauge!(
        CANARY_AGE_SECONDS,
        "Seconds since the newest canary was written"
    );
}
