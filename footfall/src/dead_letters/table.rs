//! The rows of `dead_letter`.

use std::time::Duration;

use anyhow::Context;
use sqlx::{PgConnection, query, query_as};

/// One letter.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct Letter {
    pub(super) id: i64,
    /// The Kafka topic in which it lies, or in which the record lies that could not be folded.
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) record_offset: i64,
    pub(super) reason: String,
    pub(super) detail: String,
    pub(super) device: Option<String>,
    /// `None` for a record of Kafka.
    pub(super) mqtt_topic: Option<String>,
    pub(super) decoder: Option<String>,
    pub(super) payload: Vec<u8>,
    /// How long it was; `None` when that was not noted.
    pub(super) payload_bytes: Option<i64>,
    pub(super) received_us: i64,
    pub(super) replayed_us: Option<i64>,
}

/// Which letters.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) reason: Option<String>,
    pub(super) device: Option<String>,
    pub(super) topic: Option<String>,
    pub(super) since: Option<Duration>,
}

/// Begins every statement that reads letters.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select id, topic, partition, record_offset, reason, detail, device, mqtt_topic, decoder, payload, payload_bytes,
                 (extract(epoch from received_at) * 1000000)::bigint as received_us,
                 (extract(epoch from replayed_at) * 1000000)::bigint as replayed_us
             from dead_letter ",
            $rest
        )
    };
}

/// The newest that pass the filter.
pub(super) async fn newest(
    postgres: &mut PgConnection,
    filter: &Filter,
    limit: u32,
) -> anyhow::Result<Vec<Letter>> {
    query_as(select!(
        "where ($1::text is null or reason = $1)
             and ($2::text is null or device = $2)
             and ($3::text is null or mqtt_topic = $3 or topic = $3)
             and ($4::float8 is null or received_at >= now() - make_interval(secs => $4))
         order by id desc
         limit $5"
    ))
    .bind(&filter.reason)
    .bind(&filter.device)
    .bind(&filter.topic)
    .bind(filter.since.map(|since| since.as_secs_f64()))
    .bind(i64::from(limit))
    .fetch_all(postgres)
    .await
    .context("reading the dead letters")
}

/// The letters of these numbers, in order.
pub(super) async fn by_id(postgres: &mut PgConnection, ids: &[i64]) -> anyhow::Result<Vec<Letter>> {
    query_as(select!("where id = any($1) order by id"))
        .bind(ids)
        .fetch_all(postgres)
        .await
        .context("reading the dead letters")
}

/// The next letters after `after` that were not sent again yet, in order; of one reason, or of all.
pub(super) async fn pending(
    postgres: &mut PgConnection,
    after: i64,
    reason: Option<&str>,
    limit: i64,
) -> anyhow::Result<Vec<Letter>> {
    query_as(select!(
        "where id > $1 and replayed_at is null and ($2::text is null or reason = $2)
         order by id
         limit $3"
    ))
    .bind(after)
    .bind(reason)
    .bind(limit)
    .fetch_all(postgres)
    .await
    .context("reading the dead letters")
}

/// Notes that Kafka has what these letters became.
pub(super) async fn mark(postgres: &mut PgConnection, ids: &[i64]) -> anyhow::Result<()> {
    query("update dead_letter set replayed_at = now() where id = any($1)")
        .bind(ids)
        .execute(postgres)
        .await
        .context("marking the letters that were sent again")?;
    Ok(())
}
