-- Which ledger this is. Written by `consumer` only, with the row itself.

-- Consumers write it beside the offsets that they commit to Kafka. So a second ledger of the same group, which would take partitions away
-- from the first one without a word, is noticed before it takes any.
alter table log_origin
    add column ledger uuid not null default gen_random_uuid(),
    -- ledgers that are gone, and of which this one takes the place: a person says so
    add column replaces uuid[] not null default '{}';
