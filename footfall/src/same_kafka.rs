//! Whether a Kafka is the one that a ledger was made from: offsets of one log mean nothing in another.

use chassis::kafka::KafkaArgs;
use consumer::origin;
use sqlx::PgConnection;

use crate::{exit, kafka_offsets};

/// Compares Kafka's cluster with the one that is noted beside the ledger, if one is. `advice` ends the sentence.
///
/// # Errors
/// A usage error when they differ; when Kafka or Postgres cannot be asked.
pub(crate) async fn check(
    kafka: &KafkaArgs,
    postgres: &mut PgConnection,
    advice: &str,
) -> anyhow::Result<()> {
    let looking = kafka.clone();
    let found = tokio::task::spawn_blocking(move || kafka_offsets::cluster_id(&looking)).await??;
    let noted = origin::noted(postgres).await?;
    origin::check(noted, &found).map_err(|error| exit::usage(format!("{error}. {advice}")))
}
