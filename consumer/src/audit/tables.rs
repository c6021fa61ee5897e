//! The tables that the folds write, column by column, as the audit compares them. The migrations say the same in SQL.

use super::cell::{Kind, Owner, Table};

/// Quarantine of every fold, and the rows of the dead letters. Not compared: `payload_bytes`, which rows of earlier builds do not
/// have, and `replayed_at`, which is no fold's.
pub(crate) const DEAD_LETTER: Table = Table {
    name: "dead_letter",
    key: &[
        ("partition", Kind::Integer),
        ("record_offset", Kind::Bigint),
    ],
    fields: &[
        ("reason", Kind::Text),
        ("detail", Kind::Text),
        ("device", Kind::Text),
        ("mqtt_topic", Kind::Text),
        ("decoder", Kind::Text),
        ("payload", Kind::Bytes),
        ("received_at", Kind::Time),
    ],
    owner: Owner::Partition(0),
    has_topic: true,
};

pub(super) const VISIT: Table = Table {
    name: "visit",
    key: &[
        ("entered_at", Kind::Time),
        ("sensor", Kind::Text),
        ("traveler_id", Kind::Text),
        ("traveler_type", Kind::Text),
    ],
    fields: &[
        ("left_at", Kind::Time),
        ("samples", Kind::Integer),
        ("distance", Kind::Bigint),
        ("speed_n", Kind::Integer),
        ("speed_sum", Kind::Bigint),
        ("speed_min", Kind::Bigint),
        ("speed_max", Kind::Bigint),
        ("revision", Kind::Integer),
        ("revised", Kind::Boolean),
    ],
    owner: Owner::Sensor(1),
    has_topic: false,
};

pub(super) const PANE: Table = Table {
    name: "pane",
    key: &[
        ("start_at", Kind::Time),
        ("sensor", Kind::Text),
        ("traveler_type", Kind::Text),
    ],
    fields: &[
        ("entered", Kind::Integer),
        ("present", Kind::Integer),
        ("speed_n", Kind::Integer),
        ("speed_sum", Kind::Bigint),
        ("speed_min", Kind::Bigint),
        ("speed_max", Kind::Bigint),
        ("sketch", Kind::Bytes),
        ("changed_offset", Kind::Bigint),
        ("revision", Kind::Integer),
        ("revised", Kind::Boolean),
    ],
    owner: Owner::Sensor(1),
    has_topic: false,
};

pub(super) const UP: Table = Table {
    name: "sensor_up",
    key: &[("hour_at", Kind::Time), ("sensor", Kind::Text)],
    fields: &[("up", Kind::Bytes)],
    owner: Owner::Sensor(1),
    has_topic: false,
};

pub(super) const SENSOR: Table = Table {
    name: "sensor_state",
    key: &[("sensor", Kind::Text)],
    fields: &[
        ("last_event_at", Kind::Time),
        ("last_received_at", Kind::Time),
        ("clock_at", Kind::Time),
        ("watermark_at", Kind::Time),
    ],
    owner: Owner::Sensor(0),
    has_topic: false,
};

pub(super) const LATE: Table = Table {
    name: "late_event",
    key: &[
        ("event_at", Kind::Time),
        ("sensor", Kind::Text),
        ("traveler_id", Kind::Text),
        ("traveler_type", Kind::Text),
        ("event_key", Kind::Bytes),
    ],
    fields: &[
        ("x", Kind::Float),
        ("y", Kind::Float),
        ("received_at", Kind::Time),
        ("amended", Kind::Boolean),
    ],
    owner: Owner::Sensor(1),
    has_topic: false,
};

/// Kept for late events, and not compared: Postgres drops them after some days.
pub(super) const BLOCK: Table = Table {
    name: "sample_block",
    key: &[
        ("hour_at", Kind::Time),
        ("sensor", Kind::Text),
        ("part", Kind::Bigint),
    ],
    fields: &[("blob", Kind::Bytes)],
    owner: Owner::Sensor(1),
    has_topic: false,
};
