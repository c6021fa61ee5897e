//! Which Kafka the ledger's offsets belong to: noted once, compared ever after.

use sqlx::postgres::{PgExecutor, PgPool};
use sqlx::{query, query_scalar};
use thiserror::Error;

/// The ledger was made from another Kafka. Its offsets point at records of this one that were never folded, so going on would
/// lose them in silence.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "the ledger in Postgres belongs to another Kafka (cluster {noted}) than this one (cluster {found}), and its offsets mean \
     nothing here: expected the Kafka of cluster {noted}, or an empty database to fold this one from its beginning"
)]
pub struct AnotherLog {
    /// The cluster that the ledger was made from.
    pub noted: String,
    /// The cluster that was found instead.
    pub found: String,
}

/// The cluster that the ledger was made from; `None` before any consumer has met one.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn noted(postgres: impl PgExecutor<'_>) -> sqlx::Result<Option<String>> {
    query_scalar("select cluster_id from log_origin")
        .fetch_optional(postgres)
        .await
}

/// Compares the cluster that was found with the one that was noted, if there is one.
///
/// # Errors
/// [`AnotherLog`].
pub fn check(noted: Option<String>, found: &str) -> Result<(), AnotherLog> {
    match noted {
        Some(noted) if noted != found => Err(AnotherLog {
            noted,
            found: found.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Notes the cluster if none is noted, and gives the one that is.
pub(crate) async fn note(pool: &PgPool, cluster_id: &str) -> sqlx::Result<Option<String>> {
    query(
        "insert into log_origin (cluster_id)
         values ($1)
         on conflict on constraint log_origin_pkey do nothing",
    )
    .bind(cluster_id)
    .execute(pool)
    .await?;
    noted(pool).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_goes_with_the_kafka_it_was_made_from_and_a_new_one_with_any() {
        assert_eq!(check(None, "a"), Ok(()));
        assert_eq!(check(Some("a".to_owned()), "a"), Ok(()));
        let error = check(Some("a".to_owned()), "b").unwrap_err().to_string();
        assert!(
            error.contains("cluster a") && error.contains("cluster b"),
            "{error}"
        );
    }
}
