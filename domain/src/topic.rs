//! The Kafka topics, and which partition a key belongs to.

use xxhash_rust::xxh3::xxh3_64;

/// A topic as it is created: name, partitions, retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name, without the deployment's prefix.
    pub name: &'static str,
    /// Default number of partitions; a deployment may raise it before its first record.
    pub partitions: i32,
    /// How long Kafka keeps a record, in days.
    pub retention_days: u32,
}

/// Positions, counts and status of movement sensors, keyed by sensor.
pub const SENSOR_MOVEMENTS: &str = "sensor-movements";
/// Messages and elements that were refused, keyed by device.
pub const DEAD_LETTERS: &str = "dead-letters";

/// Every topic with its defaults.
pub const TOPICS: [Topic; 10] = [
    Topic {
        name: SENSOR_MOVEMENTS,
        partitions: 6,
        retention_days: 7,
    },
    Topic {
        name: "tag-reads",
        partitions: 6,
        retention_days: 7,
    },
    Topic {
        name: "student-activities",
        partitions: 3,
        retention_days: 7,
    },
    Topic {
        name: "student-attendance",
        partitions: 2,
        retention_days: 7,
    },
    Topic {
        name: "student-grades",
        partitions: 2,
        retention_days: 30,
    },
    Topic {
        name: "student-enrollments",
        partitions: 1,
        retention_days: 30,
    },
    Topic {
        name: "student-engagement-score",
        partitions: 2,
        retention_days: 7,
    },
    Topic {
        name: "alerts",
        partitions: 1,
        retention_days: 7,
    },
    Topic {
        name: "attendance-invalid",
        partitions: 1,
        retention_days: 30,
    },
    Topic {
        name: DEAD_LETTERS,
        partitions: 1,
        retention_days: 30,
    },
];

/// The partition that owns `key`: `xxh3(key) % partitions`.
///
/// Everything a record changes is owned by its partition, so producers never leave the choice to a partitioner.
///
/// # Panics
/// When `partitions` is not positive.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the remainder is below `partitions`, an i32"
)]
pub fn partition_of(key: &str, partitions: i32) -> i32 {
    let partitions = u64::try_from(partitions)
        .ok()
        .filter(|&n| n > 0)
        .expect("a topic has at least one partition");
    (xxh3_64(key.as_bytes()) % partitions) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_partition_for_ever() {
        // Golden values: records already in Kafka depend on them.
        assert_eq!(partition_of("ent-1", 6), 2);
        assert_eq!(partition_of("", 6), 4);
    }
}
