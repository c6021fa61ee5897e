-- What the movement fold makes. Written by `consumer` only, inside the checkpoint. Partitioned by day; the partitions are
-- made ahead by `footfall.make_partitions` and retention drops them.

-- A pane of 10 s that has settled: one row per sensor and traveler type in which something happened. Speeds in nm/s.
create table pane (
    start_at timestamptz not null,
    sensor text not null,
    traveler_type text not null,
    entered integer not null,
    present integer not null,
    speed_n integer not null,
    speed_sum bigint not null,
    speed_min bigint not null,
    speed_max bigint not null,
    sketch bytea not null,
    changed_offset bigint not null,
    revision integer not null default 0,
    -- serves /series: a range of time over some or all sensors
    constraint pane_pkey primary key (start_at, sensor, traveler_type)
) partition by range (start_at);

-- A visit: consecutive samples of one traveler at one sensor without a gap above idle_gap. Distance in nm, speeds in nm/s.
create table visit (
    entered_at timestamptz not null,
    sensor text not null,
    traveler_id text not null,
    traveler_type text not null,
    left_at timestamptz not null,
    samples integer not null,
    distance bigint not null,
    speed_n integer not null,
    speed_sum bigint not null,
    speed_min bigint not null,
    speed_max bigint not null,
    revision integer not null default 0,
    -- serves /visits: pages by time of entry
    constraint visit_pkey primary key (entered_at, sensor, traveler_id, traveler_type)
) partition by range (entered_at);

-- Events older than their sensor's watermark: kept, counted, not (yet) folded into an answer.
create table late_event (
    event_at timestamptz not null,
    sensor text not null,
    traveler_id text not null,
    traveler_type text not null,
    event_key bytea not null,
    x double precision not null,
    y double precision not null,
    received_at timestamptz not null,
    constraint late_event_pkey primary key (event_at, sensor, traveler_id, traveler_type, event_key)
) partition by range (event_at);

-- In which panes of an hour a sensor is known to have been up: bit i of up (least significant first) is hour_at + i × 10 s.
create table sensor_up (
    hour_at timestamptz not null,
    sensor text not null,
    up bytea not null,
    constraint sensor_up_pkey primary key (hour_at, sensor)
) partition by range (hour_at);

-- The newest known about each sensor that ever spoke.
create table sensor_state (
    sensor text constraint sensor_state_pkey primary key,
    last_event_at timestamptz not null,
    last_received_at timestamptz not null,
    clock_at timestamptz not null,
    watermark_at timestamptz not null
) with (fillfactor = 70);

-- Makes the daily partitions of the tables above for [from_day, to_day], in UTC; existing ones stay as they are.
-- A default partition takes what no day was made for (a device that reports 2021), so that no row is ever refused.
create function make_partitions(from_day date, to_day date) returns void
language plpgsql as $$
declare
    parent text;
    day date;
begin
    foreach parent in array array['pane', 'visit', 'late_event', 'sensor_up'] loop
        for day in select generate_series(from_day, to_day, interval '1 day')::date loop
            if to_regclass(format('%I', parent || '_' || to_char(day, 'YYYYMMDD'))) is null then
                execute format(
                    'create table %I partition of %I for values from (%L) to (%L) with (fillfactor = 70)',
                    parent || '_' || to_char(day, 'YYYYMMDD'),
                    parent,
                    day::timestamp at time zone 'UTC',
                    (day + 1)::timestamp at time zone 'UTC'
                );
            end if;
        end loop;
    end loop;
end
$$;

create table pane_default partition of pane default;
create table visit_default partition of visit default;
create table late_event_default partition of late_event default;
create table sensor_up_default partition of sensor_up default;

select make_partitions((now() at time zone 'UTC')::date - 2, (now() at time zone 'UTC')::date + 7);
