-- The registry: what is where. Written by `api` and `seed`, read by everyone.
-- Devices that publish without being registered appear in sensor_state and lose nothing.

create table site (
    id text constraint site_pkey primary key,
    name text not null,
    tz text not null,
    locale text not null default 'en-GB'
);

create table zone (
    id text constraint zone_pkey primary key,
    site text not null constraint zone_site_fkey references site (id),
    name text not null,
    capacity integer constraint zone_capacity_positive check (capacity > 0),
    position integer not null default 0
);

create table device (
    id text constraint device_pkey primary key,
    site text not null constraint device_site_fkey references site (id),
    zone text constraint device_zone_fkey references zone (id),
    name text not null,
    kind text not null default 'movement'
        constraint device_kind_known check (kind in ('movement', 'rfid'))
);
