//! The stack on the real servers: usable when it says so, data found again, nothing left behind.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test may panic like the test itself"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use redis::AsyncCommands;
use sqlx::{Connection, PgConnection};
use stack::{Identity, KafkaSource, Server, Signal, Source, Stack, StackConfig, StackError, Topic};

fn topic(name: &str, partitions: i32) -> Topic {
    Topic {
        name: name.to_owned(),
        partitions,
        retention: Duration::from_secs(24 * 60 * 60),
    }
}

fn produce(kafka: &str, topic: &str, payload: &str) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", kafka)
        .set("acks", "all")
        .create()
        .unwrap();
    let record = BaseRecord::<str, str>::to(topic)
        .partition(0)
        .payload(payload);
    producer.send(record).unwrap();
    producer.flush(Duration::from_secs(20)).unwrap();
}

fn high_watermark(kafka: &str, topic: &str) -> i64 {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", kafka)
        .create()
        .unwrap();
    let (_low, high) = consumer
        .fetch_watermarks(topic, 0, Duration::from_secs(20))
        .unwrap();
    high
}

async fn redis(url: &str) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(url).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

fn identities(stack: &Stack) -> Vec<Identity> {
    let pids = stack.servers().iter().map(|server| server.pid().unwrap());
    pids.map(|pid| Identity::of(pid).unwrap()).collect()
}

/// Processes whose working folder lies in `dir`: servers of the stack and their children, however they were started.
fn processes_in(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap() {
        let path = entry.unwrap().path();
        let Ok(cwd) = std::fs::read_link(path.join("cwd")) else {
            continue;
        };
        if cwd.starts_with(dir) {
            let command = std::fs::read_to_string(path.join("cmdline")).unwrap_or_default();
            found.push(format!(
                "{}: {}",
                path.display(),
                command.replace('\0', " ")
            ));
        }
    }
    found
}

async fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_second_start_finds_the_data_again_and_a_fresh_one_does_not() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("stack");
    let config = StackConfig::for_tests(&dir);

    let stack = Stack::start(config.clone()).await.unwrap();
    stack.create_topics(&[topic("movements", 3)]).await.unwrap();
    produce(&stack.kafka, "movements", "one");
    let mut postgres = PgConnection::connect(&stack.postgres_url).await.unwrap();
    sqlx::query("create table note as select 7 as number")
        .execute(&mut postgres)
        .await
        .unwrap();
    let _: () = redis(&stack.redis_url).await.set("note", 7).await.unwrap();
    stack.stop().await;
    assert_eq!(processes_in(&dir), Vec::<String>::new());

    let stack = Stack::start(config.clone()).await.unwrap();
    assert_eq!(high_watermark(&stack.kafka, "movements"), 1);
    stack.create_topics(&[topic("movements", 3)]).await.unwrap();
    assert_eq!(
        high_watermark(&stack.kafka, "movements"),
        1,
        "creating it again must change nothing"
    );
    let mut postgres = PgConnection::connect(&stack.postgres_url).await.unwrap();
    let number: i32 = sqlx::query_scalar("select number from note")
        .fetch_one(&mut postgres)
        .await
        .unwrap();
    assert_eq!(number, 7);
    let kept: Option<i32> = redis(&stack.redis_url).await.get("note").await.unwrap();
    assert_eq!(kept, Some(7));
    stack.stop().await;

    let stack = Stack::start(StackConfig {
        fresh: true,
        ..config
    })
    .await
    .unwrap();
    let mut postgres = PgConnection::connect(&stack.postgres_url).await.unwrap();
    let gone = sqlx::query("select number from note")
        .fetch_one(&mut postgres)
        .await;
    assert!(gone.is_err());
    let kept: Option<i32> = redis(&stack.redis_url).await.get("note").await.unwrap();
    assert_eq!(kept, None);
    stack.stop().await;
    assert_eq!(processes_in(&dir), Vec::<String>::new());
}

#[tokio::test]
async fn each_server_can_be_killed_stopped_and_started_and_keeps_its_address_and_data() {
    let temp = tempfile::tempdir().unwrap();
    let stack = Stack::start(StackConfig::for_tests(temp.path()))
        .await
        .unwrap();
    stack.create_topics(&[topic("movements", 1)]).await.unwrap();
    produce(&stack.kafka, "movements", "before");
    let before = identities(&stack);
    let servers: Vec<&Server> = stack.servers().iter().collect();
    for server in &servers {
        server.kill().await;
        assert_eq!(server.pid(), None);
    }
    for identity in &before {
        assert!(!identity.is_alive());
    }
    for server in &servers {
        server.start().await.unwrap();
        server.start().await.unwrap();
    }
    produce(&stack.kafka, "movements", "after");
    assert_eq!(high_watermark(&stack.kafka, "movements"), 2);

    let kafka = stack.server("kafka").unwrap();
    kafka.stop().await;
    assert!(tokio::net::TcpStream::connect(&stack.kafka).await.is_err());
    kafka.start().await.unwrap();
    assert_eq!(high_watermark(&stack.kafka, "movements"), 2);

    let redis_server = stack.server("redis").unwrap();
    redis_server.freeze();
    let url = stack.redis_url.clone();
    let frozen = tokio::time::timeout(Duration::from_millis(300), redis(&url)).await;
    assert!(frozen.is_err(), "a frozen server must not answer");
    redis_server.thaw();
    let mut connection = redis(&url).await;
    let _: () = connection.set("note", 1).await.unwrap();
    stack.stop().await;
}

#[tokio::test]
async fn a_server_that_dies_is_noticed() {
    let temp = tempfile::tempdir().unwrap();
    let config = StackConfig {
        kafka: KafkaSource::Mock,
        ..StackConfig::for_tests(temp.path())
    };
    let stack = Stack::start(config).await.unwrap();
    let server = stack.server("postgres").unwrap();
    assert!(server.died().is_none());
    let identity = Identity::of(server.pid().unwrap()).unwrap();
    assert!(identity.signal(Signal::KILL));
    wait_until("the death of postgres was not noticed", || {
        server.died().is_some()
    })
    .await;
    server.start().await.unwrap();
    PgConnection::connect(&stack.postgres_url).await.unwrap();
    stack.stop().await;
}

#[tokio::test]
async fn a_port_that_was_taken_meanwhile_is_said_with_its_holder() {
    let temp = tempfile::tempdir().unwrap();
    let config = StackConfig {
        kafka: KafkaSource::Mock,
        ..StackConfig::for_tests(temp.path())
    };
    let stack = Stack::start(config).await.unwrap();
    let server = stack.server("redis").unwrap();
    server.stop().await;
    let address = stack.redis_url.trim_start_matches("redis://").to_owned();
    // Worse than a silent thief: another Redis, which answers like ours would.
    let (host, port) = address.split_once(':').unwrap();
    let mut other = std::process::Command::new("redis-server")
        .args(["--bind", host, "--port", port, "--save", ""])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while tokio::net::TcpStream::connect(&address).await.is_err() {
        assert!(
            Instant::now() < deadline,
            "the other server does not listen"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let message = server.start().await.unwrap_err().to_string();
    let holder = format!("is taken by process {}", other.id());
    assert!(
        message.contains(&holder) && message.contains("--redis-port"),
        "{message}"
    );
    other.kill().unwrap();
    other.wait().unwrap();
    server.start().await.unwrap();
    stack.stop().await;
}

#[tokio::test]
async fn servers_given_by_url_are_used_and_not_started() {
    let owner = stack::shared::stack().await.unwrap();
    let temp = tempfile::tempdir().unwrap();
    let config = StackConfig {
        kafka: KafkaSource::External(owner.kafka.clone()),
        postgres: Source::External(owner.postgres_url.clone()),
        redis: Source::External(owner.redis_url.clone()),
        ..StackConfig::for_tests(temp.path())
    };
    let guest = Stack::start(config).await.unwrap();
    assert!(guest.servers().is_empty());
    assert_eq!(
        (&guest.kafka, &guest.postgres_url, &guest.redis_url),
        (&owner.kafka, &owner.postgres_url, &owner.redis_url)
    );
    guest.stop().await;
    for server in owner.servers() {
        assert!(
            server.pid().is_some(),
            "{} was stopped by a guest",
            server.name()
        );
    }
}

#[tokio::test]
async fn tests_get_a_corner_of_their_own_on_shared_servers() {
    let stack = stack::shared::stack().await.unwrap();
    let topics = [topic("movements", 2)];
    let (a, b) = tokio::try_join!(stack.scratch(&topics), stack.scratch(&topics)).unwrap();
    assert_ne!(
        (&a.topic_prefix, &a.postgres_url, &a.redis_url),
        (&b.topic_prefix, &b.postgres_url, &b.redis_url)
    );
    produce(
        &a.kafka,
        &format!("{}movements", a.topic_prefix),
        "only in a",
    );
    assert_eq!(
        high_watermark(&b.kafka, &format!("{}movements", b.topic_prefix)),
        0
    );
    let _: () = redis(&a.redis_url).await.set("note", 1).await.unwrap();
    let seen: Option<i32> = redis(&b.redis_url).await.get("note").await.unwrap();
    assert_eq!(seen, None);
    let mut in_a = PgConnection::connect(&a.postgres_url).await.unwrap();
    sqlx::query("create table note (number int)")
        .execute(&mut in_a)
        .await
        .unwrap();
    let mut in_b = PgConnection::connect(&b.postgres_url).await.unwrap();
    assert!(
        sqlx::query("select * from note")
            .fetch_all(&mut in_b)
            .await
            .is_err()
    );

    let url = a.postgres_url.clone();
    stack.remove(a).await.unwrap();
    assert!(PgConnection::connect(&url).await.is_err());
    stack.remove(b).await.unwrap();
}

#[tokio::test]
async fn the_default_topics_get_their_partitions_and_retention() {
    let stack = stack::shared::stack().await.unwrap();
    let corner = stack.scratch(&Topic::defaults()).await.unwrap();
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &corner.kafka)
        .create()
        .unwrap();
    let metadata = consumer
        .fetch_metadata(None, Duration::from_secs(20))
        .unwrap();
    for topic in Topic::defaults() {
        let name = format!("{}{}", corner.topic_prefix, topic.name);
        let found = metadata
            .topics()
            .iter()
            .find(|found| found.name() == name)
            .unwrap();
        assert_eq!(
            i32::try_from(found.partitions().len()),
            Ok(topic.partitions),
            "{name}"
        );
    }
    let name = format!("{}student-grades", corner.topic_prefix);
    let settings = stack::topic::settings(&corner.kafka, &name).await.unwrap();
    assert_eq!(
        settings["retention.ms"],
        (30 * 24 * 60 * 60 * 1000_u64).to_string()
    );
    assert_eq!(settings["message.timestamp.type"], "LogAppendTime");
    stack.remove(corner).await.unwrap();
}

#[tokio::test]
async fn the_mock_cluster_takes_topics_and_records() {
    let temp = tempfile::tempdir().unwrap();
    let postgres = stack::shared::stack().await.unwrap().postgres_url.clone();
    let config = StackConfig {
        kafka: KafkaSource::Mock,
        postgres: Source::External(postgres),
        ..StackConfig::for_tests(temp.path())
    };
    let stack = Stack::start(config).await.unwrap();
    assert!(stack.is_mock() && stack.server("kafka").is_none());
    for _ in 0..2 {
        stack.create_topics(&[topic("movements", 3)]).await.unwrap();
    }
    produce(&stack.kafka, "movements", "one");
    assert_eq!(high_watermark(&stack.kafka, "movements"), 1);
    stack.stop().await;
}

#[tokio::test]
async fn a_taken_port_and_a_used_folder_are_said_before_anything_starts() {
    let temp = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = StackConfig {
        postgres: Source::Local { port },
        ..StackConfig::for_tests(temp.path())
    };
    let message = Stack::start(config.clone()).await.unwrap_err().to_string();
    assert!(
        message.contains(&format!("port {port} for Postgres is taken by process")),
        "{message}"
    );
    assert!(message.contains("--postgres-port PORT"), "{message}");
    assert_eq!(processes_in(temp.path()), Vec::<String>::new());

    let folder = stack::Folder::at(temp.path()).unwrap();
    let _held = folder.lock().unwrap();
    let refused = Stack::start(config).await.unwrap_err();
    assert!(
        matches!(refused, StackError::FolderInUse { .. }),
        "{refused}"
    );
}

#[tokio::test]
async fn missing_jars_name_the_command_that_fetches_them() {
    let temp = tempfile::tempdir().unwrap();
    let config = StackConfig {
        kafka_jars: temp.path().join("nowhere"),
        ..StackConfig::for_tests(temp.path().join("stack"))
    };
    let message = Stack::start(config).await.unwrap_err().to_string();
    assert!(
        message.starts_with("Kafka 4.3.1") && message.contains("`make setup`"),
        "{message}"
    );
}
