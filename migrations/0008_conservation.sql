-- Conservation: what became of every record, and what stands still. All of it is written by `consumer` only.

-- What became of the records of a partition since began_offset, moved in the statement that moves next_offset: so it is exact
-- whatever is killed, and `next_offset - accounted_offset` is 0 unless the ledger was changed by hand.
alter table ledger
    add column began_offset bigint not null default 0,
    add column applied bigint not null default 0,
    add column duplicate bigint not null default 0,
    add column late bigint not null default 0,
    add column ignored bigint not null default 0,
    -- ticks: the gateways' own records, which no device sent
    add column marker bigint not null default 0,
    add column dead_letter bigint not null default 0,
    -- left out by a person, with skip_to()
    add column skipped bigint not null default 0,
    add column accounted_offset bigint not null
        generated always as (began_offset + applied + duplicate + late + ignored + marker + dead_letter + skipped) stored,
    -- The epoch of the last owner that counts. Behind the epoch, the owner is of an older version, which does not: the next one
    -- that does moves began_offset to where it begins.
    add column counted_epoch bigint,
    -- What the owner last saw of the log, and when.
    add column log_begin_offset bigint,
    add column log_end_offset bigint,
    add column reported_at timestamptz,
    -- Why the partition cannot go on without a person: a word for machines, a sentence for people.
    add column stopped_reason text,
    add column stopped_why text,
    add column stopped_at timestamptz,
    add constraint ledger_stopped_is_whole
        check ((stopped_reason is null) = (stopped_why is null) and (stopped_reason is null) = (stopped_at is null));

-- The canaries of the gateways in each partition, moved with the ledger as well.
create table canary (
    topic text not null,
    partition integer not null,
    gateway text not null,
    sequence bigint not null,
    written_at timestamptz not null,
    gaps bigint not null,
    repeats bigint not null,
    constraint canary_pkey primary key (topic, partition, gateway)
) with (fillfactor = 70);

-- serves /pipeline: how many letters are open
create index dead_letter_open_idx on dead_letter (id) where replayed_at is null;

-- A piece of the state log that leads over records which were left out; its blob is the offset of the first of them.
alter table state_log
    drop constraint state_log_kind_known,
    add constraint state_log_kind_known check (kind in ('snapshot', 'delta', 'skip'));

-- Goes on without records that are lost: the partition is taken over anew at to_offset, with the state that it has. What is left
-- out stays counted. For a person; says how many records that are.
create function skip_to(of_topic text, of_partition integer, to_offset bigint) returns bigint
language plpgsql as $$
declare
    left_out bigint;
begin
    select skip_to.to_offset - next_offset into left_out
    from ledger
    where topic = of_topic and partition = of_partition
    for update;
    if left_out is null or left_out <= 0 then
        raise exception 'partition % of % is not before offset %', of_partition, of_topic, to_offset;
    end if;
    insert into state_log (topic, partition, to_offset, chunk, kind, fold_version, blob)
    select topic, partition, skip_to.to_offset, 0, 'skip', fold_version, int8send(next_offset)
    from ledger
    where topic = of_topic and partition = of_partition;
    update ledger
    set next_offset = skip_to.to_offset, skipped = skipped + left_out, epoch = epoch + 1, counted_epoch = epoch + 1
    where topic = of_topic and partition = of_partition;
    return left_out;
end
$$;
