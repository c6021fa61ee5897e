-- Which Kafka the ledger's offsets belong to. Written by `consumer` only, once, when it first meets a Kafka.

-- At most one row. An offset means something in one cluster only: in another one, it points at records that were never folded.
create table log_origin (
    is_only boolean constraint log_origin_pkey primary key default true constraint log_origin_is_single check (is_only),
    cluster_id text not null,
    noted_at timestamptz not null default now()
);
