//! Each fault bites, and is gone afterwards. On a server of its own, because the others' would suffer.

use stack::{KafkaSource, Stack, StackConfig};

use super::*;

async fn servers(dir: &std::path::Path) -> Stack {
    let config = StackConfig {
        kafka: KafkaSource::Mock,
        ..StackConfig::for_tests(dir)
    };
    Stack::start(config).await.unwrap()
}

async fn write(url: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query("set statement_timeout = '300ms'")
        .execute(&mut connection)
        .await?;
    let written = sqlx::query("insert into thing values (1)")
        .execute(&mut connection)
        .await;
    connection.close().await?;
    written.map(drop)
}

/// Waits until writing ends with that SQLSTATE, or works where none is given. New settings reach a session a moment later.
async fn until(url: &str, expected: Option<&str>) {
    let mut outcome = write(url).await;
    for _ in 0..100 {
        let code = outcome
            .as_ref()
            .err()
            .and_then(sqlx::Error::as_database_error);
        let code = code.and_then(|error| error.code().map(String::from));
        if code.as_deref() == expected && outcome.is_ok() == expected.is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        outcome = write(url).await;
    }
    panic!("{outcome:?}, expected {expected:?}");
}

#[tokio::test]
async fn each_fault_bites_and_is_gone_afterwards() {
    let temp = tempfile::tempdir().unwrap();
    let stack = servers(temp.path()).await;
    let url = stack.postgres_url.as_str();
    alter(url, &["create table thing (number integer)"])
        .await
        .unwrap();
    write(url).await.unwrap();

    make_read_only(url).await.unwrap();
    until(url, Some("25006")).await;
    make_writable(url).await.unwrap();
    until(url, None).await;

    let mut other = connect(url).await.unwrap();
    let squatters = Squatters::take_all(url).await.unwrap();
    assert!(squatters.count() >= 190, "{} of 200", squatters.count());
    assert!(other.ping().await.is_err(), "thrown out");
    until(url, Some("53300")).await;
    drop(squatters);
    until(url, None).await;

    let locking = lock_tables(url, &["thing"], Duration::from_secs(5));
    // Cancelled by its statement timeout.
    let (locked, ()) = tokio::join!(locking, until(url, Some("57014")));
    locked.unwrap();
    until(url, None).await;
    stack.stop().await;
}
