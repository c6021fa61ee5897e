//! The checkpoint: the ledger, the rows, the state and the quarantine move together, in ONE statement.
//!
//! The `update` of the ledger is the compare-and-set: it takes only partitions whose epoch is ours and whose offset is
//! where we left it, and every other part of the statement writes for those only. A zombie writes nothing. Partitions of
//! one worker share the statement, so that Postgres sees far fewer statements than records.

use std::time::Duration;

use domain::canary::Flight;
use domain::fold::Rows;
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::{Arguments, AssertSqlSafe, Row};

use super::ledger::Ledger;
use super::pause::Pause;
use super::pg_time::PgTime;
use crate::engine::conservation::Counts;
use crate::engine::job::{Checkpoint, LogWrite};
use crate::engine::saving::{Saved, Saving};

/// How the rows of a fold are written inside the checkpoint.
pub(crate) trait RowStatement: Rows {
    /// Common table expressions that write the rows of the partitions in `moved (partition)`, each with a leading comma.
    /// Their parameters are numbered from `first`.
    fn expressions(first: usize) -> String;

    /// Binds the parameters: the rows of every checkpoint, each row with its partition.
    ///
    /// # Errors
    /// When a value cannot be encoded.
    fn bind(checkpoints: &[Checkpoint<Self>], arguments: &mut PgArguments)
    -> Result<(), BindError>;

    /// Reads what a fold wants to see of its own past.
    fn recall(
        connection: &mut PgConnection,
        want: Self::Want,
    ) -> impl Future<Output = sqlx::Result<Self::Past>> + Send;
}

/// A value that cannot be encoded.
pub(crate) type BindError = Box<dyn std::error::Error + Send + Sync>;

/// A database that does not answer for so long is asked anew; the compare-and-set makes that safe.
const ANSWER_WITHIN: Duration = Duration::from_secs(35);

/// A blob of state is stored in pieces of at most this many bytes.
const CHUNK_BYTES: usize = 1 << 20;

/// For so long the first snapshot of each day outlives the later ones: the seven days for which Kafka keeps the records of a topic
/// that every amendment snapshots, and one more, because the oldest record is seldom the first of its day. Nobody but the audit
/// reads them; a state is made from the newest.
const STATES_KEPT_DAYS: i32 = 8;

/// The parameters of the engine's own part.
const OWN_PARAMETERS: usize = 35;

const OWN_EXPRESSIONS: &str = "
with moved as (
    update ledger
    set next_offset = u.to_offset, watermark_at = coalesce(u.watermark_at, ledger.watermark_at), updated_at = now(),
        applied = ledger.applied + u.applied, duplicate = ledger.duplicate + u.duplicate,
        late = ledger.late + u.late, ignored = ledger.ignored + u.ignored,
        marker = ledger.marker + u.marker, dead_letter = ledger.dead_letter + u.dead_letter,
        marked_offset = case when u.mark is not null then u.to_offset end, mark = u.mark
    from unnest($2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[],
        $22::bigint[], $23::bigint[], $24::bigint[], $25::bigint[], $26::bigint[], $27::bigint[], $35::bigint[])
        as u (partition, epoch, from_offset, to_offset, watermark_at, applied, duplicate, late, ignored, marker, dead_letter, mark)
    where ledger.topic = $1
        and ledger.partition = u.partition
        and ledger.epoch = u.epoch
        and ledger.next_offset = u.from_offset
    returning ledger.partition
), logged as (
    insert into state_log (topic, partition, to_offset, chunk, kind, fold_version, blob)
    select $1, u.partition, u.to_offset, u.chunk, u.kind, $7, u.blob
    from unnest($8::int[], $9::bigint[], $10::int[], $11::text[], $12::bytea[])
        as u (partition, to_offset, chunk, kind, blob)
    join moved using (partition)
), forgotten as (
    delete from state_log
    using unnest($13::int[], $14::bigint[]) as u (partition, to_offset)
    join moved using (partition)
    where state_log.topic = $1 and state_log.partition = u.partition and state_log.to_offset < u.to_offset
        and state_log.kind <> 'skip'
        and not (
            state_log.kind = 'snapshot' and state_log.written_at > now() - make_interval(days => $34)
            and not exists (
                select from state_log as older
                where older.topic = $1 and older.partition = state_log.partition and older.kind = 'snapshot'
                    and older.to_offset < state_log.to_offset
                    and (older.written_at at time zone 'UTC')::date = (state_log.written_at at time zone 'UTC')::date
            )
        )
), quarantined as (
    insert into dead_letter (topic, partition, record_offset, reason, detail, device, payload, received_at)
    select $1, u.partition, u.record_offset, u.reason, u.detail, u.device, u.payload, u.received_at
    from unnest($15::int[], $16::bigint[], $17::text[], $18::text[], $19::bytea[], $20::timestamptz[], $21::text[])
        as u (partition, record_offset, reason, detail, payload, received_at, device)
    join moved using (partition)
    on conflict on constraint dead_letter_origin_key do nothing
), canaries as (
    insert into canary (topic, partition, gateway, sequence, written_at, gaps, repeats)
    select $1, u.partition, u.gateway, u.sequence, u.written_at, u.gaps, u.repeats
    from unnest($28::int[], $29::text[], $30::bigint[], $31::timestamptz[], $32::bigint[], $33::bigint[])
        as u (partition, gateway, sequence, written_at, gaps, repeats)
    join moved using (partition)
    on conflict on constraint canary_pkey do update set
        sequence = excluded.sequence, written_at = excluded.written_at, gaps = excluded.gaps, repeats = excluded.repeats
)";

/// The statement for fold rows `R`; made once.
pub(crate) fn statement<R: RowStatement>() -> String {
    format!(
        "{OWN_EXPRESSIONS}{}\nselect partition from moved",
        R::expressions(OWN_PARAMETERS + 1)
    )
}

/// Writes checkpoints; says of each partition what became of it. Returns only when that is known, however long the
/// database is away: whoever waits decides how long.
pub(crate) async fn save<R: RowStatement>(
    ledger: &Ledger,
    statement: &str,
    fold_version: i32,
    checkpoints: Vec<Checkpoint<R>>,
) -> Vec<Saved> {
    let mut saving = Saving::new(checkpoints);
    let mut pause = Pause::default();
    while !saving.is_done() {
        let written = in_time(write(ledger, statement, fold_version, saving.waiting())).await;
        match written {
            Ok(moved) => saving.moved(&moved),
            Err(error) => pause.wait(&error, "checkpoint").await,
        }
        if saving.is_done() {
            break;
        }
        match in_time(ledger.read(&saving.partitions())).await {
            Ok(entries) => saving.judge(&entries),
            Err(error) => pause.wait(&error, "reading the ledger").await,
        }
    }
    saving.verdicts()
}

/// A database that is frozen does not close its connections: no answer in time is an error like any other.
async fn in_time<T>(asked: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    tokio::time::timeout(ANSWER_WITHIN, asked)
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

async fn write<R: RowStatement>(
    ledger: &Ledger,
    statement: &str,
    fold_version: i32,
    checkpoints: &[Checkpoint<R>],
) -> sqlx::Result<Vec<i32>> {
    let mut arguments = PgArguments::default();
    bind_own(&ledger.topic, fold_version, checkpoints, &mut arguments)
        .map_err(sqlx::Error::Encode)?;
    R::bind(checkpoints, &mut arguments).map_err(sqlx::Error::Encode)?;
    // The text is assembled from constants of this crate; every value is a parameter.
    let rows = sqlx::query_with(AssertSqlSafe(statement.to_owned()), arguments)
        .fetch_all(&ledger.pool)
        .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

fn bind_own<R>(
    topic: &str,
    fold_version: i32,
    checkpoints: &[Checkpoint<R>],
    arguments: &mut PgArguments,
) -> Result<(), BindError> {
    arguments.add(topic.to_owned())?;
    arguments.add(checkpoints.iter().map(|c| c.partition).collect::<Vec<_>>())?;
    arguments.add(checkpoints.iter().map(|c| c.epoch).collect::<Vec<_>>())?;
    arguments.add(checkpoints.iter().map(|c| c.from).collect::<Vec<_>>())?;
    arguments.add(checkpoints.iter().map(|c| c.to).collect::<Vec<_>>())?;
    arguments.add(
        checkpoints
            .iter()
            .map(|c| c.watermark.map(PgTime))
            .collect::<Vec<_>>(),
    )?;
    arguments.add(fold_version)?;
    bind_log(checkpoints, arguments)?;
    let dead = || {
        checkpoints
            .iter()
            .flat_map(|c| c.dead.iter().map(move |record| (c.partition, record)))
    };
    arguments.add(dead().map(|(partition, _)| partition).collect::<Vec<_>>())?;
    arguments.add(dead().map(|(_, record)| record.offset).collect::<Vec<_>>())?;
    arguments.add(
        dead()
            .map(|(_, record)| record.rejection.reason.as_str())
            .collect::<Vec<_>>(),
    )?;
    arguments.add(
        dead()
            .map(|(_, record)| without_nul(&record.rejection.detail))
            .collect::<Vec<_>>(),
    )?;
    arguments.add(
        dead()
            .map(|(_, record)| record.payload.as_slice())
            .collect::<Vec<_>>(),
    )?;
    arguments.add(
        dead()
            .map(|(_, record)| PgTime(record.received_at))
            .collect::<Vec<_>>(),
    )?;
    arguments.add(
        dead()
            .map(|(_, record)| record.device.as_deref().map(without_nul))
            .collect::<Vec<_>>(),
    )?;
    bind_tally(checkpoints, arguments)?;
    arguments.add(STATES_KEPT_DAYS)?;
    arguments.add(checkpoints.iter().map(|c| c.mark).collect::<Vec<_>>())
}

fn bind_tally<R>(
    checkpoints: &[Checkpoint<R>],
    arguments: &mut PgArguments,
) -> Result<(), BindError> {
    let counts: [fn(&Counts) -> i64; 6] = [
        |counts| counts.applied,
        |counts| counts.duplicate,
        |counts| counts.late,
        |counts| counts.ignored,
        |counts| counts.marker,
        |counts| counts.dead_letter,
    ];
    for count in counts {
        let counted = checkpoints.iter().map(|c| count(&c.tally.counts));
        arguments.add(counted.collect::<Vec<_>>())?;
    }
    let canaries = || {
        checkpoints.iter().flat_map(|c| {
            let of_partition = c.tally.canaries.iter();
            of_partition.map(move |(gateway, flight)| (c.partition, gateway, flight))
        })
    };
    let number = |value: fn(&Flight) -> u64| {
        let bigint = |(_, _, flight)| i64::try_from(value(flight)).unwrap_or(i64::MAX);
        canaries().map(bigint).collect::<Vec<_>>()
    };
    let names = canaries().map(|(_, gateway, _)| without_nul(gateway.as_str()));
    let written = canaries().map(|(_, _, flight)| PgTime(flight.written_at));
    arguments.add(
        canaries()
            .map(|(partition, ..)| partition)
            .collect::<Vec<_>>(),
    )?;
    arguments.add(names.collect::<Vec<_>>())?;
    arguments.add(number(|flight| flight.sequence))?;
    arguments.add(written.collect::<Vec<_>>())?;
    arguments.add(number(|flight| flight.gaps))?;
    arguments.add(number(|flight| flight.repeats))
}

fn bind_log<R>(
    checkpoints: &[Checkpoint<R>],
    arguments: &mut PgArguments,
) -> Result<(), BindError> {
    let mut pieces = Vec::new();
    for checkpoint in checkpoints {
        let (kind, blob) = match &checkpoint.log {
            LogWrite::Delta(blob) => ("delta", blob),
            LogWrite::Snapshot(blob) => ("snapshot", blob),
        };
        pieces.extend(
            (0_i32..)
                .zip(blob.chunks(CHUNK_BYTES))
                .map(|(chunk, piece)| (checkpoint, kind, chunk, piece)),
        );
    }
    arguments.add(pieces.iter().map(|(c, ..)| c.partition).collect::<Vec<_>>())?;
    arguments.add(pieces.iter().map(|(c, ..)| c.to).collect::<Vec<_>>())?;
    arguments.add(
        pieces
            .iter()
            .map(|(_, _, chunk, _)| *chunk)
            .collect::<Vec<_>>(),
    )?;
    arguments.add(pieces.iter().map(|(_, kind, ..)| *kind).collect::<Vec<_>>())?;
    arguments.add(pieces.iter().map(|(.., piece)| *piece).collect::<Vec<_>>())?;
    let snapshots: Vec<_> = checkpoints
        .iter()
        .filter(|checkpoint| matches!(checkpoint.log, LogWrite::Snapshot(_)))
        .collect();
    arguments.add(snapshots.iter().map(|c| c.partition).collect::<Vec<_>>())?;
    arguments.add(snapshots.iter().map(|c| c.to).collect::<Vec<_>>())?;
    Ok(())
}

/// Postgres's text holds every character but NUL.
pub(crate) fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests;
