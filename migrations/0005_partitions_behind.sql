-- Daily partitions for a backlog, and what earlier files say that is not so.

comment on table site is 'Written by `footfall up` (footfall/src/up/registry.rs) only, until there is an editor for it.';
comment on table zone is 'Written by `footfall up` (footfall/src/up/registry.rs) only, until there is an editor for it.';
comment on table device is 'Written by `footfall up` (footfall/src/up/registry.rs) only, until there is an editor for it.';
comment on table pane is 'Written by `consumer` only. Its daily partitions are made ahead; nothing drops old ones yet.';

-- Makes the partition of one day, in UTC, and moves into it what the default partition has taken for that day meanwhile: a
-- partition cannot be attached beside such rows.
create function make_partition(parent text, time_column text, day date) returns void
language plpgsql as $$
declare
    child text := parent || '_' || to_char(day, 'YYYYMMDD');
    from_at timestamptz := day::timestamp at time zone 'UTC';
    to_at timestamptz := (day + 1)::timestamp at time zone 'UTC';
begin
    if to_regclass(format('%I', child)) is not null then
        return;
    end if;
    execute format('lock table %I in access exclusive mode', parent || '_default');
    execute format('create table %I (like %I including all) with (fillfactor = 70)', child, parent);
    execute format(
        'with moved as (delete from %I where %I >= %L and %I < %L returning *) insert into %I select * from moved',
        parent || '_default', time_column, from_at, time_column, to_at, child
    );
    execute format(
        'alter table %I attach partition %I for values from (%L) to (%L)', parent, child, from_at, to_at
    );
end
$$;

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
    end loop;
end
$$;

-- The oldest day that rows are or may be written for: where the ledger is, and what lies in a default partition. Not more than
-- `days_max` back, because a device whose clock says 2021 makes no backlog.
create function oldest_day(days_max integer) returns date
language sql stable as $$
    with today as (select (now() at time zone 'UTC')::date as day),
    seen (at) as (
        select min(watermark_at) from ledger
        union all select min(start_at) from pane_default where start_at >= now() - make_interval(days => days_max)
        union all select min(entered_at) from visit_default where entered_at >= now() - make_interval(days => days_max)
        union all select min(event_at) from late_event_default where event_at >= now() - make_interval(days => days_max)
        union all select min(hour_at) from sensor_up_default where hour_at >= now() - make_interval(days => days_max)
    )
    select greatest(min(today.day) - days_max, least(min(today.day), (min(seen.at) at time zone 'UTC')::date))
    from today, seen
$$;
