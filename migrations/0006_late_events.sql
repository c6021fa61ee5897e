-- Late events amend what was final. Written by `consumer` only, inside the checkpoint, like the tables that it extends.

alter table pane add column revised boolean not null default false;
alter table visit add column revised boolean not null default false;
alter table late_event add column amended boolean not null default false;

comment on column pane.revised is 'Whether a late event changed it after it was final.';
comment on column visit.revised is 'Whether a late event changed it after it was final.';
comment on column late_event.amended is 'Whether it changed an answer; an event older than 48 h does not.';
comment on table late_event is 'Events behind their sensor''s watermark: kept, counted, and folded into what was final.';

-- What a sensor saw in an hour, as far as it left the fold's memory in one minute (part: offset of the record at which it did).
-- Packed by the fold, which alone reads it, and only when an event comes late.
create table sample_block (
    hour_at timestamptz not null,
    sensor text not null,
    part bigint not null,
    blob bytea not null,
    -- serves the fold: some hours of one sensor
    constraint sample_block_pkey primary key (hour_at, sensor, part)
) partition by range (hour_at);
alter table sample_block alter column blob set storage external; -- already packed
create table sample_block_default partition of sample_block default;

create or replace function make_partitions(from_day date, to_day date) returns void
language plpgsql as $$
declare
    day date;
begin
    for day in select generate_series(from_day, to_day, interval '1 day')::date loop
        perform make_partition('pane', 'start_at', day);
        perform make_partition('visit', 'entered_at', day);
        perform make_partition('late_event', 'event_at', day);
        perform make_partition('sensor_up', 'hour_at', day);
        perform make_partition('sample_block', 'hour_at', day);
    end loop;
end
$$;

-- Drops the blocks of days that lie more than `kept` before everything that is still folded: no late event reaches there.
create function drop_sample_blocks(kept interval) returns void
language plpgsql as $$
declare
    until timestamptz := (select min(watermark_at) - kept from ledger where fold = 'movement');
    child regclass;
begin
    for child in
        select inhrelid::regclass
        from pg_inherits
        where inhparent = 'sample_block'::regclass
            and inhrelid <> 'sample_block_default'::regclass
            and to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD') + 1 <= (until at time zone 'UTC')::date
    loop
        execute format('drop table %s', child);
    end loop;
    delete from sample_block_default where hour_at < until;
end
$$;

select make_partitions((now() at time zone 'UTC')::date - 2, (now() at time zone 'UTC')::date + 7);
