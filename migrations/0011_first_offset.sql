-- Where a ledger began. Written by `consumer` only, with the row itself.

-- Where the partition was folded first, with no state: what the audit needs to know to fold it again as a whole. Unlike began_offset,
-- from which the records are counted, it never moves. Null where an earlier version made the row.
alter table ledger add column first_offset bigint;
