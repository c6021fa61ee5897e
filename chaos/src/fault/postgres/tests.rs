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

fn code(outcome: &Result<(), sqlx::Error>) -> String {
    let error = outcome.as_ref().unwrap_err();
    error
        .as_database_error()
        .unwrap()
        .code()
        .unwrap()
        .into_owned()
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
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(code(&write(url).await), "25006");
    make_writable(url).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    write(url).await.unwrap();

    let mut other = connect(url).await.unwrap();
    let squatters = Squatters::take_all(url).await.unwrap();
    assert!(squatters.count() >= 190, "{} of 200", squatters.count());
    assert!(other.ping().await.is_err(), "thrown out");
    assert_eq!(code(&write(url).await), "53300");
    drop(squatters);
    tokio::time::sleep(Duration::from_millis(500)).await;
    write(url).await.unwrap();

    let held = Duration::from_secs(1);
    let locking = lock_tables(url, &["thing"], held);
    let (locked, blocked) = tokio::join!(locking, async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        write(url).await
    });
    locked.unwrap();
    assert_eq!(
        code(&blocked),
        "57014",
        "cancelled by its statement timeout"
    );
    write(url).await.unwrap();
    stack.stop().await;
}
