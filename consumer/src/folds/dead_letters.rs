//! Refused messages: the topic `dead-letters` becomes rows of the table of that name. The smallest fold there is, without
//! a state.

use domain::dead_letter::DeadLetter;
use domain::fold::{Fold, Outcome, RestoreError, Rows};
use domain::live::LiveWrite;
use domain::rejection::{Reason, Rejection};
use domain::time::Micros;
use domain::topic;
use sqlx::Arguments;
use sqlx::postgres::{PgArguments, PgConnection};

use crate::engine::job::Checkpoint;
use crate::store::checkpoint::{BindError, RowStatement, without_nul};
use crate::store::pg_time::PgTime;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct DeadLetterFold {
    rows: DeadLetterRows,
}

/// Refused messages with their offsets.
#[derive(Debug, Default)]
pub(crate) struct DeadLetterRows(pub(crate) Vec<(i64, DeadLetter)>);

impl Rows for DeadLetterRows {
    type Want = ();
    type Past = ();

    fn absorb(&mut self, newer: Self) {
        self.0.extend(newer.0);
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

impl Fold for DeadLetterFold {
    const NAME: &'static str = "dead-letters";
    const TOPIC: &'static str = topic::DEAD_LETTERS;
    const VERSION: i32 = 1;
    const SMALL: bool = true;
    type Config = ();
    type Record = DeadLetter;
    type Rows = DeadLetterRows;

    fn decode(value: &[u8]) -> Result<DeadLetter, Rejection> {
        DeadLetter::from_bytes(value)
            .map_err(|error| Rejection::new(Reason::Undecodable, error.to_string()))
    }

    fn received_at(record: &DeadLetter) -> Option<Micros> {
        Some(record.received_at())
    }

    fn new((): &()) -> Self {
        Self::default()
    }

    fn apply(&mut self, record: DeadLetter, offset: i64) -> Outcome {
        self.rows.0.push((offset, record));
        Outcome::Applied
    }

    fn wants(&self) {}

    fn amend(&mut self, (): (), _record: &DeadLetter, _offset: i64) -> Option<()> {
        None
    }

    fn drain_rows(&mut self) -> DeadLetterRows {
        std::mem::take(&mut self.rows)
    }

    fn drain_live(&mut self, _with_visits: bool) -> Vec<LiveWrite> {
        Vec::new()
    }

    fn all_live(&mut self) -> Vec<LiveWrite> {
        Vec::new()
    }

    fn watermark(&self) -> Option<Micros> {
        None
    }

    fn snapshot(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn restore(_bytes: &[u8], (): &()) -> Result<Self, RestoreError> {
        Ok(Self::default())
    }
}

impl RowStatement for DeadLetterRows {
    fn expressions(first: usize) -> String {
        let n = |column: usize| first + column;
        format!(
            ", letters as (
    insert into dead_letter (topic, partition, record_offset, reason, detail, device, mqtt_topic, decoder, payload,
        received_at, payload_bytes)
    select $1, u.partition, u.record_offset, u.reason, u.detail, nullif(u.device, ''), u.mqtt_topic,
        nullif(u.decoder, ''), u.payload, u.received_at,
        u.payload_bytes
    from unnest(${}::int[], ${}::bigint[], ${}::text[], ${}::text[], ${}::text[], ${}::text[], ${}::text[],
        ${}::bytea[], ${}::timestamptz[], ${}::bigint[])
        as u (partition, record_offset, reason, detail, device, mqtt_topic, decoder, payload, received_at, payload_bytes)
    join moved using (partition)
    on conflict on constraint dead_letter_origin_key do nothing
)",
            n(0),
            n(1),
            n(2),
            n(3),
            n(4),
            n(5),
            n(6),
            n(7),
            n(8),
            n(9)
        )
    }

    fn bind(
        checkpoints: &[Checkpoint<Self>],
        arguments: &mut PgArguments,
    ) -> Result<(), BindError> {
        let rows = || {
            checkpoints.iter().flat_map(|checkpoint| {
                checkpoint
                    .rows
                    .0
                    .iter()
                    .map(move |(offset, letter)| (checkpoint.partition, *offset, letter))
            })
        };
        let text = |field: fn(&DeadLetter) -> &str| {
            rows()
                .map(|row| without_nul(field(row.2)))
                .collect::<Vec<_>>()
        };
        arguments.add(rows().map(|row| row.0).collect::<Vec<_>>())?;
        arguments.add(rows().map(|row| row.1).collect::<Vec<_>>())?;
        arguments.add(text(|letter| &letter.reason))?;
        arguments.add(text(|letter| &letter.detail))?;
        arguments.add(text(|letter| &letter.device))?;
        arguments.add(text(|letter| &letter.mqtt_topic))?;
        arguments.add(text(|letter| &letter.decoder))?;
        arguments.add(
            rows()
                .map(|row| row.2.payload.as_slice())
                .collect::<Vec<_>>(),
        )?;
        arguments.add(
            rows()
                .map(|row| PgTime(row.2.received_at()))
                .collect::<Vec<_>>(),
        )?;
        arguments.add(
            rows()
                .map(|row| i64::try_from(row.2.payload_bytes).unwrap_or(i64::MAX))
                .collect::<Vec<_>>(),
        )
    }

    async fn recall(_connection: &mut PgConnection, (): ()) -> sqlx::Result<()> {
        Ok(())
    }
}
