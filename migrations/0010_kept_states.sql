-- States that outlive the next one. Written by `consumer` only.

-- When a state was saved. The first snapshot of each day is kept for as long as Kafka keeps records, so that the audit can fold a
-- log whose beginning is gone from there on. What stood here before counts as of today.
alter table state_log add column written_at timestamptz not null default now();
