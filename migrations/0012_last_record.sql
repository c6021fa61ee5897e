-- The last record that was folded, so that a new owner can tell whether Kafka's log still is the one that was. Written by
-- `consumer` only, with next_offset.

-- A mark of the record before marked_offset: XXH3 of its value. It says something only while marked_offset is next_offset:
-- an owner of an earlier version, a person and skip_to() move that one alone. A person who takes a changed log for good sets
-- marked_offset to null.
alter table ledger
    add column marked_offset bigint,
    add column mark bigint,
    add constraint ledger_mark_is_whole check ((marked_offset is null) or (mark is not null));
