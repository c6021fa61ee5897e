-- The ledger of exactly-once effects. Written by `consumer` only.

-- One row per partition: who owns it (epoch) and up to where its effects are in this database (next_offset).
create table ledger (
    topic text not null,
    partition integer not null,
    epoch bigint not null default 0,
    next_offset bigint not null default 0,
    watermark_at timestamptz,
    fold text not null,
    fold_version integer not null,
    updated_at timestamptz not null default now(),
    constraint ledger_pkey primary key (topic, partition)
) with (fillfactor = 70);

-- The state of a partition at next_offset: the newest snapshot and the deltas after it. `blob` is lz4.
create table state_log (
    topic text not null,
    partition integer not null,
    to_offset bigint not null,
    chunk integer not null,
    kind text not null constraint state_log_kind_known check (kind in ('snapshot', 'delta')),
    fold_version integer not null,
    blob bytea not null,
    constraint state_log_pkey primary key (topic, partition, to_offset, kind, chunk)
);
alter table state_log alter column blob set storage external; -- already compressed
alter table state_log set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- Records that could not be folded (written inside the checkpoint), and messages that the gateway refused.
create table dead_letter (
    id bigint generated always as identity constraint dead_letter_pkey primary key,
    topic text not null,
    partition integer not null,
    record_offset bigint not null,
    reason text not null,
    detail text not null,
    device text,
    mqtt_topic text,
    decoder text,
    payload bytea not null,
    received_at timestamptz not null,
    replayed_at timestamptz,
    -- the key that makes writing it twice writing it once
    constraint dead_letter_origin_key unique (topic, partition, record_offset)
);
