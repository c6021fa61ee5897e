-- How long a refused message was, so that one of which only the beginning is kept is not sent again as if it were whole.

-- Null where it was not noted: in rows of earlier versions, and for records of Kafka in quarantine.
alter table dead_letter add column payload_bytes bigint;

comment on table dead_letter is
    'Written by `consumer` only, inside the checkpoint; `replayed_at` by `footfall dead-letters replay` (footfall/src/dead_letters).';
