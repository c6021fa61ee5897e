//! Which Kafka the ledger's offsets belong to, and which ledger it is: noted once, compared ever after.

use sqlx::postgres::{PgExecutor, PgPool};
use sqlx::{Row as _, query, query_scalar};
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

/// Another ledger moves the offsets of this group: its consumers would take partitions away from ours, or ours from theirs, and what
/// one of them folds the other would never see.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "the offsets of {topic} in this consumer group were committed by the consumers of another ledger ({theirs}; this one is \
     {ours}): two ledgers of one group would share its partitions. End their consumers, or give these a --group of their \
     own; if that database is gone: update log_origin set replaces = replaces || '{theirs}'::uuid"
)]
pub struct TwoLedgers {
    /// The topic.
    pub topic: String,
    /// The ledger of this database.
    pub ours: String,
    /// The one that committed.
    pub theirs: String,
}

/// What a ledger says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The cluster that it was made from.
    pub(crate) cluster_id: String,
    /// Which ledger it is.
    pub(crate) ledger: String,
    /// Ledgers that are gone, and of which it takes the place.
    pub(crate) replaces: Vec<String>,
}

/// What stands before a ledger's name beside a committed offset.
const MARK: &str = "footfall ledger ";

impl Origin {
    /// What is committed beside an offset.
    pub(crate) fn mark(&self) -> String {
        format!("{MARK}{}", self.ledger)
    }

    /// Whether an offset of `topic` beside which `mark` stands is ours to move. One without a mark is from an older version,
    /// or was set by hand.
    ///
    /// # Errors
    /// [`TwoLedgers`].
    pub(crate) fn check_mark(&self, topic: &str, mark: &str) -> Result<(), TwoLedgers> {
        let Some(theirs) = mark.strip_prefix(MARK) else {
            return Ok(());
        };
        if theirs == self.ledger || self.replaces.iter().any(|gone| gone == theirs) {
            return Ok(());
        }
        Err(TwoLedgers {
            topic: topic.to_owned(),
            ours: self.ledger.clone(),
            theirs: theirs.to_owned(),
        })
    }
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

/// Notes the cluster if none is noted, and gives what is.
pub(crate) async fn note(pool: &PgPool, cluster_id: &str) -> sqlx::Result<Origin> {
    query(
        "insert into log_origin (cluster_id)
         values ($1)
         on conflict on constraint log_origin_pkey do nothing",
    )
    .bind(cluster_id)
    .execute(pool)
    .await?;
    let row = query("select cluster_id, ledger::text, replaces::text[] from log_origin")
        .fetch_one(pool)
        .await?;
    Ok(Origin {
        cluster_id: row.try_get(0)?,
        ledger: row.try_get(1)?,
        replaces: row.try_get(2)?,
    })
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

    #[test]
    fn an_offset_of_another_ledger_is_noticed_and_may_be_taken_over() {
        let of = |ledger: &str, replaces: &[&str]| Origin {
            cluster_id: "k".to_owned(),
            ledger: ledger.to_owned(),
            replaces: replaces.iter().map(ToString::to_string).collect(),
        };
        let (a, b) = (of("a", &[]), of("b", &[]));
        for mark in [a.mark().as_str(), "", "left by hand"] {
            assert_eq!(a.check_mark("t", mark), Ok(()), "{mark}");
        }
        let error = b.check_mark("t", &a.mark()).unwrap_err();
        assert_eq!((error.ours.as_str(), error.theirs.as_str()), ("b", "a"));
        assert_eq!(of("b", &["c", "a"]).check_mark("t", &a.mark()), Ok(()));
    }
}
